import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { ExpressAdapter } from '@bull-board/express'
import { Router } from 'express'
import type { Services } from '../shared/services.js'
import { basicAuth } from './basic-auth.js'

export const BOARD_PATH = '/ops/board'

/** Bull Board with every queue, behind the operator's password. */
export function boardRoute({ config, queues }: Services): Router {
  const serverAdapter = new ExpressAdapter()
  serverAdapter.setBasePath(BOARD_PATH)
  createBullBoard({
    queues: queues.all.map(queue => new BullMQAdapter(queue)),
    serverAdapter,
    options: { uiConfig: { boardTitle: 'Tillworks' } }
  })
  return Router().use(BOARD_PATH, basicAuth(config.ops.user, config.ops.password), serverAdapter.getRouter())
}

import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { ExpressAdapter } from '@bull-board/express'
import type { Router } from 'express'
import type { Queues } from '../../shared/queue/queues.js'

export const BOARD_PATH = '/ops/board'

/** Bull Board with every queue; `readOnly` shows no buttons. Who may do what is decided before it. */
export function boardRouter(queues: Queues, { readOnly }: { readOnly: boolean }): Router {
  const serverAdapter = new ExpressAdapter()
  serverAdapter.setBasePath(BOARD_PATH)
  createBullBoard({
    queues: queues.all.map(queue => new BullMQAdapter(queue, { readOnlyMode: readOnly })),
    serverAdapter,
    options: { uiConfig: { boardTitle: 'Tillworks' } }
  })
  return serverAdapter.getRouter()
}

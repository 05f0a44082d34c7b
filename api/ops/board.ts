import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { ExpressAdapter } from '@bull-board/express'
import type { RequestHandler, Router } from 'express'
import { publicPath } from '../../shared/runtime/base-path.js'
import type { Services } from '../../shared/runtime/services.js'

export const BOARD_PATH = '/ops/board'

/** Bull Board with every queue; `readOnly` shows no buttons. Who may do what is decided before it. */
export function boardRouter(
  { queues, config }: Pick<Services, 'queues' | 'config'>,
  { readOnly }: { readOnly: boolean }
): Router {
  const serverAdapter = new ExpressAdapter()
  serverAdapter.setBasePath(publicPath(config.ops.basePath, BOARD_PATH))
  createBullBoard({
    queues: queues.all.map(queue => new BullMQAdapter(queue, { readOnlyMode: readOnly })),
    serverAdapter,
    options: { uiConfig: { boardTitle: 'Tillworks' } }
  })
  return serverAdapter.getRouter()
}

/** Its page asks Google for fonts, which the policy refuses, and who looks at payments is nobody's business. */
export const withoutForeignFonts: RequestHandler = (_request, response, next) => {
  const send = response.send.bind(response)
  response.send = body =>
    send(typeof body === 'string' ? body.replace(/<link[^>]*fonts\.googleapis\.com[^>]*>/g, '') : body)
  next()
}

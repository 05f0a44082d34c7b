import express, { type Express, type RequestHandler } from 'express'
import helmet from 'helmet'
import { writeAudit } from '../../shared/audit/audit.js'
import { publicPath } from '../../shared/runtime/base-path.js'
import { collectMetrics } from '../../shared/runtime/metrics.js'
import { admit, guardChanges, operatorOf } from '../../shared/runtime/operator-access.js'
import type { Services } from '../../shared/runtime/services.js'
import { notFound, renderProblems } from '../problem.js'
import { requestContext, requestId } from '../request-context.js'
import { traceRequests } from '../trace-requests.js'
import { operatorsApi } from './api.js'
import { BOARD_PATH, boardRouter, withoutForeignFonts } from './board.js'
import { operatorsPage } from './page/page.js'
import { productRoutes } from './products.js'
import { renderRefusals } from './refused-acts.js'

/** The operators' page, Bull Board, metrics and the operators' API, on a listener of their own: nothing here is for customers. */
export function createOpsApp(services: Services): Express {
  const app = express()
  app.disable('x-powered-by')
  app.set('query parser', 'simple')
  app.use(traceRequests, requestContext(services.log))
  app.use(securityHeaders())
  app.use(admit(services), guardChanges)
  app.get('/', (_request, response) => response.redirect(publicPath(services.config.ops.basePath, '/ops')))
  app.get('/metrics', async (_request, response) => {
    const { contentType, text } = await collectMetrics(services)
    response.type(contentType).send(text)
  })
  const viewers = express.Router()
  viewers.use((_request, response, next) => next(operatorOf(response).role === 'viewer' ? undefined : 'router'))
  viewers.use(boardRouter(services, { readOnly: true }))
  app.use(BOARD_PATH, withoutForeignFonts, viewers)
  app.use(BOARD_PATH, auditBoard(services), boardRouter(services, { readOnly: false }))
  app.use(operatorsApi(services))
  app.use(productRoutes(services))
  app.use(operatorsPage(services))
  app.use(notFound)
  app.use(renderRefusals)
  app.use(renderProblems(services.log))
  return app
}

/** Bull Board needs inline styles; scripts, fonts and connections are its own alone. */
function securityHeaders(): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:'],
        fontSrc: ["'self'"],
        connectSrc: ["'self'"],
        manifestSrc: ["'self'"],
        baseUri: ["'self'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"]
      }
    },
    // The listener is on loopback; whoever puts TLS before it says so there.
    strictTransportSecurity: false,
    crossOriginOpenerPolicy: { policy: 'same-origin' }
  })
}

/** What an operator does on the board is written down before it is done. */
function auditBoard({ db }: Services): RequestHandler {
  return async (request, response, next) => {
    if (request.method === 'GET' || request.method === 'HEAD') return next()
    await writeAudit(db.pool, {
      action: 'board_action',
      status: 'PROCESSING',
      requestId: requestId(request),
      metadata: { operator: operatorOf(response).name, method: request.method, path: request.path.slice(0, 300) }
    })
    next()
  }
}

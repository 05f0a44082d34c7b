import express, { type Express, type RequestHandler, type Response } from 'express'
import helmet from 'helmet'
import { resolveAlert } from '../../shared/audit/alerts.js'
import { writeAudit } from '../../shared/audit/audit.js'
import { transaction } from '../../shared/database/database.js'
import { Problem } from '../../shared/errors.js'
import { replayEvent } from '../../shared/orders/replay-event.js'
import { collectMetrics } from '../../shared/runtime/metrics.js'
import { admit, guardChanges, operatorOf } from '../../shared/runtime/operator-access.js'
import type { Services } from '../../shared/runtime/services.js'
import { listOpenAlerts } from '../../shared/statements/alerts.js'
import { listDeadEvents } from '../../shared/statements/webhook-events.js'
import { jsonBytes, readJson } from '../json-body.js'
import { notFound, renderProblems } from '../problem.js'
import { requestContext, requestId } from '../request-context.js'
import { BOARD_PATH, boardRouter } from './board.js'
import { productRoutes } from './products.js'
import { withNote } from './with-note.js'

const MAX_ROWS = 200

/** Bull Board, metrics and a small API for operators, on a listener of their own: nothing here is for customers. */
export function createOpsApp(services: Services): Express {
  const app = express()
  app.disable('x-powered-by')
  app.set('query parser', 'simple')
  app.use(requestContext(services.log))
  app.use(securityHeaders())
  app.use(admit(services), guardChanges)
  app.get('/', (_request, response) => response.redirect(BOARD_PATH))
  app.get('/metrics', async (_request, response) => {
    const { contentType, text } = await collectMetrics(services)
    response.type(contentType).send(text)
  })
  const viewers = express.Router()
  viewers.use((_request, response, next) => next(operatorOf(response).role === 'viewer' ? undefined : 'router'))
  viewers.use(boardRouter(services.queues, { readOnly: true }))
  app.use(BOARD_PATH, viewers)
  app.use(BOARD_PATH, auditBoard(services), boardRouter(services.queues, { readOnly: false }))
  opsApi(app, services)
  app.use(productRoutes(services))
  app.use(notFound)
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

function opsApi(app: Express, services: Services): void {
  const { db, now } = services
  app.get('/ops/api/attention', async (_request, response) => {
    const alerts = await listOpenAlerts(db, MAX_ROWS)
    answer(response, alerts)
  })
  app.post('/ops/api/alerts/:id/resolve', jsonBytes, async (request, response) => {
    const { note } = readJson(request, withNote)
    const id = String(request.params.id)
    const by = operatorOf(response).name
    const resolved = await transaction(db.pool, client => resolveAlert(client, id, { by, note, now: now() }))
    if (!resolved) throw new Problem('not_found', { detail: 'There is no such open alert.' })
    answer(response, { id, resolvedBy: by })
  })
  app.get('/ops/api/events/dead', async (_request, response) => {
    const events = await listDeadEvents(db, MAX_ROWS)
    answer(response, events)
  })
  app.post('/ops/api/events/:id/replay', jsonBytes, async (request, response) => {
    const { note } = readJson(request, withNote)
    const id = String(request.params.id)
    const by = { operator: operatorOf(response).name, note, requestId: requestId(request) }
    if (!(await replayEvent(services, id, by)))
      throw new Problem('not_found', { detail: 'There is no such dead event.' })
    answer(response, { id, status: 'RECEIVED' })
  })
}

function answer(response: Response, data: unknown): void {
  response.setHeader('Cache-Control', 'no-store')
  response.json({ success: true, data })
}

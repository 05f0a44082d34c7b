import { type Response, Router } from 'express'
import { z } from 'zod'
import { findOrders } from '../../shared/orders/find-orders.js'
import { tellStory } from '../../shared/orders/story.js'
import { Refused } from '../../shared/refused.js'
import { makeReport } from '../../shared/reports/report.js'
import { operatorOf } from '../../shared/runtime/operator-access.js'
import type { Services } from '../../shared/runtime/services.js'
import { listOpenAlerts } from '../../shared/statements/alerts.js'
import { readMaintenance } from '../../shared/statements/switches.js'
import { listDeadEvents, showEvent } from '../../shared/statements/webhook-events.js'
import { jsonBytes, readJson } from '../json-body.js'
import { once, readQuery } from '../query.js'
import { requestId } from '../request-context.js'
import { acts } from './acts/acts.js'
import { perform } from './acts/perform.js'
import { needsAttention } from './attention.js'
import { readReportRequest } from './report-query.js'
import { subjectOf } from './subject.js'

const MAX_ROWS = 200
const MAX_FOUND = 50

const searched = z.strictObject({
  q: once()
    .transform(text => text.trim())
    .refine(text => text.length >= 1 && text.length <= 255, 'Give 1 to 255 characters')
})

/** All that the commands do with an order, over HTTP: docs/api.md#operations */
export function operatorsApi(services: Services): Router {
  const { db } = services
  const router = Router()

  router.get('/ops/api/attention', async (_request, response) => answer(response, await listOpenAlerts(db, MAX_ROWS)))
  router.get('/ops/api/attention/all', async (_request, response) => answer(response, await needsAttention(services)))
  router.get('/ops/api/events/dead', async (_request, response) => answer(response, await listDeadEvents(db, MAX_ROWS)))
  router.get('/ops/api/events/:id', async (request, response) =>
    answer(response, await eventOf(services, subjectOf(request)))
  )
  router.get('/ops/api/maintenance', async (_request, response) =>
    answer(response, (await readMaintenance(db.pool)) ?? { on: false, message: '', until: null })
  )
  router.get('/ops/api/search', async (request, response) => {
    const { q } = readQuery(request, searched)
    answer(response, { orders: await findOrders(db, q, MAX_FOUND), event: await findEvent(services, q) })
  })
  router.get('/ops/api/orders/:id', async (request, response) =>
    answer(response, await tellStory(services, subjectOf(request)))
  )

  router.get('/ops/api/reports/:kind', async (request, response) => {
    const asked = readReportRequest(request, request.params.kind)
    const context = { now: services.now(), stockLowAt: services.config.catalogue.stockLowAt }
    answer(response, await makeReport(db, asked, context))
  })

  for (const act of acts) {
    router.post(`/ops/api${act.path}`, jsonBytes, async (request, response) => {
      const data = await perform(services, {
        act,
        id: subjectOf(request),
        body: readJson(request, act.body),
        operator: operatorOf(response).name,
        requestId: requestId(request),
        key: request.get('idempotency-key')
      })
      answer(response, data)
    })
  }
  return router
}

/** Without its payload; null when there is none. */
export async function findEvent({ db }: Pick<Services, 'db'>, id: string) {
  const event = await showEvent(db, id)
  if (event === null) return null
  const { payload: _payload, ...told } = event
  return told
}

async function eventOf({ db }: Services, id: string) {
  const event = await showEvent(db, id)
  if (event === null) throw new Refused('event_not_found', `There is no event ${id}.`)
  return { ...event, payload: JSON.parse(event.payload) as unknown }
}

function answer(response: Response, data: unknown): void {
  response.setHeader('Cache-Control', 'no-store')
  response
    .type('json')
    .send(JSON.stringify({ success: true, data }, (_key, value) => (typeof value === 'bigint' ? Number(value) : value)))
}

import { readFileSync } from 'node:fs'
import { type ErrorRequestHandler, Router } from 'express'
import { isStorable } from '../../../shared/database/storable.js'
import { Problem } from '../../../shared/errors.js'
import { findOrders } from '../../../shared/orders/find-orders.js'
import { tellStory } from '../../../shared/orders/story.js'
import { Refused } from '../../../shared/refused.js'
import type { Services } from '../../../shared/runtime/services.js'
import { readCheckout } from '../../../shared/statements/checkouts.js'
import { showEvent } from '../../../shared/statements/webhook-events.js'
import { needsAttention } from '../attention.js'
import { createPulse } from '../pulse.js'
import { subjectOf } from '../subject.js'
import { actPages } from './act-pages.js'
import { frameOf, redirect, sendPage } from './answer.js'
import { AttentionPage } from './attention.js'
import { EventPage } from './event.js'
import { LinksUnder } from './link.js'
import { moneyPages } from './money.js'
import { OrderPage } from './order.js'
import { productPages } from './products.js'
import { Pulse } from './pulse.js'
import { refusalOf } from './refusal.js'
import { RefusalPage } from './refusal-page.js'
import { reportPages } from './reports.js'
import { runbookPages } from './runbooks.js'
import { SearchPage } from './search.js'

const MAX_FOUND = 50

const style = readFileSync(new URL('./style.css', import.meta.url))
const liveScript = readFileSync(new URL('./live.js', import.meta.url))

/** The operators' page: HTML that works without JavaScript, docs/operators-page.md */
export function operatorsPage(services: Services): Router {
  const { db } = services
  const router = Router()
  const pulse = createPulse(services)
  router.get('/ops/style.css', (_request, response) => {
    response.setHeader('Cache-Control', 'private, no-cache')
    response.type('css').send(style)
  })
  router.get('/ops/live.js', (_request, response) => {
    response.setHeader('Cache-Control', 'private, no-cache')
    response.type('js').send(liveScript)
  })
  router.get('/ops', async (request, response) => {
    const frame = frameOf(request, response, services)
    const [waiting, now] = await Promise.all([needsAttention(services), pulse()])
    sendPage(response, <AttentionPage frame={frame} waiting={waiting} pulse={now} />)
  })
  router.get('/ops/pulse', async (_request, response) => {
    const now = await pulse()
    sendPage(
      response,
      <LinksUnder value={services.config.ops.basePath}>
        <Pulse pulse={now} />
      </LinksUnder>
    )
  })
  router.get('/ops/search', async (request, response) => {
    const query = String(request.query.q ?? '')
      .trim()
      .slice(0, 255)
    if (!isStorable(query)) throw new Problem('invalid_request', { detail: 'Nothing is called so.' })
    const [orders, event] = await Promise.all([findOrders(db, query, MAX_FOUND), showEvent(db, query)])
    const [only, ...others] = orders
    if (only !== undefined && others.length === 0) return redirect(services, response, `/ops/orders/${only.id}`)
    const frame = frameOf(request, response, services)
    sendPage(response, <SearchPage frame={frame} query={query} orders={orders} event={event} />)
  })
  router.get('/ops/orders/:id', async (request, response) => {
    const story = await tellStory(services, subjectOf(request))
    sendPage(response, <OrderPage frame={frameOf(request, response, services)} story={story} />)
  })
  router.get('/ops/events/:id', async (request, response) => {
    const id = subjectOf(request)
    const event = await showEvent(db, id)
    if (event === null) throw new Refused('event_not_found', `There is no event ${id}.`)
    const checkout = event.checkoutId === null ? undefined : await readCheckout(db.pool, event.checkoutId)
    const frame = frameOf(request, response, services)
    sendPage(response, <EventPage frame={frame} event={event} orderId={checkout?.orderId ?? null} />)
  })
  router.use(
    moneyPages(services),
    reportPages(services),
    productPages(services),
    runbookPages(services),
    actPages(services)
  )
  router.use('/ops', renderRefusal(services))
  return router
}

/** What was refused, as a page; the API has problem documents, and Bull Board its own. */
function renderRefusal(services: Services): ErrorRequestHandler {
  return (error, request, response, next) => {
    const refusal = refusalOf(error)
    if (refusal === undefined || /^\/(api|board)(\/|$)/.test(request.path)) return next(error)
    const title = refusal.status === 404 ? 'Not found' : 'Refused'
    const frame = frameOf(request, response, services)
    sendPage(response, <RefusalPage frame={frame} title={title} sentences={refusal.sentences} />, refusal.status)
  }
}

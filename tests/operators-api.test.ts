import { acts, pathOf } from '../api/ops/acts/acts.js'
import { eventually } from '../local/eventually.js'
import type { Shopper } from '../local/shopper.js'
import { newId } from '../shared/ids.js'
import { describedRoutes, type Held, holdAnswers } from './support/api-reference.js'
import { allApplied, buy, intentOf, paymentRow } from './support/purchase.js'
import { QUIET } from './support/settings.js'
import { openShop, type Shop } from './support/shop.js'

let shop: Shop
let ada: Shopper
let base: string
let held: Held
beforeAll(async () => {
  shop = await openShop('postgres', {
    ...QUIET,
    PAYMENT_CAPTURE_METHOD: 'manual',
    OPS_VIEWER_PASSWORD: 'password of a viewer'
  })
  ada = await shop.customer('ada')
  base = `http://127.0.0.1:${shop.stack.api.opsPort}/ops/api`
  held = holdAnswers(base)
})
afterAll(async () => {
  held.stop()
  await shop.close()
})
afterEach(() => {
  expect(held.faults.splice(0)).toEqual([])
})

const login = (name: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
})
const OPERATOR = login('ops', 'password of the tests')
const VIEWER = login('viewer', 'password of a viewer')
const why = { reason: 'the customer asked for it' }
const because = { note: 'looked at it' }

async function ask(path: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${base}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { ...OPERATOR, 'Content-Type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  const text = await response.text()
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    body: text.startsWith('{') ? JSON.parse(text) : text
  }
}

const trail = (action: string) =>
  shop.stack.services.db.prisma.paymentAuditLog.findMany({ where: { action }, orderBy: { id: 'asc' } })

async function authorized(quantity = 1) {
  const bought = await buy(ada, 'stoneware-mug', quantity)
  await ada.pay(bought.url)
  await ada.orderBecomes(bought.orderId, 'AUTHORIZED')
  return bought
}

async function paid(quantity = 1) {
  const bought = await authorized(quantity)
  expect((await ask(`/orders/${bought.orderId}/capture`, why)).status).toBe(200)
  return bought
}

async function deadEvent() {
  const id = `evt_dead_${newId()}`
  const payload = JSON.stringify({
    id,
    object: 'event',
    type: 'invoice.paid',
    data: { object: { id: 'in_1', object: 'invoice' } }
  })
  const data = { id, type: 'invoice.paid', livemode: false, created: new Date(), payload, requestId: 'test' }
  await shop.stack.services.db.prisma.webhookEvent.create({ data: { ...data, status: 'DEAD', error: 'a test' } })
  return id
}

it('lets nobody but an operator act, from no other site, with a reason and on what there is', async () => {
  for (const act of acts) {
    const path = pathOf(act, 'cnobody')
    const asked = async (body: unknown, headers = {}) => {
      const { status, type } = await ask(path, body, headers)
      return [act.path, status, type.split(';')[0]]
    }
    const body = { ...(act.path.startsWith('/orders') || act.path.startsWith('/checkouts') ? why : because) }
    expect(await asked(body, VIEWER)).toEqual([act.path, 403, 'text/plain'])
    expect(await asked(body, { origin: 'https://evil.example' })).toEqual([act.path, 403, 'text/plain'])
    expect(await asked(body, { 'sec-fetch-site': 'cross-site' })).toEqual([act.path, 403, 'text/plain'])
    for (const wrong of [[], 'x', { unknown: 1 }, { reason: 1 }, { note: 'a\0b' }])
      expect(await asked(wrong)).toEqual([act.path, 400, 'application/problem+json'])
    if (act.path.includes(':id')) {
      expect(await asked(body)).toEqual([act.path, 404, 'application/problem+json'])
      expect((await ask(act.path.replace(':id', '%00'), body)).status).toBe(404)
    }
  }
  expect(await trail('maintenance_off')).toEqual([])
})

it('captures, refunds a part with its goods, and tells the order as one story', async () => {
  const { orderId, sessionId } = await authorized(2)
  const intent = intentOf(shop, sessionId)
  const tooMuch = await ask(`/orders/${orderId}/capture`, { ...why, amount: '999.00' })
  expect(tooMuch).toMatchObject({ status: 400, body: { type: 'urn:tillworks:problem:unclear_input', success: false } })
  expect((await ask(`/orders/${orderId}/refund`, why)).body).toMatchObject({ status: 409, success: false })
  const captured = await ask(`/orders/${orderId}/capture`, why)
  expect(captured).toMatchObject({ status: 200, body: { data: { paymentIntentId: intent, status: 'PAID' } } })
  expect((await ask(`/orders/${orderId}/capture`, why)).body).toMatchObject({ status: 409 })

  const { id: mug, stock } = await ada.product('stoneware-mug')
  const part = { ...why, amount: '19.99', restock: { [mug]: 1 } }
  const key = { 'Idempotency-Key': 'refund-1' }
  const answers = await Promise.all([1, 2, 3].map(() => ask(`/orders/${orderId}/refund`, part, key)))
  expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true)
  const first = answers.find(({ status }) => status === 200)
  expect(first?.body.data.refunds).toMatchObject([{ amount: 1999, paymentIntentId: intent, requestedBy: 'ops' }])
  expect((await ask(`/orders/${orderId}/refund`, part, key)).body).toEqual(first?.body)
  expect((await ask(`/orders/${orderId}/refund`, { ...part, amount: '1.00' }, key)).status).toBe(422)
  await ada.orderBecomes(orderId, 'PARTIALLY_REFUNDED')
  expect((await ada.product('stoneware-mug')).stock).toBe(stock + 1)
  await allApplied(shop)

  const { body } = await ask(`/orders/${orderId}`, undefined, VIEWER)
  const { data } = body
  expect(data).toMatchObject({ id: orderId, status: 'PARTIALLY_REFUNDED', payments: [{ captured: 3998 }] })
  expect(data.refunds).toHaveLength(1)
  expect(data.events.map((event: { payload: { object: string } }) => event.payload.object)).toContain('event')
  const kinds = new Set(data.timeline.map((moment: { kind: string }) => moment.kind))
  expect([...kinds]).toEqual(expect.arrayContaining(['audit', 'event', 'ledger']))
  expect(data.timeline).toContainEqual(
    expect.objectContaining({ what: 'order_capture_requested', by: 'ops', why: why.reason, amount: 3998 })
  )
  const times = data.timeline.map((moment: { at: string }) => moment.at)
  expect(times).toEqual([...times].sort())

  const refund = data.refunds[0]
  const names = [
    orderId,
    'ada',
    'ADA@shop.example',
    sessionId,
    intent,
    data.payments[0].chargeId,
    refund.id,
    refund.stripeId
  ]
  for (const name of [...names, data.events[0].id, data.checkouts[0].id]) {
    const found = await ask(`/search?q=${encodeURIComponent(name)}`, undefined, VIEWER)
    expect([name, found.body.data.orders.map((each: { id: string }) => each.id)]).toEqual([
      name,
      expect.arrayContaining([orderId])
    ])
  }
  expect((await ask('/search?q=nothing')).body.data).toEqual({ orders: [], event: null })
  expect((await ask('/search')).status).toBe(400)
  expect((await ask('/orders/cnobody')).status).toBe(404)
})

it('cancels an authorization, expires a checkout, and accepts a payment in review', async () => {
  const held = await authorized()
  expect((await ask(`/orders/${held.orderId}/cancel`, why)).body.data).toMatchObject({ status: 'CANCELLED' })
  await ada.orderBecomes(held.orderId, 'CANCELLED')
  expect((await trail('order_cancel_requested'))[0]?.metadata).toMatchObject({ operator: 'ops', reason: why.reason })

  const open = await buy(ada)
  const expired = await ask(`/checkouts/${open.checkoutId}/expire`, why)
  expect(expired.body.data).toEqual({ id: open.checkoutId, status: 'EXPIRED' })
  expect((await ask(`/checkouts/${open.checkoutId}/expire`, why)).body).toMatchObject({ status: 409 })

  const late = await buy(ada)
  const { pool } = shop.stack.services.db
  await pool.query(`UPDATE "Order" SET "cancelledAt" = now(), "status" = 'CANCELLED' WHERE "id" = $1`, [late.orderId])
  await ada.pay(late.url)
  await ada.orderBecomes(late.orderId, 'NEEDS_REVIEW')
  const waiting = (await ask('/attention/all')).body.data
  expect(waiting.ordersInReview).toMatchObject([{ id: late.orderId, reviewReason: expect.any(String) }])
  const accepted = await ask(`/orders/${late.orderId}/accept`, why)
  expect(accepted).toMatchObject({ status: 200, body: { data: { paymentIntentId: intentOf(shop, late.sessionId) } } })
  expect((await ask(`/orders/${late.orderId}/accept`, why)).body).toMatchObject({ status: 409 })
})

it('reconciles one order with what Stripe has, and names what differed', async () => {
  const { orderId } = await paid()
  const { paymentIntentId } = await paymentRow(shop, orderId)
  const { pool } = shop.stack.services.db
  expect((await ask(`/orders/${orderId}/reconcile`, why)).body.data).toMatchObject({ compared: 1, differences: [] })
  await pool.query(`UPDATE "Payment" SET "chargeId" = NULL WHERE "paymentIntentId" = $1`, [paymentIntentId])
  const { body } = await ask(`/orders/${orderId}/reconcile`, why)
  expect(body.data).toMatchObject({
    compared: 1,
    differences: [expect.stringContaining('has the charge')],
    remaining: [],
    errors: []
  })
  expect((await paymentRow(shop, orderId)).chargeId).toMatch(/^ch_/)
  expect((await trail('order_reconciled')).at(-1)).toMatchObject({
    orderId,
    status: 'SUCCESS',
    metadata: { operator: 'ops', ...why }
  })
})

it('replays and resolves events, notifications and alerts, clears a customer, and opens and closes checkouts', async () => {
  const { prisma } = shop.stack.services.db
  const [again, done] = [await deadEvent(), await deadEvent()]
  expect((await ask(`/events/${again}`)).body.data).toMatchObject({ status: 'DEAD', payload: { type: 'invoice.paid' } })
  expect((await ask(`/events/${again}/replay`, because)).body.data).toEqual({ id: again, status: 'RECEIVED' })
  await eventually(
    () => prisma.webhookEvent.findUniqueOrThrow({ where: { id: again } }),
    ({ status }) => status === 'IGNORED'
  )
  expect((await ask(`/events/${again}/replay`, because)).body).toMatchObject({ status: 409 })
  expect((await ask(`/events/${done}/resolve`, because)).status).toBe(200)
  expect(await prisma.webhookEvent.findUnique({ where: { id: done } })).toMatchObject({
    status: 'RESOLVED',
    resolvedBy: 'ops',
    ...because
  })

  const { orderId } = await buy(ada)
  const id = newId()
  await prisma.notification.create({
    data: { id, orderId, sequence: 99, type: 'order.paid', data: {}, status: 'FAILED' }
  })
  expect((await ask('/attention/all')).body.data.failedNotifications).toMatchObject([{ id }])
  expect((await ask(`/notifications/${id}/replay`, because)).status).toBe(200)
  expect((await trail('notification_replayed'))[0]).toMatchObject({
    orderId,
    metadata: { operator: 'ops', ...because }
  })

  const alertId = newId()
  await prisma.alert.create({ data: { id: alertId, name: 'dead_event', context: { eventId: done, reason: 'a test' } } })
  expect((await ask(`/alerts/${alertId}/resolve`, because)).body.data).toEqual({ id: alertId, resolvedBy: 'ops' })

  for (const path of ['daily', 'weekly?timezone=Europe/Berlin', 'monthly?for=2026-11-01'])
    expect((await ask(`/reports/${path}`, undefined, VIEWER)).status).toBe(200)
  for (const path of ['hourly', 'daily?timezone=Mars']) expect((await ask(`/reports/${path}`)).body.success).toBe(false)

  const cleared = await ask('/fraud/clearances', { ...because, userId: 'ada', ipAddress: '2001:db8::1' })
  expect(cleared.body.data.cleared).toEqual(['user:ada', 'ip:2001:db8::/64'])
  expect((await ask('/fraud/clearances', { ...because, ipAddress: 'home' })).status).toBe(400)

  const on = { message: 'Back at noon', until: '2030-01-01T12:00:00+01:00', ...why }
  expect((await ask('/maintenance/on', on)).body.data).toEqual({
    on: true,
    message: 'Back at noon',
    until: '2030-01-01T11:00:00.000Z'
  })
  expect((await ask('/maintenance')).body.data).toMatchObject({ on: true })
  expect((await ask('/maintenance/off', why)).status).toBe(200)
  expect((await trail('maintenance_off'))[0]?.metadata).toMatchObject({ operator: 'ops', ...why })
})

it('has answered every act, and all that operators read, as the API reference says', () => {
  const done = new Set([...held.seen].filter(name => / 200$/.test(name)).map(name => name.replace(/ 200$/, '')))
  const operators = describedRoutes()
    .map(route => route.replace(/:(\w+)/g, '{$1}'))
    .filter(route => /^(GET|POST) \/ops\/api\/(?!products|events\/dead|attention$)/.test(route))
  expect(operators.filter(route => !done.has(route))).toEqual([])
  expect(operators.length).toBeGreaterThan(acts.length)
})

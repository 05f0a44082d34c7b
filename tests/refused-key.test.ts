import { eventually } from '../local/eventually.js'
import { data, lineOf, type Shopper } from '../local/shopper.js'
import { HOUR } from '../shared/duration.js'
import { requestRefunds } from '../shared/orders/refund.js'
import { reconcile } from '../shared/reconcile/reconcile.js'
import { reconcileObjects } from '../shared/reconcile/reconcile-objects.js'
import { readInstallation } from '../shared/statements/installation.js'
import { storeEvents } from '../shared/statements/webhook-events.js'
import { reconcileJob } from '../workers/reconcile.js'
import { sessionCreation } from '../workers/session-creation.js'
import { JOB, open } from './support/fresh-shop.js'
import { runOps } from './support/ops.js'
import { allApplied, buy, intentOf, ledgerDifferences, orderRow, sessionOf } from './support/purchase.js'
import { BY_HAND } from './support/settings.js'
import type { Shop } from './support/shop.js'

const FAST = { STRIPE_MAX_RETRIES: '0', CHECKOUT_WAIT_MS: '15000' }
const statuses = [401, 403] as const

const db = (shop: Shop) => shop.stack.services.db.prisma
const refuse = (shop: Shop, refuseKey: 401 | 403) => shop.simulator.faults.set({ refuseKey })
const mend = (shop: Shop) => shop.simulator.faults.set({})

/** The only alert, once there is one; it says what Stripe says of the key. */
async function theAlert(shop: Shop, status: 401 | 403, permission: string): Promise<void> {
  const alerts = await eventually(
    () => db(shop).alert.findMany(),
    found => found.length > 0
  )
  expect(alerts.map(each => each.name)).toEqual(['stripe_key_refused'])
  const context = JSON.stringify(alerts[0]?.context)
  expect(context).toContain(status === 401 ? 'Expired API Key' : `the key lacks ${permission}`)
}

async function paidOrder(customer: Shopper) {
  const bought = await buy(customer)
  await customer.pay(bought.url)
  await customer.orderBecomes(bought.orderId, 'PAID')
  return bought
}

describe.each(statuses)('a key that Stripe refuses with %i', status => {
  it.each(['a key of its own', 'none'])(
    'answers a checkout with 503 at once and keeps its place, with %s',
    async keyed => {
      const { shop, customer } = await open(FAST)
      const items = [lineOf(await customer.product('stoneware-mug'), 2)]
      const headers = keyed === 'none' ? undefined : { 'Idempotency-Key': 'first' }
      const stock = (await customer.product('stoneware-mug')).stock
      refuse(shop, status)
      const post = () => customer.checkout({ items }, headers)
      const begun = Date.now()
      const refused = await post()
      expect(Date.now() - begun).toBeLessThan(14_000)
      expect(refused.status).toBe(503)
      expect(refused.headers.get('retry-after')).toBe('30')
      const checkout = await db(shop).checkout.findFirstOrThrow()
      expect(refused.headers.get('location')).toBe(`/api/stripe/checkout/${checkout.id}`)
      expect([checkout.status, (await customer.product('stoneware-mug')).stock]).toEqual(['VERIFIED', stock - 2])
      // Whoever asks again is told the same, and nothing is made twice.
      expect((await post()).status).toBe(503)
      expect(await db(shop).checkout.count()).toBe(1)
      await theAlert(shop, status, 'rak_checkout_session_write')
      mend(shop)
      await customer.checkoutBecomes(checkout.id, 'OPEN')
      const answer = await post()
      expect([answer.status, data(answer).checkoutId]).toEqual([200, checkout.id])
      expect(await db(shop).alert.count()).toBe(1)
    },
    60_000
  )

  it('makes the Session for a later time when it was mended after hours', async () => {
    let now = Date.now()
    const { shop, customer } = await open({ ...BY_HAND, CHECKOUT_WAIT_MS: '0' }, { now: () => now })
    const { services } = shop.stack
    refuse(shop, status)
    const items = [lineOf(await customer.product('stoneware-mug'), 2)]
    const { checkoutId } = data(await customer.checkout({ items }))
    await eventually(
      () => db(shop).checkout.findUniqueOrThrow({ where: { id: checkoutId } }),
      each => each.keyRefusedAt !== null
    )
    await shop.stack.stopWorkers()
    mend(shop)
    now += 5 * HOUR
    const later = { ...services, now: () => new Date(now) }
    await sessionCreation.handle(later, { checkoutId }, JOB)
    const checkout = await db(shop).checkout.findUniqueOrThrow({ where: { id: checkoutId } })
    expect(checkout.status).toBe('OPEN')
    const minutes = ((checkout.sessionExpiresAt?.getTime() ?? 0) - now) / 60_000
    expect(Math.round(minutes)).toBe(60)
    expect(sessionOf(shop, checkout.sessionId ?? '').expires_at * 1_000).toBe(checkout.sessionExpiresAt?.getTime())
  })

  it('ends no refund', async () => {
    const { shop, customer } = await open(FAST)
    const { orderId } = await paidOrder(customer)
    refuse(shop, status)
    await requestRefunds(shop.stack.services, { orderId, amount: 500, operator: 'olga' })
    await theAlert(shop, status, 'rak_charge_write')
    expect(await db(shop).refund.findMany()).toMatchObject([{ status: 'REQUESTED' }])
    mend(shop)
    await customer.orderBecomes(orderId, 'PARTIALLY_REFUNDED')
  })

  it('keeps the open Session of an order that another checkout would replace', async () => {
    const { shop, customer } = await open(FAST)
    const first = await buy(customer)
    refuse(shop, status)
    const items = [lineOf(await customer.product('stoneware-mug'), 3)]
    const answer = await customer.checkout({ items, orderId: first.orderId }, { 'Idempotency-Key': 'another' })
    expect(answer.status).toBe(503)
    await theAlert(shop, status, 'rak_checkout_session_write')
    const rows = await db(shop).checkout.findMany({ orderBy: { createdAt: 'asc' } })
    expect(rows.map(each => each.status)).toEqual(['OPEN', 'RECEIVED'])
    mend(shop)
    await customer.checkoutBecomes(first.checkoutId, 'EXPIRED')
    await customer.checkoutBecomes(rows[1]?.id ?? '', 'OPEN')
  })

  it('ends nothing of what an operator asks for, and tells why', async () => {
    const { shop, customer } = await open({ ...FAST, PAYMENT_CAPTURE_METHOD: 'manual' })
    const orders = [await buy(customer), await buy(customer, 'desk-lamp', 1)]
    for (const { url, orderId } of orders) {
      await customer.pay(url)
      await customer.orderBecomes(orderId, 'AUTHORIZED')
    }
    const unpaid = await buy(customer, 'wool-throw', 1)
    const [captured, cancelled] = orders.map(each => each.orderId) as [string, string]
    const commands = [
      ['order', 'capture', captured],
      ['order', 'cancel', cancelled],
      ['order', 'cancel', unpaid.orderId],
      ['checkout', 'expire', unpaid.checkoutId, '--reason', 'a test'],
      ['checkout', 'expire', unpaid.checkoutId, '--reason', 'a test', '--unknown-to-stripe']
    ]
    refuse(shop, status)
    for (const command of commands) {
      const { code, output } = await runOps(shop, ...command)
      expect([code, output]).toEqual([1, expect.stringMatching(status === 401 ? /Expired API Key/ : /rak_\w+/)])
    }
    expect((await orderRow(shop, captured)).status).toBe('AUTHORIZED')
    expect((await orderRow(shop, cancelled)).status).toBe('AUTHORIZED')
    expect((await db(shop).checkout.findUniqueOrThrow({ where: { id: unpaid.checkoutId } })).status).toBe('OPEN')
    mend(shop)
    for (const command of commands.slice(0, 3)) expect(await runOps(shop, ...command)).toMatchObject({ code: 0 })
    await customer.orderBecomes(captured, 'PAID')
    await customer.orderBecomes(cancelled, 'CANCELLED')
  })

  it('keeps an event that has to ask Stripe, however often it is tried', async () => {
    const { shop, customer } = await open(FAST)
    const { services } = shop.stack
    const { orderId, sessionId, url } = await buy(customer)
    shop.simulator.faults.set({ dropDeliveries: 1 })
    await customer.pay(url)
    const refund = await services.stripe.refunds.create({ payment_intent: intentOf(shop, sessionId), amount: 500 })
    refuse(shop, status)
    const id = 'evt_asks'
    const event = { id, object: 'event', type: 'refund.created', created: refund.created, data: { object: refund } }
    const envelope = { id, type: event.type, apiVersion: null, livemode: false, requestId: 'test' }
    const times = { created: new Date(), receivedAt: new Date() }
    await storeEvents(services.db.pool, [{ ...envelope, ...times, payload: JSON.stringify(event) }])
    // It has been tried all night.
    await services.db.pool.query('UPDATE "WebhookEvent" SET "attempts" = 100')
    await services.queues.enqueue('webhook-processing', id)
    await theAlert(shop, status, 'rak_payment_intent_read')
    await eventually(
      () => db(shop).webhookEvent.findUniqueOrThrow({ where: { id } }),
      each => each.attempts > 100
    )
    expect((await db(shop).webhookEvent.findUniqueOrThrow({ where: { id } })).status).toBe('RECEIVED')
    mend(shop)
    const applied = await eventually(
      () => db(shop).webhookEvent.findUniqueOrThrow({ where: { id } }),
      each => each.status !== 'RECEIVED'
    )
    expect(applied.status).toBe('PROCESSED')
    expect(await db(shop).refund.findMany()).toMatchObject([{ orderId, status: 'SUCCEEDED' }])
  })

  it('stops reconcile of events, objects and balance, which change nothing and go on later', async () => {
    const { shop, customer } = await open(FAST)
    const { services } = shop.stack
    const { orderId, url } = await buy(customer)
    shop.simulator.faults.set({ dropDeliveries: 1 })
    await customer.pay(url)
    refuse(shop, status)
    await expect(reconcileJob.handle(services, {}, JOB)).rejects.toThrow()
    await theAlert(shop, status, 'rak_event_read')
    const report = await reconcileObjects(services, { since: new Date(), requestId: 'test' })
    expect(report.errors).toHaveLength(1)
    expect(report.goOnFrom).toBeDefined()
    expect((await orderRow(shop, orderId)).status).toBe('PENDING')
    mend(shop)
    await reconcileJob.handle(services, {}, JOB)
    await customer.orderBecomes(orderId, 'PAID')
    expect(await ledgerDifferences(shop)).toEqual([])
    expect(await db(shop).alert.count()).toBe(1)
  })
})

describe('a restricted key that lacks one permission', () => {
  it('is named by an alert of its own for each, and keeps nothing else from its turn', async () => {
    const { shop, customer } = await open(FAST)
    const { services } = shop.stack
    expect(await readInstallation(services.db.pool)).toHaveLength(1)
    const { orderId } = await paidOrder(customer)
    await allApplied(shop)
    const lacking = ['rak_balance_transaction_source_read', 'rak_event_read']
    for (const lacks of lacking.flatMap(each => [each, each])) {
      shop.simulator.faults.set({ lacks })
      await expect(reconcileJob.handle(services, {}, JOB)).rejects.toThrow(lacks)
    }
    const alerts = await db(shop).alert.findMany({ orderBy: { createdAt: 'asc' } })
    expect(alerts.map(each => [each.name, (each.context as { subject?: string }).subject])).toEqual(
      lacking.map(permission => ['stripe_key_refused', permission])
    )
    const bought = await buy(customer, 'desk-lamp', 1)
    expect(bought.sessionId).toMatch(/^cs_/)
    mend(shop)
    expect((await reconcile(services, { requestId: 'test' })).errors).toEqual([])
    expect((await orderRow(shop, orderId)).status).toBe('PAID')
  })

  it('is named beside what Stripe refuses for another reason', async () => {
    const { shop, customer } = await open(FAST)
    const { services } = shop.stack
    const { checkoutId } = await buy(customer)
    // A Session that was deleted is an error of its own in the same run.
    await services.db.pool.query(
      `UPDATE "Checkout" SET "sessionId" = 'cs_test_gone', "sessionExpiresAt" = now() - interval '1 day' WHERE "id" = $1`,
      [checkoutId]
    )
    shop.simulator.faults.set({ lacks: 'rak_event_read' })
    await expect(reconcileJob.handle(services, {}, JOB)).rejects.toThrow('rak_event_read')
    const names = (await db(shop).alert.findMany()).map(each => each.name).sort()
    expect(names).toEqual(['session_unknown', 'stripe_key_refused'])
  })
})

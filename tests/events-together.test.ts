import type Stripe from 'stripe'
import type { Shopper } from '../local/shopper.js'
import { applyEvent } from '../shared/orders/apply-event.js'
import { inOrder, waitsWith } from '../shared/rules/applied-together.js'
import { storeEvents } from '../shared/statements/webhook-events.js'
import { webhookProcessing } from '../workers/webhook-processing.js'
import { JOB } from './support/fresh-shop.js'
import { allApplied, buy, intentOf } from './support/purchase.js'
import { NO_SCHEDULES } from './support/settings.js'
import { asOwner, openShop, type Shop } from './support/shop.js'

let shop: Shop
let ada: Shopper

beforeAll(async () => {
  shop = await openShop('postgres', NO_SCHEDULES)
  ada = await shop.customer('ada')
})
afterAll(() => shop.close())

const db = () => shop.stack.services.db.prisma

/** A paid checkout, whose events are stored and wait. */
async function waitingPayment(change: (event: Stripe.Event) => object = event => event) {
  const { orderId, sessionId, url } = await buy(ada)
  shop.simulator.faults.set({ dropDeliveries: 1 })
  await ada.pay(url)
  await shop.simulator.idle()
  shop.simulator.faults.set({ dropDeliveries: 0 })
  const intent = intentOf(shop, sessionId)
  const events = shop.simulator.record.undelivered().filter(({ type, data }) => waitsWith(type, data.object) === intent)
  expect(events.length).toBeGreaterThan(2)
  await storeEvents(
    shop.stack.services.db.pool,
    events.map(event => ({
      id: event.id,
      type: event.type,
      apiVersion: event.api_version,
      livemode: false,
      created: new Date(event.created * 1_000),
      payload: JSON.stringify(change(event)),
      requestId: 'together',
      receivedAt: new Date(),
      paymentIntentId: waitsWith(event.type, event.data.object)
    }))
  )
  return { orderId, events, ids: events.map(({ id }) => id) }
}

/** The transactions that ended these events, with how they ended. */
async function endsOf(ids: string[]) {
  const { rows } = await shop.stack.services.db.pool.query<{ id: string; status: string; transaction: string }>(
    'SELECT "id", "status", xmin::text AS transaction FROM "WebhookEvent" WHERE "id" = ANY($1) ORDER BY "id"',
    [ids]
  )
  return { states: rows.map(row => row.status), transactions: new Set(rows.map(row => row.transaction)).size }
}

const trailOf = (ids: string[]) =>
  db().paymentAuditLog.findMany({ where: { eventId: { in: ids }, action: { startsWith: 'webhook_' } } })

it('applies the events of a payment that wait together in one transaction, each with its entry in the trail', async () => {
  const { orderId, ids } = await waitingPayment()
  await applyEvent(shop.stack.services, ids[0] ?? '')
  const { states, transactions } = await endsOf(ids)
  expect(states).not.toContain('RECEIVED')
  expect(transactions).toBe(1)
  expect((await trailOf(ids)).map(row => row.eventId).sort()).toEqual([...ids].sort())
  await allApplied(shop)
  expect(await db().paymentAuditLog.count({ where: { orderId, action: 'order_paid' } })).toBe(1)
  expect((await db().order.findUniqueOrThrow({ where: { id: orderId } })).status).toBe('PAID')
})

it('applies each of them once when all of their jobs run at the same moment', async () => {
  const payments = [await waitingPayment(), await waitingPayment(), await waitingPayment()]
  const jobs = payments.flatMap(({ ids }) => [...ids, ...ids])
  await Promise.all(jobs.map(id => applyEvent(shop.stack.services, id)))
  for (const { orderId, ids } of payments) {
    expect((await trailOf(ids)).map(row => row.eventId).sort()).toEqual([...ids].sort())
    expect(await db().paymentAuditLog.count({ where: { orderId, action: 'order_paid' } })).toBe(1)
    expect((await endsOf(ids)).transactions).toBe(1)
  }
})

it('applies the others when one of them cannot be applied, whichever of them comes first', async () => {
  const spoil = (event: Stripe.Event) =>
    event.type === 'charge.succeeded'
      ? { ...event, data: { object: { ...event.data.object, amount: 'a lot' } } }
      : event
  for (const first of ['spoiled', 'good']) {
    const { orderId, ids, events } = await waitingPayment(spoil)
    const spoiled = events.find(({ type }) => type === 'charge.succeeded')?.id ?? ''
    const others = ids.filter(id => id !== spoiled)
    const jobs = first === 'spoiled' ? [spoiled, ...others] : [...others, spoiled]
    for (const id of jobs) {
      const applied = applyEvent(shop.stack.services, id)
      if (id === spoiled) await expect(applied).rejects.toThrow('amount is a text of 5 characters, not an amount')
      else await applied
    }
    expect((await endsOf(others)).states).not.toContain('RECEIVED')
    expect((await endsOf([spoiled])).states).toEqual(['RECEIVED'])
    expect((await db().order.findUniqueOrThrow({ where: { id: orderId } })).status).toBe('PAID')
    await db().webhookEvent.delete({ where: { id: spoiled } })
  }
})

describe('the job of several payments', () => {
  const apply = (eventIds: string[]) => webhookProcessing.handle(shop.stack.services, { eventIds }, JOB)

  it('does not wait for the order that somebody has locked', async () => {
    const payments = [await waitingPayment(), await waitingPayment(), await waitingPayment()]
    const [locked, ...others] = payments as [(typeof payments)[0], ...typeof payments]
    const client = await shop.stack.services.db.pool.connect()
    try {
      await client.query('BEGIN')
      await client.query('SELECT 1 FROM "Order" WHERE "id" = $1 FOR UPDATE', [locked.orderId])
      await apply(payments.flatMap(({ ids }) => ids))
      for (const { ids } of others) expect((await endsOf(ids)).states).not.toContain('RECEIVED')
      expect(new Set((await endsOf(locked.ids)).states)).toEqual(new Set(['RECEIVED']))
      await client.query('ROLLBACK')
    } finally {
      client.release()
    }
    await ada.orderBecomes(locked.orderId, 'PAID')
    await allApplied(shop)
  })

  it('leaves a dead event to whoever replays it, and applies the others', async () => {
    const { ids } = await waitingPayment()
    const [dead = '', ...others] = ids
    await db().webhookEvent.update({ where: { id: dead }, data: { status: 'DEAD' } })
    await apply(ids)
    await apply(ids)
    expect((await endsOf([dead])).states).toEqual(['DEAD'])
    expect((await endsOf(others)).states).not.toContain('RECEIVED')
    expect(await db().paymentAuditLog.count({ where: { eventId: dead } })).toBe(0)
    await db().webhookEvent.delete({ where: { id: dead } })
  })
})

it('knows the payment of an event whether its PaymentIntent is expanded or not, and of no other', () => {
  const charge = { id: 'ch_1', payment_intent: 'pi_1' }
  expect(waitsWith('charge.succeeded', charge)).toBe('pi_1')
  expect(waitsWith('charge.succeeded', { ...charge, payment_intent: { id: 'pi_1' } })).toBe('pi_1')
  expect(waitsWith('payment_intent.succeeded', { id: 'pi_1' })).toBe('pi_1')
  const alone = [
    ['charge.refunded', charge],
    ['charge.dispute.created', charge],
    ['payment_intent.payment_failed', { id: 'pi_1' }],
    ['checkout.session.completed', { id: 'cs_1', payment_intent: null }],
    ['charge.succeeded', { id: 'ch_1', payment_intent: 'pi_\0' }],
    ['charge.succeeded', { id: 'ch_1', payment_intent: 5 }],
    ['charge.succeeded', null],
    ['charge.succeeded', 'ch_1']
  ] as const
  for (const [type, object] of alone) expect([type, waitsWith(type, object)]).toEqual([type, null])
  const types = ['checkout.session.completed', 'charge.succeeded', 'payment_intent.created'].map(type => ({ type }))
  expect(inOrder(types)[2]?.type).toBe('checkout.session.completed')
})

it('applies each alone on the schema of the release before, and goes on when the migration runs beside it', async () => {
  // Every connection has planned its statements for the schema that there was.
  const pay = async () => {
    const { orderId, url } = await buy(ada)
    await ada.pay(url)
    await ada.orderBecomes(orderId, 'PAID')
    await allApplied(shop)
  }
  await pay()
  await asOwner(shop, 'ALTER TABLE "WebhookEvent" DROP COLUMN "paymentIntentId"')
  await pay()
  await asOwner(shop, 'ALTER TABLE "WebhookEvent" ADD COLUMN "paymentIntentId" TEXT')
  await pay()
  expect(await db().webhookEvent.count({ where: { status: 'DEAD' } })).toBe(0)
})

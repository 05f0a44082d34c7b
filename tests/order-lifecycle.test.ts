import type pg from 'pg'
import type Stripe from 'stripe'
import { eventually } from '../local/eventually.js'
import { data, lineOf, type Shopper } from '../local/shopper.js'
import { writeAudit } from '../shared/audit/audit.js'
import { transaction } from '../shared/database/database.js'
import { applyEvent } from '../shared/orders/apply-event.js'
import { requestRefunds } from '../shared/orders/refund.js'
import { storeSyntheticEvent } from '../shared/orders/synthetic-events.js'
import { lockOrder } from '../shared/statements/orders.js'
import { sweep } from '../workers/sweep.js'
import { runOps } from './support/ops.js'
import { goSilent } from './support/purchase.js'
import { openShop, type Shop } from './support/shop.js'

const shops: Shop[] = []
afterAll(() => Promise.all(shops.map(shop => shop.close())))

async function open(env: Record<string, string> = {}): Promise<{ shop: Shop; customer: Shopper }> {
  const shop = await openShop('postgres', env)
  shops.push(shop)
  return { shop, customer: await shop.customer('ada') }
}

async function buy(customer: Shopper, quantity = 2, extra: object = {}, key?: string) {
  const items = [lineOf(await customer.product('stoneware-mug'), quantity)]
  return data(await customer.checkout({ items, ...extra }, key === undefined ? {} : { 'Idempotency-Key': key }))
}

const alertsOf = (shop: Shop, name: string) =>
  eventually(
    () => shop.stack.services.db.prisma.alert.findMany({ where: { name } }),
    found => found.length > 0
  )

const intentOf = async (shop: Shop, orderId: string) =>
  (await shop.stack.services.db.prisma.payment.findFirstOrThrow({ where: { orderId } })).paymentIntentId

async function locksWaitedFor(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query(
    `SELECT count(*)::int AS waiting FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()`
  )
  return rows[0].waiting
}

const stockOf = async (customer: Shopper) => (await customer.product('stoneware-mug')).stock

describe('an order that is authorized first', () => {
  let shop: Shop
  let customer: Shopper
  beforeAll(async () => {
    ;({ shop, customer } = await open({ PAYMENT_CAPTURE_METHOD: 'manual', AUTHORIZATION_ALERT_HOURS: '720' }))
  })

  it('is captured, or cancelled, by an operator, and an alert comes before the authorization lapses', async () => {
    const stock = await stockOf(customer)
    const captured = await buy(customer, 1, {}, 'one')
    await customer.pay(captured.url ?? '')
    await customer.orderBecomes(captured.orderId ?? '', 'AUTHORIZED')
    const [alert] = await alertsOf(shop, 'authorization_lapses')
    expect(JSON.stringify(alert?.context)).toContain(captured.orderId)
    expect(await runOps(shop, 'order', 'capture', captured.orderId ?? '', '--amount', '9999')).toMatchObject({
      code: 2
    })
    expect(await runOps(shop, 'order', 'capture', captured.orderId ?? '')).toMatchObject({ code: 0 })
    await customer.orderBecomes(captured.orderId ?? '', 'PAID')

    const cancelled = await buy(customer, 1, {}, 'two')
    await customer.pay(cancelled.url ?? '')
    await customer.orderBecomes(cancelled.orderId ?? '', 'AUTHORIZED')
    expect(await runOps(shop, 'order', 'cancel', cancelled.orderId ?? '')).toMatchObject({ code: 0 })
    await customer.orderBecomes(cancelled.orderId ?? '', 'CANCELLED')
    expect(await stockOf(customer)).toBe(stock - 1)
  })

  it('is warned of although an event of its order is being applied, in whatever order the two come to its rows', async () => {
    const quiet = await open({
      PAYMENT_CAPTURE_METHOD: 'manual',
      AUTHORIZATION_ALERT_HOURS: '720',
      SWEEP_EVERY_SECONDS: '3600',
      SWEEP_AFTER_SECONDS: '3600'
    })
    const { services } = quiet.shop.stack
    const { pool, prisma } = services.db
    const { orderId = '', url } = await buy(quiet.customer, 1)
    await quiet.customer.pay(url ?? '')
    await quiet.customer.orderBecomes(orderId, 'AUTHORIZED')
    const warn = () => sweep.handle(services, {}, { id: 'test', attempt: 1, isLastAttempt: true })
    const warnings = () => prisma.alert.count({ where: { name: 'authorization_lapses' } })

    await transaction(pool, async client => {
      // As a late event of the Session does: the order, its audit chain, and the payment last.
      await lockOrder(client, orderId)
      await writeAudit(client, { action: 'late_event', status: 'SUCCESS', orderId })
      let isOver = false
      const warning = warn().finally(() => {
        isOver = true
      })
      await eventually(
        async () => isOver || (await locksWaitedFor(pool)) > 0,
        met => met
      )
      await client.query('UPDATE "Payment" SET "updatedAt" = now() WHERE "orderId" = $1', [orderId])
      await warning
    })
    expect(await warnings()).toBe(0)
    // Another event of the payment may hold the order at that moment: the sweep passes it over and looks again.
    const warned = async () => {
      await warn()
      return await warnings()
    }
    await eventually(warned, count => count > 0)
    expect(await warned()).toBe(1)
  })

  it('is not captured while it is in review', async () => {
    const { orderId = '', url } = await buy(customer, 1, {}, 'reviewed')
    await shop.stack.services.db.pool.query(
      `UPDATE "Order" SET "cancelledAt" = now(), "status" = 'CANCELLED' WHERE "id" = $1`,
      [orderId]
    )
    await customer.pay(url ?? '')
    await customer.orderBecomes(orderId, 'NEEDS_REVIEW')
    const refused = await runOps(shop, 'order', 'capture', orderId)
    expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('is in review')])
    expect((await runOps(shop, 'order', 'accept', orderId)).code).toBe(0)
    expect((await runOps(shop, 'order', 'capture', orderId)).code).toBe(0)
    await customer.orderBecomes(orderId, 'PAID')
  })
})

describe('refunds', () => {
  let shop: Shop
  let customer: Shopper
  beforeAll(async () => {
    ;({ shop, customer } = await open())
  })

  async function paid(key: string, number?: string) {
    const checkout = await buy(customer, 2, {}, key)
    await customer.pay(checkout.url ?? '', number)
    await customer.orderBecomes(checkout.orderId ?? '', 'PAID')
    return checkout.orderId ?? ''
  }

  it('gives back a part, then the rest, and puts the goods back if told to', async () => {
    const orderId = await paid('parts')
    const stock = await stockOf(customer)
    const part = ['order', 'refund', orderId, '--amount', '10.00', '--reason', 'chipped', '--key', 'chipped-1']
    expect(await runOps(shop, ...part)).toMatchObject({ code: 0 })
    expect(await runOps(shop, ...part)).toMatchObject({ code: 0 })
    await customer.orderBecomes(orderId, 'PARTIALLY_REFUNDED')
    expect(await shop.stack.services.db.prisma.refund.count({ where: { orderId } })).toBe(1)
    const tooMuch = await runOps(shop, 'order', 'refund', orderId, '--amount', '500.00')
    expect(tooMuch.code).toBe(1)
    expect(tooMuch.output).toContain('can still be refunded')
    expect(await runOps(shop, 'order', 'refund', orderId, '--restock', 'all')).toMatchObject({ code: 0 })
    await customer.orderBecomes(orderId, 'REFUNDED')
    expect(await stockOf(customer)).toBe(stock + 2)
    const refunds = shop.simulator.record.refunds()
    const order = await shop.stack.services.db.prisma.order.findUniqueOrThrow({ where: { id: orderId } })
    expect(refunds.reduce((sum, refund) => sum + refund.amount, 0)).toBe(Number(order.captured))
    const audit = await shop.stack.services.db.prisma.paymentAuditLog.findMany({
      where: { orderId, action: 'refund_requested' }
    })
    expect(audit.map(row => (row.metadata as { operator: string }).operator)).toEqual(['olga', 'olga'])
  })

  it('never gives back more than was captured, with 20 operators at once', async () => {
    const orderId = await paid('crowd')
    const wishes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) =>
        requestRefunds(shop.stack.services, { orderId, amount: 700, key: `crowd-${index}`, operator: 'olga' })
      )
    )
    const order = await shop.stack.services.db.prisma.order.findUniqueOrThrow({ where: { id: orderId } })
    const granted = wishes.filter(wish => wish.status === 'fulfilled').length
    expect(granted).toBe(Math.floor(Number(order.captured) / 700))
    await eventually(
      () => shop.stack.services.db.prisma.refund.count({ where: { orderId, status: 'SUCCEEDED' } }),
      count => count === granted
    )
    const intent = await intentOf(shop, orderId)
    const made = await shop.stack.services.stripe.refunds.list({ payment_intent: intent, limit: 100 })
    expect(made.data.map(refund => refund.amount)).toEqual(Array(granted).fill(700))
  })

  it('hears of refunds that were made in the dashboard, and of one that fails afterwards', async () => {
    const orderId = await paid('dashboard', '4000000000005126')
    await shop.stack.services.stripe.refunds.create({ payment_intent: await intentOf(shop, orderId) })
    await customer.orderBecomes(orderId, 'REFUNDED')
    shop.simulator.tick({ settleAllDebits: true })
    await customer.orderBecomes(orderId, 'PAID')
    expect(JSON.stringify(await alertsOf(shop, 'refund_failed'))).toContain(orderId)
  })

  it('makes another refund of the same wish once the first has failed', async () => {
    const orderId = await paid('again', '4000000000005126')
    for (const made of [1, 2]) {
      expect(await runOps(shop, 'order', 'refund', orderId)).toMatchObject({ code: 0 })
      await customer.orderBecomes(orderId, 'REFUNDED')
      expect(await shop.stack.services.db.prisma.refund.count({ where: { orderId } })).toBe(made)
      shop.simulator.tick({ settleAllDebits: true })
      await customer.orderBecomes(orderId, 'PAID')
    }
  })

  it('says so when Stripe refuses', async () => {
    const orderId = await paid('refused')
    await goSilent(shop)
    await shop.stack.services.stripe.refunds.create({ payment_intent: await intentOf(shop, orderId) })
    const answer = await runOps(shop, 'order', 'refund', orderId)
    shop.simulator.faults.set({})
    expect(answer).toMatchObject({ code: 1 })
    expect(answer.output).toContain('already been refunded')
    expect(JSON.stringify(await alertsOf(shop, 'refund_refused'))).toContain(orderId)
  })
})

describe('an open order', () => {
  let shop: Shop
  let customer: Shopper
  beforeAll(async () => {
    ;({ shop, customer } = await open())
  })
  const session = (id?: string) => shop.simulator.record.session(String(id)) as Stripe.Checkout.Session

  it('has one open Session: a changed cart expires the old one first', async () => {
    const stock = await stockOf(customer)
    const first = await buy(customer, 3)
    const second = await buy(customer, 1, { orderId: first.orderId })
    expect(second.orderId).toBe(first.orderId)
    expect(session(first.sessionId).status).toBe('expired')
    expect(session(second.sessionId).status).toBe('open')
    expect((await customer.pay(first.url ?? '')).status).toBe(410)
    await customer.checkoutBecomes(first.checkoutId, 'EXPIRED')
    expect(await stockOf(customer)).toBe(stock - 1)
    await customer.pay(second.url ?? '')
    const order = await customer.orderBecomes(first.orderId ?? '', 'PAID')
    expect(order.items.map(item => item.quantity)).toEqual([1])
  })

  it('is paid by the old Session when the customer was faster than the changed cart', async () => {
    const first = await buy(customer, 2)
    shop.simulator.faults.set({ dropDeliveries: 1 })
    await customer.pay(first.url ?? '')
    const second = await customer.checkout({
      items: [lineOf(await customer.product('stoneware-mug'), 1)],
      orderId: first.orderId
    })
    shop.simulator.faults.set({})
    expect([second.status, second.body.success]).toEqual([409, false])
    await customer.orderBecomes(first.orderId ?? '', 'PAID')
  })

  it('keeps its Session when the changed cart is refused', async () => {
    const first = await buy(customer, 2, {}, 'kept')
    const item = { ...lineOf(await customer.product('stoneware-mug'), 1), price: 0.5 }
    const refused = await customer.checkout({ items: [item], orderId: first.orderId })
    expect(refused.status).toBe(400)
    expect(session(first.sessionId).status).toBe('open')
    expect((await runOps(shop, 'order', 'cancel', first.orderId ?? '')).code).toBe(0)
    expect(session(first.sessionId).status).toBe('expired')
    await customer.orderBecomes(first.orderId ?? '', 'CANCELLED')
  })

  it('ends PAID when the expire call of a cancel loses against the payment', async () => {
    const checkout = await buy(customer, 1, {}, 'race')
    shop.simulator.faults.set({ dropDeliveries: 1 })
    await customer.pay(checkout.url ?? '')
    const answer = await runOps(shop, 'order', 'cancel', checkout.orderId ?? '')
    shop.simulator.faults.set({})
    expect(answer.code).toBe(1)
    expect(answer.output).toContain('The customer was faster')
    await customer.orderBecomes(checkout.orderId ?? '', 'PAID')
  })

  it('goes to review when a payment comes too late, and an operator accepts or refunds it', async () => {
    const stock = await stockOf(customer)
    const late = async (key: string) => {
      const checkout = await buy(customer, 1, {}, key)
      const { pool } = shop.stack.services.db
      // What a shop's own cancel without Stripe would leave.
      await pool.query(`UPDATE "Order" SET "cancelledAt" = now(), "status" = 'CANCELLED' WHERE "id" = $1`, [
        checkout.orderId
      ])
      await customer.pay(checkout.url ?? '')
      await customer.orderBecomes(checkout.orderId ?? '', 'NEEDS_REVIEW')
      return checkout.orderId ?? ''
    }
    const accepted = await late('late-1')
    expect(JSON.stringify(await alertsOf(shop, 'payment_unexpected'))).toContain(`order accept ${accepted}`)
    expect((await runOps(shop, 'order', 'accept', accepted, '--note', 'she wants it')).code).toBe(0)
    await customer.orderBecomes(accepted, 'PAID')
    const refunded = await late('late-2')
    expect((await runOps(shop, 'order', 'refund', refunded)).code).toBe(0)
    await customer.orderBecomes(refunded, 'REFUNDED')
    expect(await stockOf(customer)).toBe(stock - 1)
  })
})

describe('what Checkout adds to the price', () => {
  it('takes a promotion code only if the settings allow it', async () => {
    const { shop, customer } = await open({ PAYMENT_PROMOTION_CODES: 'true' })
    const checkout = await buy(customer)
    const body = new URLSearchParams({ number: '4242424242424242', promotion_code: 'TEN' })
    await fetch(checkout.url ?? '', { method: 'POST', body, redirect: 'manual' })
    await customer.orderBecomes(checkout.orderId ?? '', 'PAID')
    const payment = await shop.stack.services.db.prisma.payment.findFirstOrThrow({
      where: { orderId: checkout.orderId }
    })
    const order = await shop.stack.services.db.prisma.order.findUniqueOrThrow({ where: { id: checkout.orderId } })
    expect(Number(payment.captured)).toBe(Number(order.total) - Number(payment.discount))
    expect(Number(payment.discount)).toBe(Math.round(Number(order.subtotal) / 10))
  })

  it('adds automatic tax, and finds the total right', async () => {
    const { shop, customer } = await open({ PAYMENT_AUTOMATIC_TAX: 'true', SHIPPING_AMOUNT: '4.90' })
    const checkout = await buy(customer)
    await customer.pay(checkout.url ?? '')
    await customer.orderBecomes(checkout.orderId ?? '', 'PAID')
    const payment = await shop.stack.services.db.prisma.payment.findFirstOrThrow({
      where: { orderId: checkout.orderId }
    })
    const order = await shop.stack.services.db.prisma.order.findUniqueOrThrow({ where: { id: checkout.orderId } })
    expect(Number(payment.tax)).toBeGreaterThan(0)
    expect(Number(payment.captured)).toBe(Number(order.total) + Number(payment.tax))
  })
})

describe('disputes and warnings', () => {
  let shop: Shop
  let customer: Shopper
  beforeAll(async () => {
    ;({ shop, customer } = await open())
  })

  async function pay(number: string, key: string) {
    const checkout = await buy(customer, 1, {}, key)
    await customer.pay(checkout.url ?? '', number)
    return checkout.orderId ?? ''
  }
  const disputeOf = async (orderId: string) =>
    await shop.stack.services.db.prisma.dispute.findFirstOrThrow({ where: { orderId } })

  it('holds a disputed order until the dispute is won', async () => {
    const stock = await stockOf(customer)
    const orderId = await pay('4000000000000259', 'won')
    await customer.orderBecomes(orderId, 'DISPUTED')
    const dispute = await disputeOf(orderId)
    expect(dispute).toMatchObject({ reason: 'fraudulent', status: 'needs_response' })
    expect(dispute.evidenceDueBy).not.toBeNull()
    expect(JSON.stringify(await alertsOf(shop, 'dispute_open'))).toContain(dispute.id)
    const refused = await runOps(shop, 'order', 'refund', orderId)
    expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('is disputed')])
    const evidence = { uncategorized_text: 'winning_evidence' }
    await shop.stack.services.stripe.disputes.update(dispute.id, { evidence })
    await customer.orderBecomes(orderId, 'PAID')
    expect(await stockOf(customer)).toBe(stock - 1)
  })

  it('keeps a lost dispute, and a status that it does not know', async () => {
    const orderId = await pay('4000000000000259', 'lost')
    await customer.orderBecomes(orderId, 'DISPUTED')
    const { id } = await disputeOf(orderId)
    const object = { ...shop.simulator.record.dispute(id), status: 'escalated_to_the_moon' }
    const found = { type: 'charge.dispute.updated', object: object as { id: string }, state: 'moon' }
    await applyEvent(shop.stack.services, String(await storeSyntheticEvent(shop.stack.services, found, 'test')))
    expect((await disputeOf(orderId)).status).toBe('escalated_to_the_moon')
    await shop.stack.services.stripe.disputes.close(id)
    expect(JSON.stringify(await alertsOf(shop, 'dispute_lost'))).toContain(orderId)
    await customer.orderBecomes(orderId, 'DISPUTED')
  })

  it('records early fraud warnings, reviews and declines on an order that stays what it was', async () => {
    const warned = await pay('4000000000005423', 'warned')
    expect(JSON.stringify(await alertsOf(shop, 'early_fraud_warning'))).toContain(warned)
    const reviewed = await pay('4000000000009235', 'reviewed')
    expect(JSON.stringify(await alertsOf(shop, 'payment_in_review'))).toContain(reviewed)
    await customer.orderBecomes(warned, 'PAID')
    await customer.orderBecomes(reviewed, 'PAID')
    const declined = await pay('4000000000009995', 'declined')
    const signal = await eventually(
      () => shop.stack.services.db.prisma.paymentSignal.findFirst({ where: { orderId: declined } }),
      Boolean
    )
    expect(signal).toMatchObject({ kind: 'DECLINE', code: 'insufficient_funds' })
    await customer.orderBecomes(declined, 'PENDING')
  })
})

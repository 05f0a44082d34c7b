import fc from 'fast-check'
import { startApi } from '../api/start.js'
import { eventually } from '../local/eventually.js'
import { createShopper, data, lineOf, type Shopper } from '../local/shopper.js'
import { loadConfig } from '../shared/config/config.js'
import { DAY, MINUTE } from '../shared/duration.js'
import { newId } from '../shared/ids.js'
import { requestRefunds } from '../shared/orders/refund.js'
import { sessionParams } from '../shared/orders/session-params.js'
import { verifiedCheckout } from '../shared/orders/verified-checkout.js'
import { reconcile } from '../shared/reconcile/reconcile.js'
import { reconcileObjects } from '../shared/reconcile/reconcile-objects.js'
import type { PaymentRecord } from '../shared/rules/payment-authority.js'
import { type SessionTerms, termsOf } from '../shared/rules/session-terms.js'
import { type CheckoutRow, readCheckout } from '../shared/statements/checkouts.js'
import { readOrderLines } from '../shared/statements/orders.js'
import { findPayment, recordPayment } from '../shared/statements/payments.js'
import { eraseCheckouts } from '../shared/statements/personal-data.js'
import { priceVerification } from '../workers/price-verification.js'
import { refundCreation } from '../workers/refund-creation.js'
import { sessionCreation } from '../workers/session-creation.js'
import { startWorkers } from '../workers/start.js'
import { JOB, open, openPaid } from './support/fresh-shop.js'
import { runOps } from './support/ops.js'
import {
  allApplied,
  buy,
  deliver,
  goSilent,
  heldByStripe,
  intentOf,
  ledgerDifferences,
  openStray,
  orderRow,
  paymentRow,
  payWith,
  sessionOf,
  verifyOnly
} from './support/purchase.js'
import { BY_HAND } from './support/settings.js'
import { asOwner } from './support/shop.js'

/** How often an answer has to be lost: the client asks once more by itself when a connection breaks. */
const LOST = 2

type Telling = Pick<PaymentRecord, 'teller' | 'status' | 'amount' | 'captured' | 'chargeId'>

describe('what was captured, and by which charge', () => {
  it('is what the PaymentIntent says, though the Session says its whole total', async () => {
    const { shop, customer } = await open({ PAYMENT_CAPTURE_METHOD: 'manual' })
    const { services } = shop.stack
    const { orderId, sessionId, url } = await buy(customer)
    await customer.pay(url)
    await customer.orderBecomes(orderId, 'AUTHORIZED')
    await goSilent(shop)
    const intent = intentOf(shop, sessionId)
    await services.stripe.paymentIntents.capture(intent, { amount_to_capture: 500 })
    // Only the Session is told at first, as reconcile finds it or as Stripe delivers it again.
    await deliver(services, 'checkout.session.completed', sessionOf(shop, sessionId))
    await customer.orderBecomes(orderId, 'PAID')
    expect([Number((await orderRow(shop, orderId)).captured), await heldByStripe(shop, orderId)]).toEqual([500, 500])
    const report = await reconcile(services, { requestId: 'test' })
    expect(report.errors).toEqual([])
    await allApplied(shop)
    expect([Number((await orderRow(shop, orderId)).captured), await heldByStripe(shop, orderId)]).toEqual([500, 500])
    expect(await ledgerDifferences(shop)).toEqual([])
  })

  it('is asked for when the Session is all that is told', async () => {
    const { shop, customer } = await open()
    const { orderId, sessionId, url } = await buy(customer)
    shop.simulator.faults.set({ dropDeliveries: 1 })
    await customer.pay(url)
    await deliver(shop.stack.services, 'checkout.session.completed', sessionOf(shop, sessionId))
    const order = await orderRow(shop, orderId)
    expect([order.status, Number(order.captured)]).toEqual(['PAID', Number(order.total)])
    expect(await heldByStripe(shop, orderId)).toBe(Number(order.total))
    expect((await paymentRow(shop, orderId)).chargeId).toMatch(/^ch_/)
  })

  it.each(['its PaymentIntent', 'reconcile --objects'])(
    'is mended by %s when an earlier release took it from the Session',
    async by => {
      const { shop, customer } = await open({ PAYMENT_CAPTURE_METHOD: 'manual' })
      const { services } = shop.stack
      const { orderId, sessionId, url } = await buy(customer)
      await customer.pay(url)
      await customer.orderBecomes(orderId, 'AUTHORIZED')
      await goSilent(shop)
      const intent = await services.stripe.paymentIntents.capture(intentOf(shop, sessionId), {
        amount_to_capture: 500
      })
      await asOwner(
        shop,
        `UPDATE "Payment" SET "status" = 'SUCCEEDED', "captured" = 3998 WHERE "orderId" = '${orderId}'`
      )
      await asOwner(
        shop,
        `INSERT INTO "LedgerPosting" ("entry", "account", "currency", "orderId", "amount", "source") VALUES
        ('capture:${intent.id}', 'STRIPE', 'EUR', '${orderId}', 3998, '${intent.id}'),
        ('capture:${intent.id}', 'SALES', 'EUR', '${orderId}', -3998, '${intent.id}')`
      )
      if (by === 'its PaymentIntent') {
        await deliver(services, 'payment_intent.succeeded', intent)
      } else {
        const report = await reconcileObjects(services, { since: new Date(), requestId: 'test' })
        expect(report).toMatchObject({ different: 1, remaining: 0, errors: [] })
      }
      expect([Number((await orderRow(shop, orderId)).captured), await heldByStripe(shop, orderId)]).toEqual([500, 500])
      // Told once more, it changes nothing.
      await deliver(services, 'payment_intent.succeeded', intent)
      expect(await heldByStripe(shop, orderId)).toBe(500)
      expect(await ledgerDifferences(shop)).toEqual([])
    }
  )

  it.each(['automatic', 'manual'])(
    'is not changed by what is told late of a declined charge, with %s capture',
    async method => {
      const { shop, customer } = await open({ PAYMENT_CAPTURE_METHOD: method })
      const { services } = shop.stack
      const { orderId, url } = await buy(customer)
      await customer.pay(url, '4000000000000002')
      const declined = shop.simulator.record.charges().find(each => each.status === 'failed')
      await customer.pay(url)
      await customer.orderBecomes(orderId, method === 'manual' ? 'AUTHORIZED' : 'PAID')
      const before = await paymentRow(shop, orderId)
      // As an older try was for another amount: a promotion code came in between.
      await deliver(services, 'charge.updated', { ...declined, amount: Number(before.amount) * 2 })
      const after = await paymentRow(shop, orderId)
      expect([after.amount, after.chargeId, after.captured]).toEqual([before.amount, before.chargeId, before.captured])
      if (method === 'manual') {
        expect(await runOps(shop, 'order', 'capture', orderId)).toMatchObject({ code: 0 })
        await customer.orderBecomes(orderId, 'PAID')
      }
      expect(await ledgerDifferences(shop)).toEqual([])
      expect((await paymentRow(shop, orderId)).balanceTransactionId).not.toBeNull()
    },
    60_000
  )

  it('is not changed by what is told late of an earlier try of the PaymentIntent', async () => {
    const { shop, customer } = await open()
    const { services } = shop.stack
    const { orderId, sessionId, url } = await buy(customer)
    await customer.pay(url)
    await customer.orderBecomes(orderId, 'PAID')
    const before = await paymentRow(shop, orderId)
    const intent = await services.stripe.paymentIntents.retrieve(intentOf(shop, sessionId))
    const earlier = { ...intent, amount: intent.amount * 2, amount_received: 0, latest_charge: null }
    await deliver(services, 'payment_intent.processing', { ...earlier, status: 'processing' })
    await deliver(services, 'payment_intent.amount_capturable_updated', { ...earlier, status: 'requires_capture' })
    const after = await paymentRow(shop, orderId)
    expect([after.amount, after.chargeId, after.captured]).toEqual([before.amount, before.chargeId, before.captured])
  })

  it('is what its authorities say, whoever else tells what, and in whatever order', async () => {
    const { shop, customer } = await open(BY_HAND)
    const { pool } = shop.stack.services.db
    const { orderId, checkoutId } = await buy(customer)
    const amounts = fc.integer({ min: 1, max: 9_999 })
    const told = fc.record({ part: amounts, rest: fc.nat(9_999), other: amounts, first: fc.nat(9_999) })
    const tellings = fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7])
    await fc.assert(
      fc.asyncProperty(told, tellings, async ({ part, rest, other, first }, order) => {
        const of = { paymentIntentId: newId(), orderId, checkoutId, currency: 'EUR', now: new Date() }
        const [amount, chargeId] = [part + rest, `ch_${of.paymentIntentId}`]
        const last: Telling = { teller: 'intent', status: 'SUCCEEDED', amount, captured: part, chargeId }
        const all: Telling[] = [
          last,
          { teller: 'intent', status: 'AUTHORIZED', amount, chargeId },
          { teller: 'intent', status: 'PROCESSING', amount: other },
          { teller: 'charge', status: 'AUTHORIZED', amount, chargeId },
          { teller: 'charge', status: 'SUCCEEDED', amount, captured: Math.min(first, part), chargeId },
          { teller: 'session', status: 'SUCCEEDED', amount: other, captured: other, chargeId: 'ch_other' },
          { teller: 'session', status: 'AUTHORIZED', amount: other },
          { teller: 'hint', status: 'PENDING', amount: other, captured: other }
        ]
        // What decides is told at some time, if not among the others then at the end.
        const tellings = order.includes(0) ? order : [...order, 0]
        for (const index of tellings) await recordPayment(pool, { ...of, ...(all[index] as Telling) })
        expect(await findPayment(pool, of.paymentIntentId)).toMatchObject({
          status: 'SUCCEEDED',
          amount,
          captured: part,
          chargeId
        })
        const { rows } = await pool.query(
          `SELECT sum("amount")::int AS held FROM "LedgerPosting" WHERE "source" = $1 AND "account" = 'STRIPE'`,
          [of.paymentIntentId]
        )
        expect(rows).toEqual([{ held: part }])
      }),
      { numRuns: 60 }
    )
  })

  it.each(['reconcile', 'reconcile --objects'])(
    'is found by %s when nothing was told from the page on: captured in part, or given up',
    async by => {
      const { shop, customer } = await open({ PAYMENT_CAPTURE_METHOD: 'manual' })
      const { services } = shop.stack
      const find = async () => {
        const later = { ...services, now: () => new Date(Date.now() + 2 * DAY) }
        const report =
          by === 'reconcile'
            ? await reconcile(later, { requestId: 'test' })
            : await reconcileObjects(services, { since: new Date(), requestId: 'test' })
        expect(report.errors).toEqual([])
        await allApplied(shop)
      }
      const states = async (...ids: string[]) =>
        await Promise.all(
          ids.map(async id => {
            const { status, captured } = await orderRow(shop, id)
            return [status, Number(captured), await heldByStripe(shop, id)]
          })
        )
      const [part, none, atOnce] = [await buy(customer), await buy(customer), await buy(customer)]
      await goSilent(shop)
      for (const each of [part, none, atOnce]) await customer.pay(each.url)
      const { paymentIntents } = services.stripe
      await paymentIntents.capture(intentOf(shop, atOnce.sessionId), { amount_to_capture: 700 })
      await find()
      expect(await states(part.orderId, none.orderId, atOnce.orderId)).toEqual([
        ['AUTHORIZED', 0, 0],
        ['AUTHORIZED', 0, 0],
        ['PAID', 700, 700]
      ])
      await paymentIntents.capture(intentOf(shop, part.sessionId), { amount_to_capture: 500 })
      await paymentIntents.cancel(intentOf(shop, none.sessionId))
      await find()
      expect(await states(part.orderId, none.orderId, atOnce.orderId)).toEqual([
        ['PAID', 500, 500],
        ['CANCELLED', 0, 0],
        ['PAID', 700, 700]
      ])
      expect(await ledgerDifferences(shop)).toEqual([])
    }
  )

  it('captures what Stripe says is capturable, though the row says more', async () => {
    const { shop, customer } = await open({ PAYMENT_CAPTURE_METHOD: 'manual' })
    const { orderId, url } = await buy(customer)
    await customer.pay(url)
    await customer.orderBecomes(orderId, 'AUTHORIZED')
    const { amount } = await paymentRow(shop, orderId)
    await asOwner(shop, `UPDATE "Payment" SET "amount" = "amount" * 2 WHERE "orderId" = '${orderId}'`)
    expect(await runOps(shop, 'order', 'capture', orderId)).toMatchObject({ code: 0 })
    const order = await customer.orderBecomes(orderId, 'PAID')
    expect(order.id).toBe(orderId)
    expect((await orderRow(shop, orderId)).captured).toBe(amount)
  })
})

describe('a refund whose answer was lost', () => {
  const followedBy = ['unauthorized', 'forbidden', 'refused'] as const

  async function paidOrder(customer: Shopper): Promise<string> {
    const { orderId, url } = await buy(customer)
    await customer.pay(url)
    await customer.orderBecomes(orderId, 'PAID')
    return orderId
  }

  it.each(followedBy)(
    'is not refused by a later "%s"',
    async answer => {
      const { shop, customer } = await open({ STRIPE_MAX_RETRIES: '0' })
      const { services } = shop.stack
      const orderId = await paidOrder(customer)
      // Nothing but the answers tells of it.
      await goSilent(shop, { dropResponse: LOST })
      const [refund] = await requestRefunds(services, { orderId, amount: 500, operator: 'olga', key: 'five' })
      await eventually(
        async () => shop.simulator.record.refunds().length,
        count => count === 1
      )
      shop.simulator.faults.set({ dropDeliveries: 1, [answer]: 1 })
      const ended = await eventually(
        () => services.db.prisma.refund.findUniqueOrThrow({ where: { id: refund?.id } }),
        each => each.status !== 'REQUESTED'
      )
      expect(ended.status).toBe('SUCCEEDED')
      await requestRefunds(services, { orderId, amount: 500, operator: 'olga', key: 'five' })
      expect((await services.stripe.refunds.list()).data.map(each => each.amount)).toEqual([500])
      const entries = await services.db.prisma.ledgerPosting.findMany({ where: { orderId, account: 'REFUNDS' } })
      expect(entries.map(each => [each.entry.split(':')[0], Number(each.amount)])).toEqual([['refund', 500]])
      expect(await ledgerDifferences(shop)).toEqual([])
    },
    60_000
  )

  it('waits while the key is rolled, with one alert, and goes on by itself', async () => {
    const { shop, customer } = await open({ STRIPE_MAX_RETRIES: '0' })
    const { services } = shop.stack
    const orders = [await paidOrder(customer), await paidOrder(customer)]
    shop.simulator.faults.set({ refuseKey: 403 })
    for (const orderId of orders) await requestRefunds(services, { orderId, amount: 500, operator: 'olga' })
    const alerts = await eventually(
      () => services.db.prisma.alert.findMany({ where: { name: 'stripe_key_refused' } }),
      found => found.length > 0
    )
    expect(JSON.stringify(alerts[0]?.context)).toContain('rak_charge_write')
    expect(await services.db.prisma.refund.count({ where: { status: 'REQUESTED' } })).toBe(2)
    shop.simulator.faults.set({})
    for (const orderId of orders) await customer.orderBecomes(orderId, 'PARTIALLY_REFUNDED')
    expect(await services.db.prisma.alert.count({ where: { name: 'stripe_key_refused' } })).toBe(1)
  })

  it('that Stripe refused follows what Stripe says of it later', async () => {
    const { shop, customer } = await open({ STRIPE_MAX_RETRIES: '0' })
    const { services } = shop.stack
    const orderId = await paidOrder(customer)
    shop.simulator.faults.set({ refused: 1 })
    const [refund] = await requestRefunds(services, { orderId, amount: 500, operator: 'olga' })
    await eventually(
      () => services.db.prisma.refund.findUniqueOrThrow({ where: { id: refund?.id } }),
      each => each.status === 'REFUSED'
    )
    expect(await services.db.prisma.ledgerPosting.count({ where: { orderId, account: 'REFUNDS' } })).toBe(0)
    const { paymentIntentId: payment_intent } = await paymentRow(shop, orderId)
    await services.stripe.refunds.create({ payment_intent, amount: 500, metadata: { refundId: refund?.id ?? '' } })
    await customer.orderBecomes(orderId, 'PARTIALLY_REFUNDED')
    expect(await services.db.prisma.refund.findMany({ where: { orderId } })).toMatchObject([
      { id: refund?.id, status: 'SUCCEEDED' }
    ])
    expect(await services.db.prisma.alert.count({ where: { name: 'refund_made_late' } })).toBe(1)
  })
})

it('gives a refund another idempotency key only ten quiet minutes after the last error', async () => {
  const { shop, services, orderId } = await openPaid()
  const [refund] = await requestRefunds(services, { orderId, amount: 500, operator: 'olga' })
  const refundId = refund?.id ?? ''
  shop.simulator.faults.set({ serverError: 1_000 })
  const keys = () => shop.simulator.record.idempotencyKeys().filter(key => key.startsWith(refundId))
  const begun = Date.now()
  const tryAt = async (minutes: number) => {
    const later = { ...services, now: () => new Date(begun + minutes * MINUTE) }
    await expect(refundCreation.handle(later, { refundId }, JOB)).rejects.toThrow()
    return keys()
  }
  for (const minutes of [0, 0.02, 5, 9.9]) expect(await tryAt(minutes)).toEqual([refundId])
  for (const minutes of [11, 11.02, 12, 15, 20.9]) expect(await tryAt(minutes)).toEqual([refundId, `${refundId}-1`])
  expect(await tryAt(22)).toEqual([refundId, `${refundId}-1`, `${refundId}-2`])
  shop.simulator.faults.set({})
  await refundCreation.handle({ ...services, now: () => new Date(begun + 33 * MINUTE) }, { refundId }, JOB)
  expect((await services.stripe.refunds.list()).data.map(each => each.amount)).toEqual([500])
})

describe('a Session whose answer was lost', () => {
  /** A verified checkout whose Session exists at Stripe, and of which nobody was told. */
  async function lost(env: Record<string, string> = {}) {
    const { shop, customer } = await open({ ...BY_HAND, ...env })
    const { services } = shop.stack
    await shop.stack.stopWorkers()
    const items = [lineOf(await customer.product('stoneware-mug'), 2)]
    const { checkoutId } = data(await customer.checkout({ items }, { Prefer: 'respond-async' }))
    await verifyOnly(services, checkoutId)
    shop.simulator.faults.set({ dropResponse: LOST })
    await expect(sessionCreation.handle(services, { checkoutId }, JOB)).rejects.toThrow()
    const made = () => shop.simulator.record.sessions()
    expect(made()).toHaveLength(1)
    const restarted = (settings: Record<string, string>) => ({
      ...services,
      config: loadConfig({ ...shop.stack.env, ...settings })
    })
    const checkout = () => services.db.prisma.checkout.findUniqueOrThrow({ where: { id: checkoutId } })
    return { shop, services, checkoutId, made, restarted, checkout }
  }

  it.each([
    { PAYMENT_SUCCESS_URL: 'https://shop.example/thanks' },
    { PAYMENT_STATEMENT_DESCRIPTOR: 'SHOP2' },
    { PAYMENT_CAPTURE_METHOD: 'manual' },
    { PAYMENT_PROMOTION_CODES: 'true' },
    { PAYMENT_ADAPTIVE_PRICING: 'true' },
    { PAYMENT_AUTOMATIC_TAX: 'true' }
  ])('is opened under its key after a restart with %j', async settings => {
    const { checkoutId, made, restarted, checkout } = await lost()
    await sessionCreation.handle(restarted(settings as unknown as Record<string, string>), { checkoutId }, JOB)
    expect(await checkout()).toMatchObject({ status: 'OPEN', sessionId: made()[0]?.id })
    expect(made()).toHaveLength(1)
  })

  it('is adopted when Stripe says "no" to the next try', async () => {
    const { shop, services, checkoutId, made, checkout } = await lost()
    shop.simulator.faults.set({ refused: 1 })
    await sessionCreation.handle(services, { checkoutId }, JOB)
    expect(await checkout()).toMatchObject({ status: 'OPEN', sessionId: made()[0]?.id })
    expect(made()).toHaveLength(1)
  })

  it('is not given up while the key is refused', async () => {
    const { shop, services, checkoutId, made, checkout } = await lost()
    shop.simulator.faults.set({ refuseKey: 401 })
    await expect(sessionCreation.handle(services, { checkoutId }, JOB)).rejects.toThrow()
    expect((await checkout()).status).toBe('VERIFIED')
    shop.simulator.faults.set({})
    await sessionCreation.handle(services, { checkoutId }, JOB)
    expect(await checkout()).toMatchObject({ status: 'OPEN', sessionId: made()[0]?.id })
  })

  it('gets another one when a release that kept no parameters made it with others', async () => {
    const { services, checkoutId, made, restarted, checkout } = await lost()
    await services.db.pool.query('UPDATE "Checkout" SET "sessionParams" = NULL')
    const changed = restarted({ PAYMENT_SUCCESS_URL: 'https://shop.example/thanks' })
    await expect(sessionCreation.handle(changed, { checkoutId }, JOB)).rejects.toThrow('same parameters')
    expect((await checkout()).status).toBe('VERIFIED')
    await sessionCreation.handle(changed, { checkoutId }, JOB)
    expect(made()).toHaveLength(2)
    expect(await checkout()).toMatchObject({ status: 'OPEN', sessionId: made()[1]?.id })
  })
})

describe('a stray Session', () => {
  it('that is paid and refunded leaves the order of the real one PAID and its stock sold', async () => {
    const { shop, customer } = await open()
    const { services } = shop.stack
    const { orderId, sessionId, checkoutId, url } = await buy(customer)
    const stray = await openStray(shop, checkoutId)
    await customer.pay(stray.url)
    await customer.orderBecomes(orderId, 'NEEDS_REVIEW')
    await customer.pay(url)
    await customer.checkoutBecomes(checkoutId, 'PAID')
    const strayIntent = intentOf(shop, stray.id)
    expect(await runOps(shop, 'order', 'refund', orderId, '--payment', strayIntent)).toMatchObject({ code: 0 })
    await customer.orderBecomes(orderId, 'PAID')
    const reservations = await services.db.prisma.reservation.findMany({ where: { checkoutId } })
    expect(reservations.map(each => each.status)).toEqual(['COMMITTED'])
    const order = await orderRow(shop, orderId)
    expect([Number(order.captured), Number(order.refunded)]).toEqual([Number(order.total), 0])
    expect(sessionOf(shop, sessionId).payment_status).toBe('paid')
    expect(await ledgerDifferences(shop)).toEqual([])
  })
})

it('makes two equal partial refunds of an order in review', async () => {
  const { shop, customer } = await open()
  const { services } = shop.stack
  const { orderId, url } = await buy(customer)
  await services.db.pool.query(`UPDATE "Order" SET "cancelledAt" = now(), "status" = 'CANCELLED' WHERE "id" = $1`, [
    orderId
  ])
  await customer.pay(url)
  await customer.orderBecomes(orderId, 'NEEDS_REVIEW')
  for (const count of [1, 2]) {
    expect(await runOps(shop, 'order', 'refund', orderId, '--amount', '5.00')).toMatchObject({ code: 0 })
    expect((await services.stripe.refunds.list()).data.map(each => each.amount)).toEqual(Array(count).fill(500))
  }
})

describe('what a Session was made with is what it is judged by', () => {
  const changes = [
    [{ PAYMENT_PROMOTION_CODES: 'true' }, { PAYMENT_PROMOTION_CODES: 'false' }],
    [{ PAYMENT_AUTOMATIC_TAX: 'true' }, { PAYMENT_AUTOMATIC_TAX: 'false' }],
    [{ PAYMENT_AUTOMATIC_TAX: 'true' }, { PAYMENT_AUTOMATIC_TAX: 'true', PAYMENT_TAX_BEHAVIOR: 'inclusive' }],
    [{ PAYMENT_ADAPTIVE_PRICING: 'true' }, { PAYMENT_ADAPTIVE_PRICING: 'false' }],
    [{ PAYMENT_CAPTURE_METHOD: 'manual' }, { PAYMENT_CAPTURE_METHOD: 'automatic' }],
    [{ PAYMENT_CAPTURE_METHOD: 'automatic' }, { PAYMENT_CAPTURE_METHOD: 'manual' }]
  ] as const

  it.each(changes)(
    '%j, restarted with %j',
    async (made, restarted) => {
      const { shop, customer } = await open(made as Record<string, string>)
      const { services, env } = shop.stack
      const { orderId, sessionId, url } = await buy(customer)
      await shop.stack.stopWorkers()
      const other = { ...services, config: loadConfig({ ...env, ...restarted }) }
      const workers = await startWorkers(other)
      try {
        const method = made as { PAYMENT_CAPTURE_METHOD?: string; PAYMENT_ADAPTIVE_PRICING?: string }
        if (method.PAYMENT_ADAPTIVE_PRICING === 'true') shop.simulator.faults.set({ dropDeliveries: 1 })
        const number = method.PAYMENT_CAPTURE_METHOD === 'automatic' ? 'DE89370400440532013000' : '4242424242424242'
        await payWith(url, 'PAYMENT_PROMOTION_CODES' in made ? 'TEN' : '', number)
        if (method.PAYMENT_ADAPTIVE_PRICING === 'true') {
          // The simulator does not localize: the event says what Stripe's would.
          const presentment_details = { presentment_amount: 4_500, presentment_currency: 'usd' }
          await deliver(other, 'checkout.session.completed', { ...sessionOf(shop, sessionId), presentment_details })
        }
        const expected =
          { manual: 'AUTHORIZED', automatic: 'PROCESSING' }[method.PAYMENT_CAPTURE_METHOD ?? ''] ?? 'PAID'
        await customer.orderBecomes(orderId, expected)
        expect(await services.db.prisma.alert.count()).toBe(0)
      } finally {
        await workers.stop()
      }
    },
    60_000
  )
})

it('keeps the terms of a Session, whatever they are and the settings are by now, and when its customer is forgotten', async () => {
  const { shop, customer } = await open()
  const { services, env } = shop.stack
  const { checkoutId, sessionId } = await buy(customer)
  await services.stripe.checkout.sessions.expire(sessionId)
  await customer.checkoutBecomes(checkoutId, 'EXPIRED')
  const { pool } = services.db
  const checkout = verifiedCheckout((await readCheckout(pool, checkoutId)) as CheckoutRow)
  const lines = await readOrderLines(pool, checkout.orderId)
  const flags = ['false', 'true']
  for (const [captureMethod, taxBehavior] of [
    ['automatic', 'exclusive'],
    ['manual', 'inclusive']
  ] as const) {
    for (const promotion of flags) {
      for (const tax of flags) {
        for (const adaptive of flags) {
          const { payment, ...config } = loadConfig({
            ...env,
            PAYMENT_CAPTURE_METHOD: captureMethod,
            PAYMENT_TAX_BEHAVIOR: taxBehavior,
            PAYMENT_PROMOTION_CODES: promotion,
            PAYMENT_AUTOMATIC_TAX: tax,
            PAYMENT_ADAPTIVE_PRICING: adaptive
          })
          const made: SessionTerms = {
            captureMethod,
            promotionCodes: promotion === 'true',
            automaticTax: tax === 'true',
            // Without tax there is none to be within the price.
            taxBehavior: tax === 'true' ? taxBehavior : 'exclusive',
            adaptivePricing: adaptive === 'true'
          }
          const today: SessionTerms = {
            captureMethod: captureMethod === 'manual' ? 'automatic' : 'manual',
            promotionCodes: !made.promotionCodes,
            automaticTax: !made.automaticTax,
            taxBehavior: made.taxBehavior === 'inclusive' ? 'exclusive' : 'inclusive',
            adaptivePricing: !made.adaptivePricing
          }
          const params = sessionParams({ ...config, payment }, 'shop', checkout, lines, null)
          await pool.query('UPDATE "Checkout" SET "sessionParams" = $2, "email" = $3 WHERE "id" = $1', [
            checkoutId,
            JSON.stringify(params),
            checkout.email
          ])
          expect(termsOf((await readCheckout(pool, checkoutId)) as CheckoutRow, today)).toEqual(made)
          expect(await eraseCheckouts(pool, 'ada', 10)).toBe(1)
          const forgotten = (await readCheckout(pool, checkoutId)) as CheckoutRow
          expect(JSON.stringify(forgotten.sessionParams)).not.toContain(checkout.email)
          expect(termsOf(forgotten, today)).toEqual(made)
        }
      }
    }
  }
})

describe('an order has one currency', () => {
  it('and cannot be paid in another after the shop has changed its own', async () => {
    const { shop, customer } = await open()
    const { services, env } = shop.stack
    const first = await buy(customer)
    await services.stripe.checkout.sessions.expire(first.sessionId)
    await customer.checkoutBecomes(first.checkoutId, 'EXPIRED')
    const usual = { items: [lineOf(await customer.product('stoneware-mug'), 2)] }
    const euros = data(await customer.checkout(usual))
    await services.db.pool.query(`UPDATE "Product" SET "currency" = 'CHF'`)
    const config = loadConfig({ ...env, PAYMENT_CURRENCY: 'CHF', OPS_PORT: '0' })
    await shop.stack.stopWorkers()
    const other = { ...services, config }
    const workers = await startWorkers(other)
    const api = await startApi(other, 0)
    try {
      const swiss = await createShopper({
        port: api.port,
        authSecret: config.auth.secret,
        userId: 'ada',
        email: 'ada@shop.example'
      })
      const items = [lineOf(await swiss.product('stoneware-mug'), 2)]
      const refused = await swiss.checkout({ items, orderId: first.orderId })
      expect([refused.status, refused.body]).toMatchObject([
        409,
        { success: false, detail: 'The order is in EUR and the shop sells in CHF. Create a new order.' }
      ])
      // The page in euros is still open, and is not that of a cart of as many francs.
      const fresh = data(await swiss.checkout({ items }))
      expect([items, fresh.sessionId === euros.sessionId]).toEqual([usual.items, false])
      expect(data(await swiss.order(euros.orderId ?? '')).currency).toBe('EUR')
      expect(sessionOf(shop, fresh.sessionId ?? '').currency).toBe('chf')
      expect(data(await swiss.order(fresh.orderId ?? '')).currency).toBe('CHF')
    } finally {
      await api.stopAccepting()
      await api.close()
      await workers.stop()
    }
  })
})

it('opens what was verified before the shop changed its currency in its own, and refuses what was only received', async () => {
  const { shop, customer } = await open(BY_HAND)
  const { services, env } = shop.stack
  await shop.stack.stopWorkers()
  const received = async (slug: string) => {
    const items = [lineOf(await customer.product(slug), 1)]
    return data(await customer.checkout({ items }, { Prefer: 'respond-async' })).checkoutId
  }
  const verified = await received('stoneware-mug')
  await verifyOnly(services, verified)
  const waiting = await received('linen-notebook')
  await services.db.pool.query(`UPDATE "Product" SET "currency" = 'CHF'`)
  const swiss = { ...services, config: loadConfig({ ...env, PAYMENT_CURRENCY: 'CHF' }) }
  await priceVerification.handle(swiss, { checkoutId: waiting }, JOB)
  await sessionCreation.handle(swiss, { checkoutId: verified }, JOB)
  const { orderId, sessionId } = await customer.checkoutBecomes(verified, 'OPEN')
  const order = await orderRow(shop, orderId ?? '')
  const session = sessionOf(shop, sessionId ?? '')
  expect([session.currency, session.amount_total, order.currency]).toEqual(['eur', Number(order.total), 'EUR'])
  expect(await services.db.prisma.checkout.findUniqueOrThrow({ where: { id: waiting } })).toMatchObject({
    status: 'REJECTED',
    currency: 'EUR'
  })
  expect(shop.simulator.record.sessions()).toHaveLength(1)
})

it('cancels the authorization that is meant, not the first, of an order with two', async () => {
  const { shop, customer } = await open({ PAYMENT_CAPTURE_METHOD: 'manual' })
  const { services } = shop.stack
  const { orderId, checkoutId, sessionId, url } = await buy(customer)
  const stray = await openStray(shop, checkoutId)
  await customer.pay(url)
  await customer.orderBecomes(orderId, 'AUTHORIZED')
  await customer.pay(stray.url)
  await customer.orderBecomes(orderId, 'NEEDS_REVIEW')
  const [alert] = await services.db.prisma.alert.findMany({ where: { name: 'payment_unexpected' } })
  const strayIntent = intentOf(shop, stray.id)
  expect(JSON.stringify(alert?.context)).toContain(`order cancel ${orderId} --payment ${strayIntent}`)
  expect(await runOps(shop, 'order', 'cancel', orderId)).toMatchObject({ code: 2 })
  expect(await runOps(shop, 'order', 'cancel', orderId, '--payment', strayIntent)).toMatchObject({ code: 0 })
  await customer.orderBecomes(orderId, 'AUTHORIZED')
  expect(await runOps(shop, 'order', 'capture', orderId)).toMatchObject({ code: 0 })
  await customer.orderBecomes(orderId, 'PAID')
  const intent = intentOf(shop, sessionId)
  expect((await services.stripe.paymentIntents.retrieve(intent)).status).toBe('succeeded')
})

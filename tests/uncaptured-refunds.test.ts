import fc from 'fast-check'
import type Stripe from 'stripe'
import type { Shopper } from '../local/shopper.js'
import { reconcileObjects } from '../shared/reconcile/reconcile-objects.js'
import { meaningOf } from '../shared/rules/released-holds.js'
import { open } from './support/fresh-shop.js'
import { runOps } from './support/ops.js'
import { allApplied, buy, deliver, heldByStripe, intentOf, ledgerDifferences, orderRow } from './support/purchase.js'
import { asOwner, type Shop } from './support/shop.js'

/** As requests before API version 2025-03-31.basil: what is let go of is a refund that Stripe makes. */
const OLDER = { refundsReleases: true }
const MANUAL = { PAYMENT_CAPTURE_METHOD: 'manual' }
const CAPTURED = 500
/** Every third of the permutations of four. */
const ORDERS_OF_ARRIVAL = [0, 3, 6, 9, 12, 15, 18, 21]

interface Authorized {
  orderId: string
  intent: string
  total: number
}

async function authorize(shop: Shop, customer: Shopper, quantity = 1): Promise<Authorized> {
  shop.simulator.faults.set({})
  const { orderId, sessionId, url } = await buy(customer, 'stoneware-mug', quantity)
  await customer.pay(url)
  await customer.orderBecomes(orderId, 'AUTHORIZED')
  await allApplied(shop)
  return { orderId, intent: intentOf(shop, sessionId), total: Number((await orderRow(shop, orderId)).total) }
}

/** The events that it makes, of which none is delivered. */
async function untold(shop: Shop, work: () => Promise<unknown>): Promise<Stripe.Event[]> {
  const { record, faults } = shop.simulator
  faults.set({ dropDeliveries: 1 })
  const before = new Set(record.events().map(({ id }) => id))
  await work()
  return record.events().filter(each => !before.has(each.id))
}

async function tell(shop: Shop, events: Stripe.Event[]): Promise<void> {
  for (const event of events) await deliver(shop.stack.services, event.type, event.data.object)
}

async function outcome(shop: Shop, { orderId }: Authorized) {
  const { status, captured, refunded } = await orderRow(shop, orderId)
  const refunds = await shop.stack.services.db.prisma.refund.findMany({
    where: { orderId },
    orderBy: { createdAt: 'asc' }
  })
  const booked = await shop.stack.services.db.prisma.ledgerPosting.findMany({ where: { orderId, account: 'REFUNDS' } })
  return {
    status,
    captured: Number(captured),
    refunded: Number(refunded),
    refunds: refunds.map(each => each.status),
    held: await heldByStripe(shop, orderId),
    booked: booked.reduce((sum, each) => sum + Number(each.amount), 0)
  }
}

function permutations<T>(items: T[]): T[][] {
  if (items.length < 2) return [items]
  return items.flatMap((item, index) =>
    permutations(items.filter((_, at) => at !== index)).map(rest => [item, ...rest])
  )
}

const PAID = { status: 'PAID', captured: CAPTURED, refunded: 0, refunds: ['RELEASED'], held: CAPTURED, booked: 0 }

describe('what was held and never captured', () => {
  it('is no refund of a partial capture, in whatever order it is told', async () => {
    const { shop, customer } = await open(MANUAL, OLDER)
    const { stripe, db } = shop.stack.services
    for (const index of ORDERS_OF_ARRIVAL) {
      const order = await authorize(shop, customer)
      const events = await untold(shop, () =>
        stripe.paymentIntents.capture(order.intent, { amount_to_capture: CAPTURED })
      )
      expect(events.map(each => each.type)).toEqual([
        'charge.captured',
        'refund.created',
        'charge.refunded',
        'payment_intent.succeeded'
      ])
      await tell(shop, permutations(events)[index] ?? [])
      expect(await outcome(shop, order)).toEqual(PAID)
    }
    expect(await ledgerDifferences(shop)).toEqual([])
    expect(await db.prisma.alert.count()).toBe(0)
  })

  it.each(['cancelled', 'expired'])(
    'is no refund of an authorization that is %s',
    async how => {
      let now = Date.now()
      const { shop, customer } = await open(MANUAL, { ...OLDER, now: () => now })
      const { stripe, db } = shop.stack.services
      const orders = how === 'cancelled' ? [0, 1, 2, 3, 4, 5] : [0]
      for (const index of orders) {
        const order = await authorize(shop, customer)
        const events = (
          await untold(shop, async () => {
            if (how === 'cancelled') return await stripe.paymentIntents.cancel(order.intent)
            now += 8 * 86_400_000
            shop.simulator.tick()
          })
        ).filter(each => each.type !== 'charge.expired')
        expect(events.map(each => each.type)).toEqual(['refund.created', 'charge.refunded', 'payment_intent.canceled'])
        await tell(shop, how === 'cancelled' ? (permutations(events)[index] ?? []) : events)
        expect(await outcome(shop, order)).toEqual({
          status: 'CANCELLED',
          captured: 0,
          refunded: 0,
          refunds: ['RELEASED'],
          held: 0,
          booked: 0
        })
      }
      expect(await ledgerDifferences(shop)).toEqual([])
      expect(await db.prisma.alert.count()).toBe(0)
    },
    240_000
  )

  it('is told apart from a refund of the same amount', async () => {
    const { shop, customer } = await open(MANUAL, OLDER)
    const { stripe } = shop.stack.services
    for (const [index, first] of ['release', 'refund'].entries()) {
      const order = await authorize(shop, customer, 2)
      const half = order.total / 2
      expect(Number.isInteger(half)).toBe(true)
      const captured = await untold(shop, () =>
        stripe.paymentIntents.capture(order.intent, { amount_to_capture: half })
      )
      // By hand in the dashboard, with no reason: the two look alike.
      const refunded = await untold(shop, () => stripe.refunds.create({ payment_intent: order.intent, amount: half }))
      await tell(shop, index === 0 ? [...captured, ...refunded] : [...refunded, ...captured.reverse()])
      const { status, refunded: back, refunds, held } = await outcome(shop, order)
      expect([first, status, back, refunds.sort(), held]).toEqual([
        first,
        'REFUNDED',
        half,
        ['RELEASED', 'SUCCEEDED'],
        0
      ])
    }
    expect(await ledgerDifferences(shop)).toEqual([])
  })

  it('is found by reconcile --objects, and what an earlier release took for a refund is corrected', async () => {
    const { shop, customer } = await open(MANUAL, OLDER)
    const { services } = shop.stack
    const order = await authorize(shop, customer)
    await untold(shop, () => services.stripe.paymentIntents.capture(order.intent, { amount_to_capture: CAPTURED }))
    const since = new Date()
    const run = () => reconcileObjects(services, { since, requestId: 'test' })
    expect(await run()).toMatchObject({ different: 1, remaining: 0, errors: [] })
    expect(await outcome(shop, order)).toEqual(PAID)
    expect(await run()).toMatchObject({ different: 0, remaining: 0, errors: [] })

    const refund = await services.db.prisma.refund.findFirstOrThrow({ where: { orderId: order.orderId } })
    await asOwner(shop, `UPDATE "Refund" SET "status" = 'SUCCEEDED' WHERE "id" = '${refund.id}'`)
    await asOwner(
      shop,
      `INSERT INTO "LedgerPosting" ("entry", "account", "currency", "orderId", "amount", "source") VALUES
        ('refund:${refund.stripeId}', 'REFUNDS', 'EUR', '${order.orderId}', ${refund.amount}, '${refund.stripeId}'),
        ('refund:${refund.stripeId}', 'STRIPE', 'EUR', '${order.orderId}', -${refund.amount}, '${refund.stripeId}')`
    )
    expect(await run()).toMatchObject({ different: 1, remaining: 0, errors: [] })
    expect(await outcome(shop, order)).toEqual(PAID)
    expect(await ledgerDifferences(shop)).toEqual([])
  })

  it('balances on an account that is paid out in another currency, and before its time', async () => {
    const { shop, customer } = await open(MANUAL, { ...OLDER, settlementCurrency: 'usd' })
    const { services } = shop.stack
    const order = await authorize(shop, customer)
    const events = await untold(shop, () =>
      services.stripe.paymentIntents.capture(order.intent, { amount_to_capture: CAPTURED })
    )
    await tell(shop, events)
    expect(await ledgerDifferences(shop)).toEqual([])
    const postings = await services.db.prisma.ledgerPosting.findMany({ where: { orderId: order.orderId } })
    const inEuro = postings.filter(each => each.currency === 'EUR' && each.account === 'STRIPE')
    expect(inEuro.reduce((sum, each) => sum + Number(each.amount), 0)).toBe(0)
    expect(await runOps(shop, 'order', 'refund', order.orderId, '--amount', '6.00')).toMatchObject({ code: 1 })
  })
})

describe('an API version of today', () => {
  it('lets go of what was held without a refund, and a refund over just as much is one', async () => {
    const { shop, customer } = await open(MANUAL)
    const { stripe, db } = shop.stack.services
    for (const told of [['refund.created'], ['charge.refunded'], ['charge.refunded', 'refund.created']]) {
      const order = await authorize(shop, customer, 2)
      const half = order.total / 2
      await tell(
        shop,
        await untold(shop, () => stripe.paymentIntents.capture(order.intent, { amount_to_capture: half }))
      )
      expect(await outcome(shop, order)).toMatchObject({ status: 'PAID', captured: half, refunded: 0, refunds: [] })
      const events = await untold(shop, () => stripe.refunds.create({ payment_intent: order.intent, amount: half }))
      for (const type of told)
        await tell(
          shop,
          events.filter(each => each.type === type)
        )
      expect(await outcome(shop, order)).toMatchObject({ status: 'REFUNDED', refunded: half, held: 0 })
    }
    expect(await ledgerDifferences(shop)).toEqual([])
    expect(await db.prisma.alert.count()).toBe(0)
  })

  it('cancels an authorization without a refund', async () => {
    const { shop, customer } = await open(MANUAL)
    const order = await authorize(shop, customer)
    const events = await untold(shop, () => shop.stack.services.stripe.paymentIntents.cancel(order.intent))
    expect(events.map(each => each.type)).toEqual(['payment_intent.canceled'])
    await tell(shop, events)
    expect(await outcome(shop, order)).toMatchObject({ status: 'CANCELLED', refunded: 0, refunds: [] })
  })
})

it('calls a refund what can only be one, and a release what can only be one', () => {
  const amounts = fc.integer({ min: 1, max: 100_000 })
  fc.assert(
    fc.property(amounts, amounts, amounts, (a, b, amount) => {
      const [captured, held] = a < b ? [a, b] : [b, a]
      const hold = { status: 'SUCCEEDED' as const, amount: held, captured }
      const told = { amount, reason: null, isOurs: false }
      const meaning = meaningOf(told, hold)
      if (amount !== held - captured) expect(meaning).toBe('refund')
      else expect(meaning).toBe(amount > captured ? 'release' : 'unclear')
      expect(meaningOf({ ...told, isOurs: true }, hold)).toBe('refund')
      expect(meaningOf({ ...told, reason: 'requested_by_customer' }, hold)).toBe('refund')
      expect(meaningOf({ ...told, reason: 'expired_uncaptured_charge' }, hold)).toBe('release')
      expect(meaningOf(told, { ...hold, status: 'CANCELLED', captured: 0 })).toBe('release')
      expect(meaningOf(told, { ...hold, status: 'PROCESSING', captured: 0 })).toBe('refund')
    })
  )
})

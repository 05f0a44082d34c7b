import { newId } from '../shared/ids.js'
import { type MinorUnits, supportedCurrencies, toDecimalString, toMinorUnits } from '../shared/money.js'
import { applyEvent } from '../shared/orders/apply-event.js'
import { storeEvents } from '../shared/statements/webhook-events.js'
import { openShop, type Shop, withShop } from './support/shop.js'

let shop: Shop
beforeAll(async () => {
  shop = await openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *' })
})
afterAll(() => shop.close())

/** An order whose Session is open, for `total` minor units. */
async function openOrder(currency: string, total: number) {
  const { pool } = shop.stack.services.db
  const [orderId, checkoutId] = [newId(), newId()]
  await pool.query(
    `INSERT INTO "Order" ("id", "userId", "currency", "subtotal", "shipping", "total") VALUES ($1, 'ada', $2, $3, 0, $3)`,
    [orderId, currency, total]
  )
  await pool.query(
    `INSERT INTO "Checkout" ("id", "userId", "email", "orderId", "status", "cart", "currency", "amount", "sessionId", "requestId")
     VALUES ($1, 'ada', 'ada@shop.example', $2, 'OPEN', '{}', $3, $4, $5, 'test')`,
    [checkoutId, orderId, currency, total, `cs_test_${checkoutId}`]
  )
  return { orderId, checkoutId }
}

async function tell(type: string, object: object): Promise<void> {
  const id = `evt_${newId()}`
  const created = new Date()
  const payload = JSON.stringify({ id, type, created: Math.floor(created.getTime() / 1000), data: { object } })
  const event = {
    id,
    type,
    apiVersion: null,
    livemode: false,
    created,
    payload,
    requestId: 'test',
    receivedAt: created
  }
  await storeEvents(shop.stack.services.db.pool, [event])
  await applyEvent(shop.stack.services, id)
}

const session = (ids: { orderId: string; checkoutId: string }, currency: string, total: number) => ({
  id: `cs_test_${ids.checkoutId}`,
  object: 'checkout.session',
  amount_subtotal: total,
  amount_total: total,
  currency: currency.toLowerCase(),
  expires_at: Math.floor(Date.now() / 1000) + 3_600,
  metadata: ids,
  mode: 'payment',
  payment_intent: `pi_${ids.checkoutId}`,
  payment_status: 'paid',
  status: 'complete',
  total_details: { amount_discount: 0, amount_shipping: 0, amount_tax: 0 }
})

it('is exact in every currency: an unusual amount is paid, refunded in part and booked to the last minor unit', async () => {
  const { prisma } = shop.stack.services.db
  for (const currency of supportedCurrencies()) {
    // The largest odd amount that the currency's rules allow.
    const total = [99_999_999, 99_999_990, 99_999_900].find(
      amount => toMinorUnits(Number(toDecimalString(amount as MinorUnits, currency)), currency) === amount
    ) as number
    const ids = await openOrder(currency, total)
    await tell('checkout.session.completed', session(ids, currency, total))
    const refund = { id: `re_${ids.checkoutId}`, object: 'refund', amount: 100, currency: currency.toLowerCase() }
    const status = { status: 'succeeded', reason: null, payment_intent: `pi_${ids.checkoutId}`, metadata: {} }
    await tell('refund.created', { ...refund, ...status })
    const order = await prisma.order.findUniqueOrThrow({ where: { id: ids.orderId } })
    const postings = await prisma.ledgerPosting.findMany({ where: { orderId: ids.orderId, account: 'STRIPE' } })
    expect({
      currency,
      status: order.status,
      captured: Number(order.captured),
      booked: postings.reduce((sum, posting) => sum + Number(posting.amount), 0),
      currencies: [...new Set(postings.map(posting => posting.currency))]
    }).toEqual({ currency, status: 'PARTIALLY_REFUNDED', captured: total, booked: total - 100, currencies: [currency] })
  }
})

it('sends an order to review over one minor unit, in every currency', async () => {
  const { prisma } = shop.stack.services.db
  for (const currency of supportedCurrencies()) {
    const ids = await openOrder(currency, 12_300)
    await tell('checkout.session.completed', session(ids, currency, 12_301))
    expect([currency, (await prisma.order.findUniqueOrThrow({ where: { id: ids.orderId } })).status]).toEqual([
      currency,
      'NEEDS_REVIEW'
    ])
  }
})

describe('what Stripe adds to a Session', () => {
  const judge = async (changes: object) => {
    const ids = await openOrder('EUR', 10_000)
    await tell('checkout.session.completed', { ...session(ids, 'EUR', 10_000), ...changes })
    return (await shop.stack.services.db.prisma.order.findUniqueOrThrow({ where: { id: ids.orderId } })).status
  }

  it('goes to review when the settings do not allow it', async () => {
    const details = { amount_discount: 0, amount_shipping: 0, amount_tax: 0 }
    expect(await judge({})).toBe('PAID')
    expect(await judge({ amount_total: 9_000, total_details: { ...details, amount_discount: 1_000 } })).toBe(
      'NEEDS_REVIEW'
    )
    expect(await judge({ amount_total: 12_000, total_details: { ...details, amount_tax: 2_000 } })).toBe('NEEDS_REVIEW')
    const conversion = { source_currency: 'eur', amount_subtotal: 10_000, amount_total: 10_000, fx_rate: '1.1' }
    expect(await judge({ currency: 'usd', amount_total: 11_000, currency_conversion: conversion })).toBe('NEEDS_REVIEW')
    const presentment = { presentment_amount: 11_000, presentment_currency: 'usd' }
    expect(await judge({ presentment_details: presentment })).toBe('NEEDS_REVIEW')
  })
})

it('raises one alert for a payment that does not fit, however many events tell of it', async () => {
  const { prisma } = shop.stack.services.db
  const ids = await openOrder('EUR', 10_000)
  const debit = session(ids, 'EUR', 10_001)
  await tell('checkout.session.completed', { ...debit, payment_status: 'unpaid' })
  await tell('checkout.session.async_payment_succeeded', debit)
  expect((await prisma.order.findUniqueOrThrow({ where: { id: ids.orderId } })).status).toBe('NEEDS_REVIEW')
  const alerts = await prisma.alert.findMany({ where: { name: 'payment_mismatch' } })
  expect(alerts.filter(alert => JSON.stringify(alert.context).includes(ids.orderId))).toHaveLength(1)
})

it('compares a localized price in the currency of the order when adaptive pricing is allowed', async () => {
  await withShop(openShop('postgres', { PAYMENT_ADAPTIVE_PRICING: 'true' }), async adaptive => {
    const usual = shop
    shop = adaptive
    try {
      const judge = async (source: number) => {
        const ids = await openOrder('EUR', 10_000)
        const conversion = { source_currency: 'eur', amount_subtotal: source, amount_total: source, fx_rate: '1.1' }
        const localized = {
          currency: 'usd',
          amount_subtotal: 11_000,
          amount_total: 11_000,
          currency_conversion: conversion
        }
        await tell('checkout.session.completed', { ...session(ids, 'EUR', 10_000), ...localized })
        return (await shop.stack.services.db.prisma.order.findUniqueOrThrow({ where: { id: ids.orderId } })).status
      }
      expect(await judge(10_000)).toBe('PAID')
      expect(await judge(9_999)).toBe('NEEDS_REVIEW')
    } finally {
      shop = usual
    }
  })
})

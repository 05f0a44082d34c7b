import fc from 'fast-check'
import type Stripe from 'stripe'
import { address, data, lineOf, type Shopper } from '../local/shopper.js'
import { erasePersonalData } from '../shared/orders/erasure.js'
import { allApplied, intentOf, sessionOf } from './support/purchase.js'
import { openShop, type Shop } from './support/shop.js'

let shop: Shop
let ada: Shopper
beforeAll(async () => {
  // The notifications are written; nobody listens.
  shop = await openShop('postgres', {
    ORDER_WEBHOOK_URL: 'http://127.0.0.1:9/shop',
    ORDER_WEBHOOK_SECRET: `whsec_${'A'.repeat(40)}`
  })
  ada = await shop.customer('ada')
})
afterAll(() => shop.close())

let made = 0
const line = async () => lineOf(await ada.product('stoneware-mug'), 1)
const buy = async (body: object, key = `metadata-${++made}`) =>
  await ada.checkout({ items: [await line()], ...body }, { 'Idempotency-Key': key })
const order = async (body: object, headers?: Record<string, string>) => {
  const item = await line()
  return await ada.createOrder({ items: [item], address, subtotal: item.price, shipping: 0, ...body }, headers)
}
const notified = async (orderId: string) => {
  const rows = await shop.stack.services.db.prisma.notification.findMany({ where: { orderId } })
  return rows.map(({ data: told }) => (told as { metadata?: unknown }).metadata)
}

const metadata = fc.dictionary(
  fc.stringMatching(/^[A-Za-z0-9_.:-]{1,40}$/).filter(key => key !== '__proto__' && !/\d{13}/.test(key)),
  fc.string({ unit: 'grapheme', maxLength: 100 }).filter(text => !text.includes('\0') && !/\d{13}/.test(text)),
  { maxKeys: 20 }
)

it('comes back as it was given, from an order, a checkout and the list of orders', async () => {
  await fc.assert(
    fc.asyncProperty(metadata, metadata, async (ofOrder, ofCheckout) => {
      const created = data(await order({ metadata: ofOrder }))
      expect(created.metadata).toEqual({ ...ofOrder })
      const { checkoutId } = data(await buy({ orderId: created.id, metadata: ofCheckout }))
      expect(data(await ada.checkoutStatus(checkoutId)).metadata).toEqual({ ...ofCheckout })
      const seen = data(await ada.order(created.id))
      expect([seen.metadata, seen.checkout?.metadata]).toEqual([{ ...ofOrder }, { ...ofCheckout }])
      const listed = await (await ada.request('/api/orders?limit=1')).json()
      expect([listed.data[0].id, listed.data[0].metadata]).toEqual([created.id, { ...ofOrder }])
    }),
    { numRuns: 6 }
  )
})

it('is that of the order and, over it, that of the checkout that pays, in notifications; a later one changes nothing', async () => {
  const { id } = data(await order({ metadata: { cart: '17', gift: 'no' } }))
  const bought = data(await buy({ orderId: id, metadata: { gift: 'yes', ref: 'mail' } }))
  await ada.pay(bought.url ?? '')
  await ada.orderBecomes(id, 'PAID')
  expect(await notified(id)).toEqual([{ cart: '17', gift: 'yes', ref: 'mail' }])
  expect((await buy({ orderId: id, metadata: { gift: 'later' } })).status).toBe(409)
  expect(data(await ada.order(id)).metadata).toEqual({ cart: '17', gift: 'no' })
})

it('is the order’s too when the checkout brings the order, and empty when there is none', async () => {
  const bought = data(await buy({ metadata: { ref: 'a' } }))
  expect(data(await ada.order(bought.orderId ?? '')).metadata).toEqual({ ref: 'a' })
  const plain = data(await buy({}))
  expect(data(await ada.order(plain.orderId ?? '')).metadata).toEqual({})
  await ada.pay(plain.url ?? '')
  await ada.orderBecomes(plain.orderId ?? '', 'PAID')
  expect(await notified(plain.orderId ?? '')).toEqual([{}])
})

it('is never read: the names of our own mean nothing, and Stripe gets none of it', async () => {
  const forged = {
    orderId: 'cforged00000000000000001',
    checkoutId: 'cforged00000000000000002',
    userId: 'mallory',
    refundId: 'x',
    restock: 'all',
    installation: 'other',
    ref: 'kept here'
  }
  const bought = data(await buy({ metadata: forged }))
  const session = sessionOf(shop, bought.sessionId ?? '')
  expect(session.metadata).toMatchObject({ orderId: bought.orderId, checkoutId: bought.checkoutId, userId: 'ada' })
  await ada.pay(bought.url ?? '')
  await ada.orderBecomes(bought.orderId ?? '', 'PAID')
  const intent: Stripe.PaymentIntent = await shop.stack.services.stripe.paymentIntents.retrieve(
    intentOf(shop, bought.sessionId ?? '')
  )
  expect(JSON.stringify([session, intent])).not.toMatch(/cforged|mallory|kept here/)
})

describe('an Idempotency-Key', () => {
  it('is used up by a request with other metadata', async () => {
    const body = { metadata: { a: '1', b: '2' } }
    const first = data(await buy(body, 'same'))
    expect(data(await buy({ metadata: { b: '2', a: '1' } }, 'same')).checkoutId).toBe(first.checkoutId)
    expect((await buy({ metadata: { a: '1' } }, 'same')).status).toBe(422)
    expect((await order(body, { 'Idempotency-Key': 'order' })).status).toBe(201)
    expect((await order({}, { 'Idempotency-Key': 'order' })).status).toBe(422)
  })

  it('that is derived takes the same cart with other metadata for another one', async () => {
    const items = [await line()]
    const first = data(await ada.checkout({ items, metadata: { gift: 'yes' } }))
    expect(data(await ada.checkout({ items, metadata: { gift: 'yes' } })).checkoutId).toBe(first.checkoutId)
    expect(data(await ada.checkout({ items, metadata: { gift: 'no' } })).checkoutId).not.toBe(first.checkoutId)
  })
})

it.each<[string, unknown, string]>([
  ['a list', [], 'metadata'],
  ['null', null, 'metadata'],
  ['a text', 'x', 'metadata'],
  ['21 keys', Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`k${n}`, 'x'])), 'metadata'],
  ['a key with a bracket', { 'a[b]': 'x' }, 'metadata.a[b]'],
  ['an empty key', { '': 'x' }, 'metadata.'],
  ['a long key', { ['k'.repeat(41)]: 'x' }, `metadata.${'k'.repeat(41)}`],
  ['__proto__', JSON.parse('{"__proto__":"x"}'), 'metadata.__proto__'],
  ['a long value', { a: 'x'.repeat(501) }, 'metadata.a'],
  ['a number', { a: 1 }, 'metadata.a'],
  ['an object', { a: {} }, 'metadata.a'],
  ['a NUL', { a: 'x\0' }, 'metadata.a'],
  ['half a surrogate pair', { a: '\ud83d' }, 'metadata.a'],
  ['a card number', { note: 'my card 4242 4242 4242 4242' }, 'metadata.note'],
  ['a card number as a key', { '4242424242424242': 'x' }, 'metadata.4242424242424242']
])('refuses %s by its path, and stores nothing', async (_what, given, path) => {
  const body = JSON.stringify({ items: [await line()], metadata: given })
  const answer = await ada.checkout(body)
  expect(answer.body).toMatchObject({ status: 400 })
  expect(Object.keys((answer.body as { errors: object }).errors)).toEqual([path])
})

it('is erased with what is personal', async () => {
  const eve = await shop.customer('eve')
  const bought = data(await eve.checkout({ items: [await line()], metadata: { note: 'for my mother' } }))
  await eve.pay(bought.url ?? '')
  await eve.orderBecomes(bought.orderId ?? '', 'PAID')
  await allApplied(shop)
  const { pool } = shop.stack.services.db
  const found = async () => {
    const { rows } = await pool.query<{ rest: number }>(
      `SELECT (SELECT count(*) FROM "Order" WHERE "metadata"::text LIKE '%mother%')
         + (SELECT count(*) FROM "Checkout" c WHERE to_jsonb(c)::text LIKE '%mother%')
         + (SELECT count(*) FROM "IdempotencyKey" k WHERE to_jsonb(k)::text LIKE '%mother%')
         + (SELECT count(*) FROM "Notification" WHERE "status" <> 'PENDING' AND "data"::text LIKE '%mother%')
         + (SELECT count(*) FROM "PaymentAuditLog" a WHERE to_jsonb(a)::text LIKE '%mother%') AS rest`
    )
    return Number(rows[0]?.rest)
  }
  await pool.query(`UPDATE "Notification" SET "status" = 'FAILED' WHERE "orderId" = $1`, [bought.orderId])
  expect(await found()).toBe(3)
  await erasePersonalData(pool, { userId: 'eve', operator: 'olga', reason: 'asked for it' })
  expect(await found()).toBe(0)
})

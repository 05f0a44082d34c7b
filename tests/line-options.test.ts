// Lines of one product with different options: apart for the customer, one for the stock.
import { inspect } from 'node:util'
import fc from 'fast-check'
import { cartRules, checkoutRequestSchema, orderRequestSchema } from '../api/schemas.js'
import { address, createShopper, data, type Line, type Shopper } from '../local/shopper.js'
import { newId } from '../shared/ids.js'
import { erasePersonalData } from '../shared/orders/erasure.js'
import { type LineOptions, optionsKey } from '../shared/rules/line-options.js'
import { itemsOf, linesOf } from '../shared/rules/order-item.js'
import { saleTermsIn } from '../shared/rules/sale-terms.js'
import { prunings } from '../shared/statements/personal-data.js'
import { runOps } from './support/ops.js'
import { openShop, type Shop } from './support/shop.js'

let shop: Shop
let ada: Shopper
beforeAll(async () => {
  shop = await openShop('postgres', {
    RECONCILE_CRON: '0 0 1 1 *',
    ORDER_WEBHOOK_URL: 'http://127.0.0.1:1/',
    ORDER_WEBHOOK_SECRET: 'whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cyBvZiAzMiBieXRlcw=='
  })
  ada = await shop.customer('ada')
})
afterAll(() => shop.close())

type Chosen = Line & { options?: LineOptions }

async function product(stock = 10): Promise<Line> {
  const id = newId()
  const sold = { id, slug: id, name: `Ring ${id}`, description: 'Silver', price: 1_000n, currency: 'EUR', stock }
  await shop.stack.services.db.prisma.product.create({ data: sold })
  return { productId: id, name: sold.name, price: 10, quantity: 1 }
}

const buy = (items: unknown[], orderId?: string) => ada.checkout({ items, orderId }, { 'Idempotency-Key': newId() })
const chosen = (line: Line, quantity: number, options?: LineOptions): Chosen => ({
  ...line,
  quantity,
  ...(options && { options })
})

it('are shown at Stripe, kept on the order, told to the shop and taken from one stock', async () => {
  const ring = await product(6)
  const items = [chosen(ring, 1, { Size: 'M', Engraving: 'Ada' }), chosen(ring, 2, { Size: 'L' }), chosen(ring, 3)]
  const opened = data(await buy(items))
  const listed = await shop.stack.services.stripe.checkout.sessions.listLineItems(opened.sessionId ?? '', {
    expand: ['data.price.product']
  })
  expect(
    listed.data.map(line => [line.quantity, (line.price?.product as { description?: string } | undefined)?.description])
  ).toEqual([
    [1, 'Engraving: Ada, Size: M · Silver'],
    [2, 'Size: L · Silver'],
    [3, 'Silver']
  ])
  await ada.pay(opened.url ?? '')
  const order = await ada.orderBecomes(opened.orderId ?? '', 'PAID')
  const kept = items.map(({ quantity, options }) => ({
    productId: ring.productId,
    quantity,
    ...(options && { options })
  }))
  expect(order.items).toMatchObject(kept)
  expect(order.items[2]).not.toHaveProperty('options')
  const { prisma } = shop.stack.services.db
  const told = await prisma.notification.findFirstOrThrow({ where: { orderId: order.id, type: 'order.paid' } })
  expect((told.data as { items: object[] }).items).toMatchObject(kept)
  expect((await prisma.product.findUniqueOrThrow({ where: { id: ring.productId } })).stock).toBe(0)
  const { output } = await runOps(shop, 'order', 'show', order.id)
  expect(output.match(/\d +\S+.* \((?:Engraving|Size): .*?\)/g)).toHaveLength(2)
  expect(output).toContain('(Engraving: Ada, Size: M)')
})

it('are forgotten with whoever chose them', async () => {
  const ring = await product()
  const eve = await shop.customer('eve')
  const opened = data(await eve.checkout({ items: [chosen(ring, 1, { Engraving: 'Guinevere' })] }))
  await eve.pay(opened.url ?? '')
  const order = await eve.orderBecomes(opened.orderId ?? '', 'PAID')
  const { prisma, pool } = shop.stack.services.db
  const kept = async () =>
    inspect(
      [
        await prisma.orderItem.findMany({ where: { orderId: order.id } }),
        await prisma.checkout.findMany({ where: { orderId: order.id } }),
        await prisma.notification.findMany({ where: { orderId: order.id } })
      ],
      { depth: null }
    )
  expect(await kept()).toContain('Guinevere')
  await prisma.notification.updateMany({ where: { orderId: order.id }, data: { status: 'FAILED' } })
  await erasePersonalData(pool, { userId: 'eve', operator: 'olga', reason: 'asked' })
  expect(await kept()).not.toContain('Guinevere')
})

it.each(['by age', 'on request'])(
  'are forgotten with an order that nobody paid and that knows no e-mail, %s',
  async how => {
    const { api, config, services } = shop.stack
    const { prisma, pool } = services.db
    const ring = await product()
    const userId = `noname-${newId()}`
    const noname = await createShopper({ port: api.port, authSecret: config.auth.secret, userId, email: null })
    const opened = data(await noname.checkout({ items: [chosen(ring, 1, { Engraving: 'Guinevere' })] }))
    const kept = () => prisma.orderItem.findMany({ where: { orderId: opened.orderId } })
    const forget = async () => {
      if (how === 'on request') await erasePersonalData(pool, { userId, operator: 'olga', reason: 'asked' })
      else for (const { prune } of prunings) await prune(pool, new Date(Date.now() + 60_000), 1_000)
    }
    await forget()
    expect(inspect(await kept(), { depth: null })).toContain('Guinevere')
    await services.stripe.checkout.sessions.expire(opened.sessionId ?? '')
    await noname.checkoutBecomes(opened.checkoutId, 'EXPIRED')
    await forget()
    expect(await kept()).toMatchObject([{ options: null, quantity: 1 }])
  }
)

it('share the stock: more than there is together is refused on each line', async () => {
  const ring = await product(3)
  const { body } = await buy([chosen(ring, 2, { Size: 'M' }), chosen(ring, 2, { Size: 'L' })])
  const error = 'Insufficient stock: 3 available, 4 requested'
  expect(body).toMatchObject({ details: [{ error }, { error }] })
})

it('are compared when a checkout pays an order', async () => {
  const ring = await product()
  const items = [chosen(ring, 1, { Size: 'M', Engraving: 'Zoé' }), chosen(ring, 1, { Size: 'L' })]
  const order = data(await ada.createOrder({ items, address, subtotal: 20, shipping: 0 }))
  expect(order.items).toMatchObject(items.map(({ options }) => ({ options })))
  const others = [chosen(ring, 1, { Size: 'S' }), chosen(ring, 1, { Size: 'L' })]
  expect((await buy(others, order.id)).body).toMatchObject({
    details: [{ error: 'Not in the order' }, { error: 'Missing from the cart' }]
  })
  expect((await buy([chosen(ring, 2, { Size: 'L' })], order.id)).status).toBe(400)
  const same = [chosen(ring, 1, { Size: 'L' }), chosen(ring, 1, { Engraving: 'Zoe\u0301', Size: ' M' })]
  expect((await buy(same, order.id)).status).toBe(200)
})

it('make another cart for a checkout without a key', async () => {
  const ring = await product()
  const open = async (...items: Chosen[]) => data(await ada.checkout({ items })).checkoutId
  const [m, l] = [chosen(ring, 1, { Size: 'M', Cut: 'x' }), chosen(ring, 1, { Size: 'L' })]
  const both = await open(m, l)
  expect(await open(l, { ...m, options: { Cut: 'x', Size: 'M' } })).toBe(both)
  expect(await open(m)).not.toBe(both)
  expect(await open(chosen(ring, 1, {}))).toBe(await open(chosen(ring, 1)))
})

it.each<[string, unknown, string]>([
  ['too many', Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`o${i}`, 'x'])), 'At most 10 options'],
  ['a long name', { ['n'.repeat(41)]: 'x' }, 'An option name must have 1 to 40 characters'],
  ['an empty name', { ' ': 'x' }, 'An option name must have 1 to 40 characters'],
  ['a long value', { Size: 'v'.repeat(101) }, 'An option value must have 1 to 100 characters'],
  ['an empty value', { Size: '\u200b' }, 'An option value must have 1 to 100 characters'],
  ['a card number', { Engraving: '4242 4242 4242 4242' }, 'Must not contain a card number'],
  ['a card number as a name', { '4242 4242 4242 4242': 'x' }, 'Must not contain a card number'],
  ['a name twice', { Size: 'M', 'Size ': 'L' }, 'Option named twice'],
  ['a list', ['M'], 'Options must be an object of names and texts'],
  ['a number', { Size: 4 }, 'expected string'],
  ['an inherited name', JSON.parse('{"__proto__":"x"}'), 'Invalid option name'],
  ['an inherited name of a number', JSON.parse('{"__proto__":1}'), 'Invalid option name'],
  ['an inherited name beside a number', JSON.parse('{"__proto__":"x","Size":4}'), 'Invalid option name']
])('refuses %s', async (_what, options, message) => {
  const { status, body } = await buy([{ ...(await product()), options }])
  expect([status, JSON.stringify(body)]).toEqual([400, expect.stringContaining(message)])
})

it('are read, or refused, whatever they are', async () => {
  const ring = await product()
  const { config } = shop.stack
  const terms = saleTermsIn('EUR', config)
  if (terms === undefined) throw new Error('The shop sells in EUR')
  const schemas = [checkoutRequestSchema, orderRequestSchema].map(schema => schema(cartRules(config, terms)))
  const name = fc.oneof(
    fc.constantFrom('__proto__', 'constructor', 'toString', 'Size', 'productId', '', '\0'),
    fc.string()
  )
  const value = fc.oneof(fc.constantFrom('M', '', '\u200b', null, 1), fc.jsonValue({ maxDepth: 1 }))
  const fields = fc.array(fc.tuple(name, value), { maxLength: 4 })
  // As a client writes them: a name that JavaScript would inherit is one like any other.
  const written = (pairs: [string, unknown][]) =>
    JSON.parse(`{${pairs.map(pair => pair.map(part => JSON.stringify(part)).join(':')).join(',')}}`)
  fc.assert(
    fc.property(fields, fields, fields, fields, (options, others, metadata, given) => {
      const items = [options, others].map(pairs => ({ ...ring, options: written(pairs) }))
      const body = { items, metadata: written(metadata), address: written(given), subtotal: 20, shipping: 0 }
      for (const schema of schemas) expect(() => schema.safeParse(body)).not.toThrow()
    })
  )
})

it('refuses the same options twice', async () => {
  const ring = await product()
  const twice = [chosen(ring, 1, { Size: 'M', Cut: 'x' }), chosen(ring, 1, { Cut: 'x', Size: 'M' })]
  expect((await buy(twice)).body).toMatchObject({
    errors: { 'items.1.productId': 'Duplicate product: put the quantity on one line' }
  })
})

describe('what an order keeps', () => {
  const options = fc.dictionary(fc.string({ minLength: 1, maxLength: 4 }), fc.string({ maxLength: 4 }), { maxKeys: 3 })
  const line = fc.record({
    productId: fc.constantFrom('a', 'b', 'c'),
    quantity: fc.integer({ min: 1, max: 9 }),
    options
  })

  it('is one item a product, and the lines again', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), given => {
        const lines = given.map(({ options, ...rest }) => ({
          name: '',
          description: null,
          image: null,
          unitPrice: 1,
          ...rest,
          ...(Object.keys(options).length > 0 && { options })
        }))
        const items = itemsOf(lines)
        expect(new Set(items.map(item => item.productId)).size).toBe(items.length)
        const sum = (all: { quantity: number }[]) => all.reduce((total, each) => total + each.quantity, 0)
        const again = items.flatMap(linesOf)
        expect(sum(again)).toBe(sum(lines))
        const withOptions = (all: { productId: string; options?: LineOptions }[]) =>
          all.flatMap(each => (each.options ? [`${each.productId} ${optionsKey(each.options)}`] : [])).sort()
        expect(withOptions(again)).toEqual(withOptions(lines))
      })
    )
  })

  it('means nothing once its quantities do not add up', () => {
    const item = { productId: 'a', quantity: 3, options: [{ quantity: 2, options: { Size: 'M' } }] }
    expect(linesOf(item)).toEqual([{ productId: 'a', quantity: 3 }])
  })
})

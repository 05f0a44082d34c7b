// The least and the most of a total in every currency: what is let through is what Stripe charges.
import { data, type Line, type Shopper } from '../local/shopper.js'
import { HOUR } from '../shared/duration.js'
import { newId } from '../shared/ids.js'
import { minor, supportedCurrencies, toDecimalString, toMajorUnits, toMinorUnits } from '../shared/money.js'
import { leastCharge, mostCharge } from '../shared/rules/charge-limits.js'
import { priceCart } from '../shared/rules/price-cart.js'
import { greatestCharge, smallestCharge } from '../simulator/currencies.js'
import { sessionCreation } from '../workers/session-creation.js'
import { openShop, type Shop, withShop } from './support/shop.js'

const currencies = supportedCurrencies()
/** All of them in CI; else some, those with other minor units and other limits among them. */
const tried = currencies.filter(
  (code, index) =>
    process.env.CI === 'true' || index % 8 === 0 || ['HUF', 'IDR', 'ISK', 'JPY', 'KWD', 'VND'].includes(code)
)
let shop: Shop
let ada: Shopper
beforeAll(async () => {
  shop = await openShop('postgres', {
    RECONCILE_CRON: '0 0 1 1 *',
    PAYMENT_CURRENCIES: currencies.join(','),
    PAYMENT_MIN_AMOUNT: currencies.map(code => `${code}:${toDecimalString(minor(stepOf(code)), code)}`).join(','),
    PAYMENT_MAX_AMOUNT: '99999999999'
  })
  ada = await shop.customer('ada')
})
afterAll(() => shop.close())

function exists(amount: number, currency: string): boolean {
  return toMinorUnits(toMajorUnits(minor(amount), currency), currency) === amount
}

function stepOf(currency: string): number {
  return [1, 10, 100].find(amount => exists(amount, currency)) ?? 1
}

async function priced(amount: number, currency: string, of: Shop = shop): Promise<Line> {
  const id = newId()
  const product = { id, slug: id, name: `Product ${id}`, price: BigInt(amount), currency, stock: 2_000 }
  await of.stack.services.db.prisma.product.create({ data: product })
  return { productId: id, name: product.name, price: toMajorUnits(minor(amount), currency), quantity: 1 }
}

async function buy(amount: number, currency: string): Promise<string> {
  const line = await priced(amount, currency)
  const { status, body } = await ada.checkout({ items: [line], currency }, { 'Idempotency-Key': newId() })
  return `${status} ${body.success ? 'ok' : (body.errors?.['items.0.price'] ?? body.error)}`
}

it('agrees with Stripe about the least and the most of each currency', () => {
  for (const currency of currencies) {
    expect([currency, leastCharge(currency), mostCharge(currency)]).toEqual([
      currency,
      smallestCharge(currency.toLowerCase()),
      greatestCharge(currency.toLowerCase())
    ])
  }
  expect([leastCharge('HUF'), leastCharge('JPY'), leastCharge('MXN'), mostCharge('IDR')]).toEqual([
    17_500, 50, 1_000, 999_999_999_999
  ])
})

it('charges the least and the most of every currency, and refuses one step less and more at the door', async () => {
  const refused = '400 Amount not allowed'
  for (const currency of tried) {
    const step = stepOf(currency)
    const [least, most] = [
      Math.ceil(leastCharge(currency) / step) * step,
      Math.floor(mostCharge(currency) / step) * step
    ]
    expect([currency, await buy(least, currency)]).toEqual([currency, '200 ok'])
    expect([currency, await buy(most, currency)]).toEqual([currency, '200 ok'])
    if (least > step) expect([currency, await buy(least - step, currency)]).toEqual([currency, refused])
    expect([currency, await buy(most + step, currency)]).toEqual([currency, '400 Price too high'])
  }
  // Nothing of all that had to be asked of Stripe.
  expect(await shop.stack.services.db.prisma.checkout.count({ where: { status: 'FAILED' } })).toBe(0)
})

it('refuses a cart that is beyond exact numbers', async () => {
  const line = { ...(await priced(999_999_999_999, 'IDR')), quantity: 1_000 }
  const lines = await Promise.all(Array.from({ length: 10 }, () => priced(999_999_999_999, 'IDR')))
  const items = [line, ...lines.map(each => ({ ...each, quantity: 1_000 }))]
  const { status, body } = await ada.checkout({ items, currency: 'IDR' })
  expect([status, body]).toMatchObject([400, { type: 'urn:tillworks:problem:amount_refused' }])
})

it('lets 150000 VND through where PAYMENT_MAX_AMOUNT does', async () => {
  const settings = { PAYMENT_CURRENCY: 'VND', PAYMENT_MAX_AMOUNT: '1000000' }
  await withShop(openShop('postgres', settings), async vietnam => {
    const customer = await vietnam.customer('linh')
    const opened = data(await customer.checkout({ items: [await priced(150_000, 'VND', vietnam)] }))
    await customer.pay(opened.url ?? '')
    expect((await customer.orderBecomes(opened.orderId ?? '', 'PAID')).total).toBe(150_000)
  })
})

it.each([
  ['small', [24, 25]],
  ['large', [50_000_000, 50_000_000]]
])(
  'ends a checkout as refused for its amount when Stripe says that it is too %s, with its stock back and no alert',
  async (_what, parts) => {
    const amount = parts.reduce((sum, part) => sum + part)
    const { services } = shop.stack
    const { prisma } = services.db
    const line = await priced(60, 'EUR')
    const [id, orderId] = [newId(), newId()]
    const owner = { userId: 'ada', email: 'ada@shop.example', currency: 'EUR' }
    await prisma.order.create({ data: { id: orderId, ...owner, subtotal: amount, shipping: 0, total: amount } })
    // As verified by a table that knows less than Stripe.
    await prisma.checkout.create({
      data: {
        id,
        orderId,
        ownsOrder: true,
        ...owner,
        status: 'VERIFIED',
        cart: { items: [{ ...line }] },
        amount,
        sessionExpiresAt: new Date(Date.now() + HOUR),
        requestId: 'test',
        sessionParams: {
          mode: 'payment',
          metadata: { checkoutId: id, orderId },
          line_items: parts.map(unit_amount => ({
            quantity: 1,
            price_data: { currency: 'eur', unit_amount, product_data: { name: 'A part' } }
          })),
          success_url: 'https://shop.example/success'
        }
      }
    })
    await prisma.product.update({ where: { id: line.productId }, data: { reserved: 1 } })
    await prisma.reservation.create({ data: { checkoutId: id, productId: line.productId, quantity: 1 } })
    await sessionCreation.handle(services, { checkoutId: id }, { id: 'test', attempt: 1, isLastAttempt: true })
    const { status, body } = await ada.checkoutStatus(id)
    expect([status, body]).toMatchObject([200, { data: { status: 'FAILED', error: 'Amount not allowed' } }])
    expect((await prisma.product.findUniqueOrThrow({ where: { id: line.productId } })).reserved).toBe(0)
    expect(await prisma.alert.count({ where: { name: 'session_refused' } })).toBe(0)
  }
)

it('is refused, not lost, where it is beyond exact integers only with its delivery', () => {
  const terms = {
    currency: 'IDR',
    minAmount: minor(1),
    maxAmount: minor(999_999_999_999),
    shipping: { amount: minor(500), freeFrom: minor(0) }
  }
  const price = minor(1_000_000_000)
  const product = { id: 'a', name: 'a', description: null, image: null, price, currency: 'IDR', active: true }
  const counted = { stock: 0, reserved: 0, trackStock: false, backorderLimit: 0 }
  // Of two products: 9,007,199 of one, and of the other what is left below the greatest exact integer.
  const rest = minor(Number.MAX_SAFE_INTEGER - 9_007_199 * price)
  const products = new Map([
    ['a', { ...product, ...counted }],
    ['b', { ...product, ...counted, id: 'b', name: 'b', price: rest }]
  ])
  const items = [
    { productId: 'a', name: 'a', price: toMajorUnits(price, 'IDR'), quantity: 9_007_199 },
    { productId: 'b', name: 'b', price: toMajorUnits(rest, 'IDR'), quantity: 1 }
  ]
  expect(priceCart(items, products, terms)).toMatchObject({ outcome: 'refused', refusal: { code: 'amount_refused' } })
})

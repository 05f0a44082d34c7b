// A shop that sells in several currencies: each checkout and each order is in one of them, from its price to its ledger.
import { address, type CatalogueItem, data, type Line, type Shopper } from '../local/shopper.js'
import { ConfigError, loadConfig } from '../shared/config/config.js'
import { newId } from '../shared/ids.js'
import { minor, supportedCurrencies, toMajorUnits } from '../shared/money.js'
import { requestRefunds } from '../shared/orders/refund.js'
import { saleTermsIn } from '../shared/rules/sale-terms.js'
import { readFraudSignals } from '../shared/statements/fraud.js'
import { openShop, type Shop } from './support/shop.js'

const settings = {
  PAYMENT_CURRENCIES: 'EUR,CHF,JPY',
  PAYMENT_MIN_AMOUNT: '0.50,CHF:2,JPY:100',
  PAYMENT_MAX_AMOUNT: '1000,CHF:90,JPY:90000',
  SHIPPING_AMOUNT: '5,CHF:6.50,JPY:700',
  SHIPPING_FREE_FROM: '40,CHF:50,JPY:5000',
  FRAUD_SMALL_CART_AMOUNT: '5,CHF:8,JPY:900'
}

let shop: Shop
let ada: Shopper
beforeAll(async () => {
  shop = await openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *', ...settings })
  ada = await shop.customer('ada')
})
afterAll(() => shop.close())

interface Sold extends Line {
  slug: string
}

/** A product that costs this in minor units, its own currency first. */
async function product(prices: Record<string, number>): Promise<Sold> {
  const [[currency = '', price = 0] = [], ...others] = Object.entries(prices)
  const id = newId()
  await shop.stack.services.db.prisma.product.create({
    data: {
      id,
      slug: id,
      name: `Product ${id}`,
      price: BigInt(price),
      currency,
      stock: 100,
      prices: { create: others.map(([code, amount]) => ({ currency: code, amount: BigInt(amount) })) }
    }
  })
  return { productId: id, slug: id, name: `Product ${id}`, price: 0, quantity: 1 }
}

const at = ({ productId, name }: Sold, price: number, quantity = 1): Line => ({ productId, name, price, quantity })
const newKey = () => ({ 'Idempotency-Key': newId() })
const rowOf = (checkoutId: string) =>
  shop.stack.services.db.prisma.checkout.findUniqueOrThrow({ where: { id: checkoutId } })

type Priced = CatalogueItem & { prices?: Record<string, number> }
async function listed(query: string): Promise<Priced[]> {
  const response = await fetch(`http://127.0.0.1:${shop.stack.api.port}/api/products?${query}`)
  expect(response.status).toBe(200)
  return ((await response.json()) as { data: Priced[] }).data
}

describe('a checkout', () => {
  it.each([
    ['EUR', 20, 5],
    ['CHF', 22.5, 6.5],
    ['JPY', 3_200, 700]
  ])('in %s is compared, shipped, paid, refunded and booked in it', async (currency, price, shipping) => {
    const mug = await product({ EUR: 2_000, CHF: 2_250, JPY: 3_200 })
    const opened = data(await ada.checkout({ items: [at(mug, price)], currency }, newKey()))
    const session = shop.simulator.record.session(opened.sessionId ?? '')
    expect(session?.currency).toBe(currency.toLowerCase())
    await ada.pay(opened.url ?? '')
    const order = await ada.orderBecomes(opened.orderId ?? '', 'PAID')
    expect([order.currency, order.subtotal, order.shipping, order.total]).toEqual([
      currency,
      price,
      shipping,
      price + shipping
    ])
    await requestRefunds(shop.stack.services, { orderId: order.id, reason: 'back', operator: 'tester' })
    await ada.orderBecomes(order.id, 'REFUNDED')
    const postings = await shop.stack.services.db.prisma.ledgerPosting.findMany({ where: { orderId: order.id } })
    expect(new Set(postings.map(posting => posting.currency))).toEqual(new Set([currency]))
    expect(postings.reduce((sum, posting) => sum + Number(posting.amount), 0)).toBe(0)
  })

  it('that names no currency is in PAYMENT_CURRENCY, whatever the product’s own is', async () => {
    const mug = await product({ CHF: 2_250, EUR: 2_000 })
    const opened = data(await ada.checkout({ items: [at(mug, 20)] }, newKey()))
    expect((await rowOf(opened.checkoutId)).currency).toBe('EUR')
  })

  it('takes a currency in any case and refuses one that the shop does not sell in', async () => {
    const mug = await product({ EUR: 2_000, CHF: 2_250, USD: 2_100 })
    expect((await ada.checkout({ items: [at(mug, 22.5)], currency: 'chf' }, newKey())).status).toBe(200)
    for (const currency of ['USD', 'XXX', '', 7, null]) {
      const { status, body } = await ada.checkout({ items: [at(mug, 21)], currency }, newKey())
      expect([status, body]).toMatchObject([400, { errors: { currency: 'The shop sells in EUR, CHF, JPY' } }])
    }
  })

  it('refuses the price of another currency, and a product that has none in it', async () => {
    const mug = await product({ EUR: 2_000, CHF: 2_250 })
    const wrong = await ada.checkout({ items: [at(mug, 20)], currency: 'CHF' }, newKey())
    expect(wrong.body).toMatchObject({ details: [{ error: 'Price mismatch: expected 22.5, got 20' }] })
    const none = await ada.checkout({ items: [at(mug, 2_000)], currency: 'JPY' }, newKey())
    expect(none.body).toMatchObject({ details: [{ error: 'Currency mismatch: sold in EUR, CHF, not in JPY' }] })
  })

  it('has the limits of its currency', async () => {
    const cheap = await product({ EUR: 60, CHF: 60, JPY: 60 })
    const dear = await product({ EUR: 9_900, CHF: 9_900, JPY: 99_000 })
    const codes = async (lines: [string, Line][]) =>
      await Promise.all(
        lines.map(async ([currency, line]) => {
          const { status, body } = await ada.checkout({ items: [line], currency }, newKey())
          return [currency, status, body.success ? '' : (body.errors?.['items.0.price'] ?? body.detail)]
        })
      )
    // 60 yen and 700 of shipping; one of 99 francs is above the highest price, two of 45 are above the highest total.
    const half = await product({ CHF: 4_600 })
    expect(
      await codes([
        ['EUR', at(dear, 99)],
        ['CHF', at(dear, 99)],
        ['CHF', at(half, 46, 2)],
        ['JPY', at(cheap, 60)]
      ])
    ).toEqual([
      ['EUR', 200, ''],
      ['CHF', 400, 'Price too high'],
      ['CHF', 400, 'The total is 92.00 CHF; it has to be from 2.00 to 90.00.'],
      ['JPY', 200, '']
    ])
  })

  it('in another currency is another one, with and without a key', async () => {
    const mug = await product({ EUR: 2_000, CHF: 2_000 })
    const items = [at(mug, 20)]
    const [euros, named, francs] = [
      data(await ada.checkout({ items })),
      data(await ada.checkout({ items, currency: 'EUR' })),
      data(await ada.checkout({ items, currency: 'CHF' }))
    ]
    expect(named.checkoutId).toBe(euros.checkoutId)
    expect(francs.checkoutId).not.toBe(euros.checkoutId)
    const key = newKey()
    expect((await ada.checkout({ items }, key)).status).toBe(200)
    expect((await ada.checkout({ items, currency: 'eur' }, key)).status).toBe(200)
    expect((await ada.checkout({ items, currency: 'CHF' }, key)).status).toBe(422)
  })
})

describe('an order', () => {
  const order = (mug: Sold, body: object) => ({
    items: [at(mug, 22.5)],
    address,
    subtotal: 22.5,
    shipping: 6.5,
    ...body
  })

  it('in a currency that it names is paid in it by a checkout that names none', async () => {
    const mug = await product({ EUR: 2_000, CHF: 2_250 })
    const made = data(await ada.createOrder(order(mug, { currency: 'CHF' })))
    expect([made.currency, made.total]).toEqual(['CHF', 29])
    const opened = data(await ada.checkout({ items: [at(mug, 22.5)], orderId: made.id }, newKey()))
    expect((await rowOf(opened.checkoutId)).currency).toBe('CHF')
    await ada.pay(opened.url ?? '')
    await ada.orderBecomes(made.id, 'PAID')
  })

  it('is not paid in another currency than its own', async () => {
    const mug = await product({ EUR: 2_250, CHF: 2_250 })
    const made = data(await ada.createOrder(order(mug, { currency: 'CHF' })))
    const { status, body } = await ada.checkout({ items: [at(mug, 22.5)], orderId: made.id, currency: 'EUR' }, newKey())
    expect([status, body]).toMatchObject([409, { detail: expect.stringContaining('in CHF and the checkout in EUR') }])
  })

  it('of another customer does not tell its currency', async () => {
    const mug = await product({ EUR: 2_000, CHF: 2_250 })
    const made = data(await ada.createOrder(order(mug, { currency: 'CHF' })))
    const eve = await shop.customer('eve')
    const { body } = await eve.checkout({ items: [at(mug, 22.5)], orderId: made.id }, newKey())
    expect(JSON.stringify(body)).not.toContain('CHF')
  })

  it('has the totals of its currency, and its limits', async () => {
    const mug = await product({ EUR: 2_000, CHF: 2_250 })
    const wrong = await ada.createOrder(order(mug, { currency: 'CHF', shipping: 5 }))
    expect(wrong.body).toMatchObject({ errors: { shipping: 'Shipping mismatch: expected 6.5, got 5' } })
    const many = { items: [at(mug, 22.5, 5)], subtotal: 112.5, shipping: 0, currency: 'CHF' }
    const { status, body } = await ada.createOrder(order(mug, many))
    expect([status, body]).toMatchObject([400, { type: 'urn:tillworks:problem:amount_refused' }])
  })
})

describe('GET /api/products', () => {
  it('lists what has a price in the currency that is asked for, with all its prices', async () => {
    const both = await product({ EUR: 2_000, CHF: 2_250, USD: 999 })
    const foreign = await product({ CHF: 300, JPY: 400 })
    const euros = await product({ EUR: 100 })
    const find = (found: Priced[]) =>
      [both, foreign, euros].map(({ slug }) => {
        const item = found.find(each => each.slug === slug)
        return item && [item.currency, item.price, item.prices]
      })
    const slugs = [both, foreign, euros].map(({ slug }) => `slug=${slug}`).join('&')
    expect(find(await listed(`${slugs}&currency=chf`))).toEqual([
      ['CHF', 22.5, { EUR: 20, CHF: 22.5 }],
      ['CHF', 3, { CHF: 3, JPY: 400 }],
      undefined
    ])
    expect(find(await listed(`${slugs}&currency=JPY`))).toEqual([
      undefined,
      ['JPY', 400, { CHF: 3, JPY: 400 }],
      undefined
    ])
  })

  it('has the shape of always for who asks for nothing: the price that a checkout is compared with', async () => {
    const swiss = await product({ CHF: 2_250, EUR: 2_000 })
    const foreign = await product({ CHF: 300 })
    const found = await listed(`slug=${swiss.slug}&slug=${foreign.slug}`)
    const bySlug = new Map(found.map(item => [item.slug, item]))
    expect(bySlug.get(swiss.slug)).toMatchObject({ price: 20, currency: 'EUR' })
    expect(bySlug.get(foreign.slug)).toMatchObject({ price: 3, currency: 'CHF' })
    expect(found.every(item => !('prices' in item))).toBe(true)
  })

  it('refuses a currency that the shop does not sell in', async () => {
    const response = await fetch(`http://127.0.0.1:${shop.stack.api.port}/api/products?currency=USD`)
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { errors: { currency: 'The shop sells in EUR, CHF, JPY' } }
    ])
  })
})

it('counts carts as small by the amount of their currency', async () => {
  const { db, config } = shop.stack.services
  const of = async (currency: string, amount: number) => {
    const userId = newId()
    await db.pool.query(
      `INSERT INTO "Checkout" ("id", "userId", "email", "status", "cart", "currency", "amount", "requestId")
       VALUES ($1, $2, 'small@shop.example', 'EXPIRED', '{}', $3, $4, 'test')`,
      [newId(), userId, currency, amount]
    )
    const subject = { userId, network: null }
    return (await readFraudSignals(db.pool, subject, config.fraud, new Date())).smallCarts
  }
  expect(await of('EUR', 500)).toBe(1)
  expect(await of('EUR', 501)).toBe(0)
  expect(await of('CHF', 800)).toBe(1)
  expect(await of('CHF', 801)).toBe(0)
  expect(await of('JPY', 900)).toBe(1)
  expect(await of('JPY', 901)).toBe(0)
  // No limit is known of what the shop does not sell in by now.
  expect(await of('USD', 1)).toBe(0)
})

describe('the settings', () => {
  const enough = {
    DATABASE_URL: 'postgresql://localhost/shop',
    QUEUE_ENGINE: 'postgres',
    STRIPE_SECRET_KEY: 'sk_test_settings',
    STRIPE_WEBHOOK_SECRET: 'whsec_settings',
    PAYMENT_SUCCESS_URL: 'https://shop.example/success',
    PAYMENT_CANCEL_URL: 'https://shop.example/cart',
    AUTH_SECRET: 'a secret for tests of at least thirty-two characters',
    OPS_PASSWORD: 'password of the tests'
  }
  const problemsOf = (env: Record<string, string>) => {
    try {
      loadConfig({ ...enough, ...env })
      return []
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      return error.problems
    }
  }

  it('have every supported currency, each at an amount of its own', () => {
    const all = supportedCurrencies()
    const amounts = all.map((code, index) => `${code}:${10_000 + index}`).join(',')
    const config = loadConfig({
      ...enough,
      PAYMENT_CURRENCIES: all.join(',').toLowerCase(),
      SHIPPING_AMOUNT: amounts,
      PAYMENT_MAX_AMOUNT: '400000'
    })
    expect([...config.payment.currencies].sort()).toEqual([...all].sort())
    expect(config.payment.currencies[0]).toBe('EUR')
    all.forEach((code, index) => {
      const amount = saleTermsIn(code, config)?.shipping.amount ?? minor(0)
      expect([code, toMajorUnits(amount, code)]).toEqual([code, 10_000 + index])
    })
  })

  it('have the plain amount for each currency that is not named', () => {
    const { payment } = loadConfig({ ...enough, PAYMENT_CURRENCIES: 'CHF,USD', PAYMENT_MIN_AMOUNT: '0.70,CHF:0.90' })
    expect(payment.minAmount).toEqual({ EUR: 70, CHF: 90, USD: 70 })
  })

  it.each<[Record<string, string>, RegExp[]]>([
    [{ PAYMENT_CURRENCIES: 'EUR,EUR' }, [/^PAYMENT_CURRENCIES: expected different currencies/]],
    [{ PAYMENT_CURRENCIES: 'eur,EUR' }, [/^PAYMENT_CURRENCIES: expected different currencies/]],
    [{ PAYMENT_CURRENCIES: 'EUR,XXX' }, [/^PAYMENT_CURRENCIES: expected different currencies/]],
    [{ PAYMENT_CURRENCIES: ',' }, [/^PAYMENT_CURRENCIES: expected/]],
    [{ PAYMENT_MIN_AMOUNT: '1,2' }, [/^PAYMENT_MIN_AMOUNT: expected an amount/]],
    [{ PAYMENT_MIN_AMOUNT: 'EUR:1,EUR:2' }, [/^PAYMENT_MIN_AMOUNT: expected an amount/]],
    [{ SHIPPING_AMOUNT: '5,CHF:6' }, [/^SHIPPING_AMOUNT: names CHF, which is not among PAYMENT_CURRENCIES$/]],
    [
      { PAYMENT_CURRENCIES: 'EUR,JPY', SHIPPING_AMOUNT: '4.90', SHIPPING_FREE_FROM: '9,JPY:9.5' },
      [/^SHIPPING_AMOUNT: JPY has no amount 4.9; name one/, /^SHIPPING_FREE_FROM: JPY has no amount 9.5$/]
    ],
    [
      { PAYMENT_CURRENCIES: 'EUR,HUF', PAYMENT_MAX_AMOUNT: '100' },
      [/^PAYMENT_MAX_AMOUNT: in HUF .* at most 100.00 .* at least 175.00/]
    ],
    [
      { PAYMENT_MIN_AMOUNT: '10', PAYMENT_MAX_AMOUNT: '9' },
      [/^PAYMENT_MAX_AMOUNT: in EUR .* at most 9.00 .* at least 10.00/]
    ]
  ])('refuse %j at the start, all problems at once', (env, expected) => {
    const problems = problemsOf(env)
    expect(problems).toHaveLength(expected.length)
    for (const each of expected) expect(problems).toContainEqual(expect.stringMatching(each))
  })
})

import fc from 'fast-check'
import Stripe from 'stripe'
import { eventually } from '../local/eventually.js'
import { data, lineOf, type Shopper } from '../local/shopper.js'
import { type ConfigError, loadConfig } from '../shared/config/config.js'
import { newId } from '../shared/ids.js'
import { requestRefunds } from '../shared/orders/refund.js'
import { restockMetadata, restockOf } from '../shared/rules/restock.js'
import { fitting, fittingMetadata, imageUrl, stripeLimits, successUrl } from '../shared/rules/stripe-limits.js'
import { type Simulator, startSimulator } from '../simulator/start.js'
import { ENOUGH } from './support/settings.js'
import { openShop, type Shop } from './support/shop.js'

/** Any text that the database can hold: every plane of Unicode, combining marks, emoji families, control characters. */
const anyText = (maxLength: number) =>
  fc
    .oneof(
      fc.string({ unit: 'binary', maxLength }),
      fc.string({ unit: 'grapheme', maxLength }),
      fc.string({ unit: fc.constantFrom('👩‍👩‍👧‍👦', '🇫🇷', 'é', 'n\u0303\u0323', '\u200b', ' ', 'x'), maxLength }),
      fc.constantFrom('', ' ', '\t\n', '\u00a0', 'x'.repeat(maxLength), '👩‍👩‍👧‍👦'.repeat(maxLength))
    )
    .map(text => text.replaceAll('\0', '').slice(0, maxLength))
    .filter(text => text.isWellFormed())

const segments = (text: string) =>
  [...new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(text)].map(each => each.segment)

describe('a text that goes to Stripe', () => {
  it('is itself when it fits, nothing when it is blank, else its first whole characters and an ellipsis', () => {
    fc.assert(
      fc.property(anyText(80), fc.integer({ min: 20, max: 40 }), (text, most) => {
        const sent = fitting(text, most)
        if (text.trim() === '') return expect(sent).toBeUndefined()
        if (text.length <= most) return expect(sent).toBe(text)
        expect(sent?.length).toBeLessThanOrEqual(most)
        expect(sent?.isWellFormed()).toBe(true)
        expect(sent?.endsWith('…')).toBe(true)
        const kept = sent?.slice(0, -1) ?? ''
        expect(text.startsWith(kept)).toBe(true)
        const whole = segments(text)
        if ((whole[0]?.length ?? 0) < most) {
          const ends = whole.map((_segment, index) =>
            whole
              .slice(0, index + 1)
              .join('')
              .trimEnd()
          )
          expect(['', ...ends]).toContain(kept)
        }
      }),
      { numRuns: 500 }
    )
  })

  it('is cut even when it is one character, as long as all that fits', () => {
    const zalgo = `e${'\u0301'.repeat(600)}`
    expect(fitting(zalgo, 40)).toHaveLength(40)
    expect(fitting(`👩${'\u200d👩'.repeat(300)}`, 40)?.isWellFormed()).toBe(true)
  })

  it('has no empty value in metadata', () => {
    expect(fittingMetadata({ a: '', b: ' ', c: null, d: undefined, e: 'x'.repeat(501) })).toEqual({
      e: `${'x'.repeat(499)}…`
    })
  })
})

describe('the image of a product', () => {
  const storefront = 'https://shop.example/checkout/success'
  it.each([
    ['/images/mug.jpg', 'https://shop.example/images/mug.jpg'],
    ['images/mug one.jpg', 'https://shop.example/checkout/images/mug%20one.jpg'],
    ['//cdn.example/mug.jpg', 'https://cdn.example/mug.jpg'],
    ['https://cdn.example/möbel.jpg', 'https://cdn.example/m%C3%B6bel.jpg'],
    ['https://bücher.example/a.jpg', 'https://xn--bcher-kva.example/a.jpg']
  ])('%s is sent as %s', (image, sent) => expect(imageUrl(image, storefront)).toBe(sent))

  it.each([
    null,
    'http://cdn.example/mug.jpg',
    'data:image/png;base64,AAAA',
    'javascript:alert(1)',
    'https://user:password@cdn.example/mug.jpg',
    'https://localhost/mug.jpg',
    'https://192.168.0.1/mug.jpg',
    'https://[::1]/mug.jpg',
    'https://',
    `https://cdn.example/${'x'.repeat(2_048)}`
  ])('%s is left out', image => expect(imageUrl(image, storefront)).toBeUndefined())

  it('is left out when the storefront is on this machine', () => {
    expect(imageUrl('/images/mug.jpg', 'http://localhost:3000/success')).toBeUndefined()
  })
})

describe('what a refund puts back', () => {
  const productId = fc.stringMatching(/^[\w.-]{1,64}$/).filter(id => id !== '__proto__')
  const quantities = fc.dictionary(productId, fc.integer({ min: 1, max: 999_999 }), { minKeys: 1, maxKeys: 100 })

  it('fits into metadata whatever the number of products, and is read back as it was', () => {
    fc.assert(
      fc.property(fc.oneof(fc.constant('all' as const), quantities), restock => {
        const metadata = restockMetadata(restock)
        for (const value of Object.values(metadata)) {
          expect(value.length).toBeLessThanOrEqual(stripeLimits.metadataValue)
        }
        expect(Object.keys(metadata).length).toBeLessThanOrEqual(stripeLimits.metadataKeys - 4)
        expect({ ...(restockOf(metadata, 'any') as object) }).toEqual({ ...(restock as object) })
      })
    )
  })

  it.each([undefined, null, {}, { restock: '' }, { restock: 'perhaps' }, { restock2: 'a=1' }])(
    'is nothing in %j',
    metadata => expect(restockOf(metadata, 'any')).toBeNull()
  )
})

describe('settings that go to Stripe', () => {
  const enough = { ...ENOUGH, QUEUE_ENGINE: 'postgres' }
  const problemsOf = (changes: object) => {
    try {
      loadConfig({ ...enough, ...changes })
      return []
    } catch (error) {
      return (error as ConfigError).problems
    }
  }

  it.each(['TILLWORKS', 'A', 'Mug & Co. 24/7', 'x'.repeat(18)])('take the suffix %s', suffix => {
    expect(problemsOf({ PAYMENT_STATEMENT_DESCRIPTOR: suffix })).toEqual([])
  })

  it.each(['12345', 'x'.repeat(19), 'Café', 'Магазин A', '日本 A', '<A>', 'A*B', "A'B", 'A"B', 'A\\B', ' A', 'A\tB'])(
    'refuse the suffix %s with what Stripe wants',
    suffix => {
      expect(problemsOf({ PAYMENT_STATEMENT_DESCRIPTOR: suffix })).toEqual([
        expect.stringMatching(/^PAYMENT_STATEMENT_DESCRIPTOR: .*letter.*prefix of your Stripe account.*at most 22/)
      ])
    }
  )

  it.each(['PAYMENT_SUCCESS_URL', 'PAYMENT_CANCEL_URL'])('hold %s to 5000 characters', name => {
    expect(problemsOf({ [name]: `https://shop.example/${'x'.repeat(4_900)}` })).toEqual([])
    expect(problemsOf({ [name]: `https://shop.example/${'x'.repeat(5_000)}` })).toEqual([
      expect.stringContaining(`${name}: expected a URL`)
    ])
    expect(problemsOf({ [name]: 'not a URL ü' })).not.toEqual([])
  })

  it.each([
    ['https://shop.example/done', 'https://shop.example/done?session_id={CHECKOUT_SESSION_ID}'],
    ['https://shop.example/done?a=b', 'https://shop.example/done?a=b&session_id={CHECKOUT_SESSION_ID}'],
    [
      'https://shop.example/fertig für dich',
      'https://shop.example/fertig%20f%C3%BCr%20dich?session_id={CHECKOUT_SESSION_ID}'
    ],
    ['https://shop.example/ö/{CHECKOUT_SESSION_ID}', 'https://shop.example/%C3%B6/{CHECKOUT_SESSION_ID}']
  ])('send %s as %s', (url, sent) => expect(successUrl(url)).toBe(sent))
})

describe('the simulator refuses, as Stripe does,', () => {
  let simulator: Simulator
  let stripe: Stripe
  beforeAll(async () => {
    simulator = await startSimulator({ port: 0 })
    stripe = new Stripe('sk_test_x', {
      host: '127.0.0.1',
      port: simulator.port,
      protocol: 'http',
      telemetry: false,
      maxNetworkRetries: 0
    })
  })
  afterAll(() => simulator.close())

  type Change = (params: Stripe.Checkout.SessionCreateParams, product: Record<string, unknown>) => void
  it.each<[string, string, Change]>([
    [
      'an empty name',
      'line_items[0][price_data][product_data][name]',
      (_, product) => Object.assign(product, { name: '' })
    ],
    [
      'a blank name',
      'line_items[0][price_data][product_data][name]',
      (_, product) => Object.assign(product, { name: ' \t' })
    ],
    [
      'a long name',
      'line_items[0][price_data][product_data][name]',
      (_, product) => Object.assign(product, { name: 'x'.repeat(5_001) })
    ],
    [
      'an empty description',
      'line_items[0][price_data][product_data][description]',
      (_, product) => Object.assign(product, { description: '' })
    ],
    [
      'a long description',
      'line_items[0][price_data][product_data][description]',
      (_, product) => Object.assign(product, { description: 'x'.repeat(40_001) })
    ],
    [
      'an image without a host',
      'line_items[0][price_data][product_data][images][0]',
      (_, product) => Object.assign(product, { images: ['/mug.jpg'] })
    ],
    [
      'an image with a long address',
      'line_items[0][price_data][product_data][images][0]',
      (_, product) => Object.assign(product, { images: [`https://a.example/${'x'.repeat(2_048)}`] })
    ],
    [
      'nine images',
      'line_items[0][price_data][product_data][images]',
      (_, product) => Object.assign(product, { images: Array(9).fill('https://a.example/b') })
    ],
    ['metadata with a bracket in a key', 'metadata', params => Object.assign(params, { metadata: { 'a[b]': 'x' } })],
    ['metadata with a long key', 'metadata', params => Object.assign(params, { metadata: { ['k'.repeat(41)]: 'x' } })],
    ['metadata with a long value', 'metadata', params => Object.assign(params, { metadata: { a: 'x'.repeat(501) } })],
    [
      'metadata of 51 keys',
      'metadata',
      params =>
        Object.assign(params, { metadata: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`k${n}`, 'x'])) })
    ],
    [
      'a long success_url',
      'success_url',
      params => Object.assign(params, { success_url: `https://a.example/${'x'.repeat(5_000)}` })
    ],
    [
      'a cancel_url with a space',
      'cancel_url',
      params => Object.assign(params, { cancel_url: 'https://a.example/a b' })
    ],
    [
      'a suffix without a letter',
      'payment_intent_data[statement_descriptor_suffix]',
      params => Object.assign(params, { payment_intent_data: { statement_descriptor_suffix: '123' } })
    ],
    [
      'a suffix with an asterisk',
      'payment_intent_data[statement_descriptor_suffix]',
      params => Object.assign(params, { payment_intent_data: { statement_descriptor_suffix: 'A*B' } })
    ],
    [
      'a suffix of 23',
      'payment_intent_data[statement_descriptor_suffix]',
      params => Object.assign(params, { payment_intent_data: { statement_descriptor_suffix: 'x'.repeat(23) } })
    ]
  ])('%s', async (_what, param, change) => {
    const product = { name: 'Mug' }
    const params: Stripe.Checkout.SessionCreateParams = {
      mode: 'payment',
      success_url: 'https://shop.example/ok',
      line_items: [{ quantity: 1, price_data: { currency: 'eur', unit_amount: 100, product_data: product } }]
    }
    change(params, product)
    const refused = await stripe.checkout.sessions.create(params).catch(error => error)
    expect(refused).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError)
    expect(refused.param).toBe(param)
  })
})

describe('a shop whose texts are of any length and script', () => {
  let shop: Shop
  let ada: Shopper
  beforeAll(async () => {
    shop = await openShop('postgres', {
      PAYMENT_MAX_AMOUNT: '99999.99',
      PAYMENT_SUCCESS_URL: `https://shop.example/${'ö'.repeat(700)}`,
      PAYMENT_STATEMENT_DESCRIPTOR: 'x'.repeat(18)
    })
    ada = await shop.customer('ada')
  })
  afterAll(() => shop.close())

  interface CatalogueTexts {
    name: string
    description: string | null
    image: string | null
  }
  const product = fc.record({
    name: anyText(255).filter(name => name !== ''),
    description: fc.option(anyText(45_000)),
    image: fc.option(fc.oneof(fc.webUrl({ size: 'large' }), anyText(3_000), fc.constant('/mug.jpg')))
  })
  const cart = fc.array(product, { minLength: 1, maxLength: 30 })

  async function stocked(products: CatalogueTexts[]): Promise<{ id: string; slug: string }[]> {
    const rows = products.map(each => ({ ...each, id: newId(), slug: newId() }))
    await shop.stack.services.db.pool.query(
      `INSERT INTO "Product" ("id", "slug", "name", "description", "image", "price", "currency", "stock")
       SELECT "id", "slug", "name", "description", "image", 100, 'EUR', 100
       FROM jsonb_to_recordset($1::jsonb) AS product("id" text, "slug" text, "name" text, "description" text, "image" text)`,
      [JSON.stringify(rows)]
    )
    return rows
  }

  it('checks out, is paid and refunded without a refusal of Stripe’s', async () => {
    await fc.assert(
      fc.asyncProperty(cart, anyText(2_000), async (products, reason) => {
        const rows = await stocked(products)
        const items = products.map(({ name }, index) => ({
          ...lineOf({ ...(rows[index] as { id: string; slug: string }), name, price: 1, currency: 'EUR', stock: 1 }, 1)
        }))
        const bought = data(await ada.checkout({ items }))
        expect(bought.status).toBe('OPEN')
        await ada.pay(bought.url ?? '')
        const orderId = bought.orderId ?? ''
        await ada.orderBecomes(orderId, 'PAID')
        const restock = Object.fromEntries(rows.map(({ id }) => [id, 1]))
        await requestRefunds(shop.stack.services, { orderId, reason, restock, operator: 'olga' })
        const { prisma } = shop.stack.services.db
        const refund = await eventually(
          () => prisma.refund.findFirstOrThrow({ where: { orderId } }),
          ({ status, restockedAt }) => status !== 'REQUESTED' && restockedAt !== null
        )
        expect(refund).toMatchObject({ status: 'SUCCEEDED', failureReason: null })
        // What was cut for Stripe is whole here.
        const kept = await prisma.orderItem.findMany({ where: { orderId } })
        expect(new Set(kept.map(({ description }) => description))).toEqual(
          new Set(products.map(({ description }) => description))
        )
      }),
      { numRuns: 12, endOnFailure: true }
    )
  })
})

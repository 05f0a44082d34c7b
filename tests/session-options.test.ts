import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import Stripe from 'stripe'
import { settingsPage } from '../docs/settings-page.js'
import { data, lineOf } from '../local/shopper.js'
import { type ConfigError, loadConfig } from '../shared/config/config.js'
import { groups } from '../shared/config/groups.js'
import { isLanguageTag, pageLocale, pageLocales } from '../shared/rules/page-locale.js'
import { intentOf, sessionOf } from './support/purchase.js'
import { openShop, withShop } from './support/shop.js'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

const ALL = {
  CHECKOUT_LOCALE: 'de',
  CHECKOUT_PHONE_NUMBER: 'true',
  CHECKOUT_BILLING_ADDRESS: 'required',
  CHECKOUT_TAX_ID: 'required',
  CHECKOUT_INVOICE: 'true',
  CHECKOUT_CUSTOMER: 'always',
  CHECKOUT_RECEIPT_EMAIL: 'true',
  CHECKOUT_TERMS_OF_SERVICE: 'true'
}

describe('the language of the page', () => {
  it.each([
    ['fr', 'fr'],
    ['fr-FR', 'fr'],
    ['fr_FR', 'fr'],
    ['FR-fr', 'fr'],
    ['fr-CA', 'fr-CA'],
    ['en-US', 'en'],
    ['en-GB', 'en-GB'],
    ['es-MX', 'es-419'],
    ['es-ES', 'es'],
    ['pt-PT', 'pt'],
    ['pt-BR', 'pt-BR'],
    ['nn-NO', 'nb'],
    ['hi', 'hi-IN'],
    ['zh-CN', 'zh'],
    ['zh-Hans-CN', 'zh'],
    ['zh-Hant', 'zh-TW'],
    ['zh-Hant-HK', 'zh-HK'],
    ['auto', 'auto'],
    ['ar', undefined]
  ])('of %s is %s', (tag, page) => expect(pageLocale(tag)).toBe(page))

  it('is one of Stripe’s for every tag, and never throws', () => {
    const tag = fc.oneof(fc.string(), fc.stringMatching(/^[A-Za-z]{2,3}([-_][A-Za-z]{4})?([-_][A-Za-z]{2})?$/))
    fc.assert(
      fc.property(tag, text => {
        const page = pageLocale(text)
        if (page !== undefined) expect(pageLocales).toContain(page)
        if (!isLanguageTag(text)) expect(page).toBeUndefined()
      })
    )
  })

  it('is one of those of the stripe package', () => {
    const declared = read('node_modules/stripe/esm/resources/Checkout/Sessions.d.ts')
    const type = [...declared.matchAll(/type Locale = ([^;]*);/g)].at(-1)?.[1] ?? ''
    expect([...pageLocales]).toEqual([...type.matchAll(/'([^']+)'/g)].map(match => match[1]))
  })
})

describe('the settings of the page', () => {
  const problemsOf = (changes: object) => {
    try {
      loadConfig({
        DATABASE_URL: 'postgresql://user:password@localhost/shop',
        QUEUE_ENGINE: 'postgres',
        STRIPE_SECRET_KEY: 'sk_test_x',
        STRIPE_WEBHOOK_SECRET: 'whsec_x',
        AUTH_SECRET: 'x'.repeat(32),
        OPS_PASSWORD: 'y'.repeat(12),
        PAYMENT_SUCCESS_URL: 'https://shop.example/success',
        PAYMENT_CANCEL_URL: 'https://shop.example/cart',
        ...changes
      })
      return []
    } catch (error) {
      return (error as ConfigError).problems
    }
  }

  it.each(Object.entries(ALL))('take %s=%s and refuse what Stripe does not have', (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([])
    expect(problemsOf({ [name]: 'sometimes' })).toEqual([expect.stringContaining(`${name}: expected`)])
  })

  it('stop the start when Stripe refuses two of them together', () => {
    expect(problemsOf({ CHECKOUT_INVOICE: 'true', PAYMENT_CAPTURE_METHOD: 'manual' })).toEqual([
      expect.stringMatching(/^CHECKOUT_INVOICE: not with PAYMENT_CAPTURE_METHOD=manual/)
    ])
  })

  it('stand in the table with Stripe’s page of each', () => {
    const table = read('docs/checkout-options.md')
    for (const { variable } of Object.values(groups.paymentPage.settings)) {
      expect(table).toMatch(new RegExp(`\\| \`${variable}\`.*\\(https://docs\\.stripe\\.com/`))
      expect(settingsPage()).toContain(variable)
    }
  })
})

it('sends none of them by default', async () => {
  await withShop(openShop('postgres'), async shop => {
    const ada = await shop.customer('ada')
    const items = [lineOf(await ada.product('stoneware-mug'), 1)]
    const { sessionId = '' } = data(await ada.checkout({ items }))
    expect(sessionOf(shop, sessionId)).toMatchObject({
      locale: null,
      phone_number_collection: { enabled: false },
      billing_address_collection: null,
      tax_id_collection: { enabled: false },
      invoice_creation: { enabled: false },
      customer_creation: 'if_required',
      consent_collection: null
    })
  })
})

it('sends what is set, pays, and goes to no review', async () => {
  await withShop(openShop('postgres', ALL), async shop => {
    const ada = await shop.customer('ada')
    const items = [lineOf(await ada.product('stoneware-mug'), 1)]
    const bought = data(await ada.checkout({ items }))
    const { sessionId = '', url = '', orderId = '' } = bought
    expect(sessionOf(shop, sessionId)).toMatchObject({
      locale: 'de',
      phone_number_collection: { enabled: true },
      billing_address_collection: 'required',
      tax_id_collection: { enabled: true, required: 'if_supported' },
      invoice_creation: { enabled: true },
      customer_creation: 'always',
      consent_collection: { terms_of_service: 'required' }
    })
    // The same cart in another language shares the Session; with a key of its own it has one in that language.
    expect(data(await ada.checkout({ items, locale: 'fr-FR' })).sessionId).toBe(sessionId)
    const french = data(await ada.checkout({ items, locale: 'fr-FR' }, { 'Idempotency-Key': 'french' }))
    expect(sessionOf(shop, french.sessionId ?? '').locale).toBe('fr')
    const again = await ada.checkout({ items, locale: 'it' }, { 'Idempotency-Key': 'french' })
    expect(again.status).toBe(422)
    const arabic = data(await ada.checkout({ items, locale: 'ar' }, { 'Idempotency-Key': 'arabic' }))
    expect(sessionOf(shop, arabic.sessionId ?? '').locale).toBe('de')
    expect((await ada.checkout({ items, locale: 'no such tag' })).body).toMatchObject({
      status: 400,
      errors: { locale: 'Locale must be a language tag such as fr or fr-FR' }
    })

    await ada.pay(url)
    await ada.orderBecomes(orderId, 'PAID')
    const intent = await shop.stack.services.stripe.paymentIntents.retrieve(intentOf(shop, sessionId))
    expect(intent.receipt_email).toBe('ada@shop.example')
    const refused = await shop.stack.services.stripe.checkout.sessions
      .create({
        mode: 'payment',
        success_url: 'https://shop.example/ok',
        invoice_creation: { enabled: true },
        payment_intent_data: { capture_method: 'manual' },
        line_items: [{ quantity: 1, price_data: { currency: 'eur', unit_amount: 100, product_data: { name: 'Mug' } } }]
      })
      .catch(error => error)
    expect(refused).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError)
  })
})

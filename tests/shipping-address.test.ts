import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import type Stripe from 'stripe'
import { address, data, lineOf, type Shopper } from '../local/shopper.js'
import type { ConfigError } from '../shared/config/config.js'
import { loadConfig } from '../shared/config/config.js'
import { erasePersonalData } from '../shared/orders/erasure.js'
import { checkoutCountries, needsPostalCode } from '../shared/rules/countries.js'
import { type PostalAddress, stripeShipping } from '../shared/rules/postal-address.js'
import { intentOf, sessionOf } from './support/purchase.js'
import { ENOUGH } from './support/settings.js'
import { openShop, type Shop } from './support/shop.js'

describe('an address at Stripe', () => {
  const text = (maxLength: number) => fc.string({ unit: 'grapheme', minLength: 1, maxLength })
  const anyAddress = fc.record(
    {
      firstName: text(100),
      lastName: text(100),
      email: fc.constant('ada@shop.example'),
      phone: text(50),
      street: text(255),
      apartment: fc.string({ maxLength: 100 }),
      city: text(100),
      state: text(100),
      postalCode: fc.string({ maxLength: 20 }),
      country: fc.constantFrom('FR', 'US', 'HK')
    },
    { requiredKeys: ['firstName', 'lastName', 'email', 'street', 'city', 'country'] }
  )

  it('has no empty part, and is left out whole when it names nobody or no street', () => {
    fc.assert(
      fc.property(anyAddress, given => {
        const sent = stripeShipping(given as PostalAddress)
        const isEmpty = `${given.firstName}${given.lastName}`.trim() === '' || given.street.trim() === ''
        if (isEmpty) return expect(sent).toBeUndefined()
        const { name, phone, address: parts } = sent as Stripe.Checkout.SessionCreateParams.PaymentIntentData.Shipping
        for (const part of [name, ...(phone === undefined ? [] : [phone]), ...Object.values(parts)]) {
          expect(String(part).trim()).not.toBe('')
        }
        expect(phone?.length ?? 0).toBeLessThanOrEqual(20)
        if (phone !== undefined) expect(given.phone?.trim()).toBe(phone)
      })
    )
  })
})

describe('SHIPPING_COUNTRIES', () => {
  const enough = { ...ENOUGH, QUEUE_ENGINE: 'postgres' }
  const countriesOf = (SHIPPING_COUNTRIES?: string) => {
    try {
      return loadConfig({ ...enough, SHIPPING_COUNTRIES }).shipping.countries
    } catch (error) {
      return (error as ConfigError).problems
    }
  }

  it('are the five of the requirement by default, and others in either case', () => {
    expect(countriesOf()).toEqual(['FR', 'BE', 'CH', 'LU', 'MC'])
    expect(countriesOf('de, at,DE')).toEqual(['DE', 'AT'])
  })

  it.each(['FRA', 'France', 'XX', 'KP', 'UK', 'EU', 'ZZ'])('%s stops the start, by name', code => {
    expect(countriesOf(`FR,${code}`)).toEqual([expect.stringContaining(`; not ${code.toUpperCase()}`)])
  })

  it('need a postal code where everybody has one, and not where some list says otherwise', () => {
    expect(
      ['FR', 'BE', 'CH', 'LU', 'MC', 'DE', 'GB', 'US', 'CA', 'AU', 'JP', 'IN'].filter(needsPostalCode)
    ).toHaveLength(12)
    expect(['HK', 'AE', 'IE', 'PA', 'ZA', 'JM', 'GH', 'TD', 'LY'].filter(needsPostalCode)).toEqual([])
  })

  it('are those of the stripe package', () => {
    const file = new URL('../node_modules/stripe/esm/resources/Checkout/Sessions.d.ts', import.meta.url)
    const declared = /type AllowedCountry = ([^;]*);/.exec(readFileSync(file, 'utf8'))?.[1] ?? ''
    const codes = [...declared.matchAll(/'([A-Z]{2})'/g)].map(match => match[1]).filter(code => code !== 'ZZ')
    expect([...checkoutCountries].sort()).toEqual(codes.sort())
  })
})

describe('an order with an address', () => {
  let shop: Shop
  let ada: Shopper
  beforeAll(async () => {
    shop = await openShop('postgres', { SHIPPING_COUNTRIES: 'FR,US,HK' })
    ada = await shop.customer('ada')
  })
  afterAll(() => shop.close())

  const order = async (changes: object) => {
    const line = lineOf(await ada.product('stoneware-mug'), 1)
    const answer = await ada.createOrder({
      items: [line],
      address: { ...address, ...changes },
      subtotal: line.price,
      shipping: 0
    })
    return { line, answer }
  }

  it('has it on its payment and charge at Stripe, is paid and goes to no review', async () => {
    const { line, answer } = await order({ phone: '+33 1 23 45 67 89', apartment: '3e étage' })
    const { id } = data(answer)
    const bought = data(await ada.checkout({ items: [line], orderId: id }))
    expect(sessionOf(shop, bought.sessionId ?? '').shipping_address_collection).toBeNull()
    await ada.pay(bought.url ?? '')
    await ada.orderBecomes(id, 'PAID')
    const intent = await shop.stack.services.stripe.paymentIntents.retrieve(intentOf(shop, bought.sessionId ?? ''), {
      expand: ['latest_charge']
    })
    const shipping = {
      name: 'Ada Lovelace',
      phone: '+33 1 23 45 67 89',
      address: {
        line1: '1 rue de la Paix',
        line2: '3e étage',
        city: 'Paris',
        postal_code: '75002',
        country: 'FR',
        state: null
      }
    }
    expect(intent.shipping).toMatchObject(shipping)
    expect((intent.latest_charge as Stripe.Charge).shipping).toMatchObject(shipping)

    const { pool, prisma } = shop.stack.services.db
    await shop.simulator.idle()
    const kept = async () =>
      JSON.stringify((await prisma.checkout.findFirstOrThrow({ where: { orderId: id } })).sessionParams)
    expect(await kept()).toContain('rue de la Paix')
    await erasePersonalData(pool, { userId: 'ada', operator: 'olga', reason: 'asked for it' })
    expect(await kept()).not.toMatch(/rue de la Paix|Lovelace|\+33/)
  })

  it('goes with a state, and without a postal code where there are none', async () => {
    const far = await order({ country: 'US', state: 'NY', postalCode: '10001', city: 'New York' })
    expect(far.answer.status).toBe(201)
    const { line, answer } = await order({ country: 'HK', postalCode: undefined, phone: 'x'.repeat(50) })
    const bought = data(await ada.checkout({ items: [line], orderId: data(answer).id }))
    expect(bought.status).toBe('OPEN')
    expect((await order({ postalCode: undefined })).answer.body).toMatchObject({
      status: 400,
      errors: { 'address.postalCode': 'Postal code required' }
    })
  })

  it('is refused for a country where the shop does not deliver', async () => {
    expect((await order({ country: 'BE' })).answer.body).toMatchObject({
      status: 400,
      errors: { 'address.country': 'Country must be FR, US or HK' }
    })
  })

  it('may be of a customer whose checkout has none: nothing is sent', async () => {
    const line = lineOf(await ada.product('stoneware-mug'), 1)
    const bought = data(await ada.checkout({ items: [line] }))
    await ada.pay(bought.url ?? '')
    await ada.orderBecomes(bought.orderId ?? '', 'PAID')
    const intent = intentOf(shop, bought.sessionId ?? '')
    expect((await shop.stack.services.stripe.paymentIntents.retrieve(intent)).shipping).toBeNull()
  })
})

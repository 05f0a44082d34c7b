import fc from 'fast-check'
import { address, data, lineOf, type Shopper } from '../local/shopper.js'
import { containsCardNumber, passesLuhn } from '../shared/identity/card-numbers.js'
import { type MinorUnits, priceDecimals, supportedCurrencies, toMajorUnits, toMinorUnits } from '../shared/money.js'
import { looksEqual } from '../shared/rules/same-text.js'
import { openShop, type Shop } from './support/shop.js'

describe('totals that JavaScript added up', () => {
  const inCurrency = fc.constantFrom(...supportedCurrencies()).map(currency => ({
    currency,
    step: toMinorUnits(10 ** -priceDecimals(currency), currency) as number
  }))

  it('are the amount they mean, in every currency', () => {
    const lines = fc.array(fc.tuple(fc.integer({ min: 1, max: 9_999_999 }), fc.integer({ min: 1, max: 1_000 })), {
      minLength: 1,
      maxLength: 100
    })
    fc.assert(
      fc.property(inCurrency, lines, ({ currency, step }, all) => {
        const meant = all.reduce((sum, [price, quantity]) => sum + price * step * quantity, 0)
        const added = all.reduce(
          (sum, [price, quantity]) => sum + toMajorUnits((price * step) as MinorUnits, currency) * quantity,
          0
        )
        expect(toMinorUnits(added, currency)).toBe(meant)
      })
    )
  })

  it('are nothing else: whatever has a digit too many is no amount', () => {
    fc.assert(
      fc.property(
        inCurrency,
        fc.integer({ min: 0, max: 99_999_999 }),
        fc.integer({ min: 1, max: 999 }),
        (each, amount, rest) => {
          const digits = priceDecimals(each.currency)
          const major = Number(`${amount}e-${digits}`) + Number(`${rest}e-${digits + 3}`)
          expect(toMinorUnits(major, each.currency)).toBeUndefined()
        }
      )
    )
  })
})

describe('text that people see as equal', () => {
  const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter(text => text.trim() !== '')

  it('is equal in every Unicode form, with every kind of space, and with what came along when it was copied', () => {
    const space = fc.constantFrom(' ', '\u00a0', '\u202f', '\u3000', '  ', '\t', ' \n')
    const invisible = fc.constantFrom('', '\u200b', '\u00ad', '\ufeff', '\u2060')
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), space, invisible, (words, gap, stray) => {
        const name = words.join(' ')
        for (const form of ['NFC', 'NFD'] as const) {
          expect(looksEqual(name, ` ${words.join(`${stray}${gap}`).normalize(form)}${stray}`)).toBe(true)
        }
      })
    )
  })

  it.each([
    ['Café', 'Cafe'],
    ['Mug', 'mug'],
    ['Mug 1', 'Mug l'],
    ['Print ²', 'Print 2'],
    ['Mug Mug', 'MugMug'],
    ['Olive tree', 'Olive-tree']
  ])('is not %s and %s', (one, other) => expect(looksEqual(one, other)).toBe(false))
})

describe('what looks like a card number', () => {
  const withCheckDigit = (digits: string) =>
    `${digits}${[...'0123456789'].find(digit => passesLuhn(digits + digit)) ?? ''}`
  const digits = (length: number) => fc.stringMatching(new RegExp(`^[0-9]{${length}}$`))

  it.each<[string, string[], number]>([
    ['Visa', ['4'], 16],
    ['Mastercard', ['51', '55', '2221', '2720', '2500'], 16],
    ['American Express', ['34', '37'], 15],
    ['Diners Club', ['36', '38', '300', '305'], 14],
    ['JCB', ['3528', '3589'], 16],
    ['Discover', ['6011', '65', '644'], 16],
    ['UnionPay', ['62'], 19],
    ['Maestro', ['50', '56', '67'], 18]
  ])('is a number of %s', (_brand, prefixes, length) => {
    for (const prefix of prefixes) {
      fc.assert(
        fc.property(digits(length - prefix.length - 1), rest => {
          expect(containsCardNumber(`no ${withCheckDigit(prefix + rest)}.`)).toBe(true)
        }),
        { numRuns: 20 }
      )
    }
  })

  it('is no article number, device number or shipping code', () => {
    const ean = (body: string) => {
      const sum = [...body].reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 1 : 3), 0)
      return `${body}${(10 - (sum % 10)) % 10}`
    }
    const gtin14 = (body: string) => {
      const sum = [...body].reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 3 : 1), 0)
      return `${body}${(10 - (sum % 10)) % 10}`
    }
    const imei = digits(12).map(rest => withCheckDigit(`35${rest}`))
    const others = fc.oneof(
      digits(12).map(ean),
      digits(12).map(rest => gtin14(`4${rest}`)),
      imei,
      digits(17).map(rest => withCheckDigit(`4${rest.slice(1)}`))
    )
    fc.assert(fc.property(others, number => expect(containsCardNumber(`Kettle ${number}`)).toBe(false)))
  })
})

describe('a shop', () => {
  let shop: Shop
  let ada: Shopper
  beforeAll(async () => {
    shop = await openShop('postgres', { SHIPPING_AMOUNT: '0' })
    ada = await shop.customer('ada')
    await shop.stack.services.db.pool.query(
      `INSERT INTO "Product" ("id", "slug", "name", "description", "price", "currency", "stock") VALUES
         ('ckettle00000000000000001', 'kettle', 'Kettle 5901234123457', NULL, 435, 'EUR', 100),
         ('cserial00000000000000001', 'serial', 'Serial 4242424242424242', 'Also 5555 5555 5555 4444', 435, 'EUR', 100),
         ('ccreme000000000000000001', 'creme', $1, NULL, 435, 'EUR', 100)`,
      ['Crème brûlée'.normalize('NFC')]
    )
  })
  afterAll(() => shop.close())

  const buy = async (slug: string, changes: object = {}, quantity = 1) => {
    const line = { ...lineOf(await ada.product(slug), quantity), ...changes }
    return await ada.checkout({ items: [line] })
  }

  it('takes an order whose total JavaScript added up, and refuses one that differs by a cent', async () => {
    const line = lineOf(await ada.product('kettle'), 3)
    const total = line.price + line.price + line.price
    expect(total).not.toBe(13.05)
    const order = await ada.createOrder({ items: [line], address, subtotal: total, shipping: 0 })
    expect(data(order).subtotal).toBe(13.05)
    const dear = await ada.createOrder({ items: [line], address, subtotal: total + 0.01, shipping: 0 })
    expect(dear.body).toMatchObject({ status: 400, errors: { subtotal: expect.stringContaining('expected 13.05') } })
  })

  it('sells a product under a name in another Unicode form', async () => {
    expect((await buy('creme', { name: ' Crème\u00a0brûlée'.normalize('NFD') })).status).toBe(200)
    expect((await buy('creme', { name: 'Creme brulee' })).status).toBe(400)
  })

  it('sells a product whose name has an article number, or even the digits of a card', async () => {
    expect((await buy('kettle')).status).toBe(200)
    expect((await buy('serial', { description: 'Also 5555 5555 5555 4444' })).status).toBe(200)
  })

  it('refuses a card number in any text that is not the catalogue’s, by path, and stores nothing', async () => {
    for (const [field, text] of [
      ['name', 'Kettle 4242424242424242'],
      ['description', 'my card is 5555 5555 5555 4444'],
      ['image', '/pay?card=4242424242424242']
    ] as const) {
      const answer = await buy('kettle', { [field]: text })
      expect(answer.body).toMatchObject({
        status: 400,
        errors: { [`items.0.${field}`]: 'Must not contain a card number' }
      })
    }
    const { rows } = await shop.stack.services.db.pool.query(
      `SELECT FROM "Checkout" WHERE "cart"::text ~ '4242424242424242'`
    )
    // The one that is the catalogue's own.
    expect(rows).toHaveLength(1)
  })
})

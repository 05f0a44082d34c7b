import { canonicalJson } from '../api/canonical-json.js'
import { minor, supportedCurrencies, toDecimalString, toMajorUnits, toMinorUnits } from '../shared/money.js'

describe('money', () => {
  it.each([
    [19.99, 'EUR', 1999],
    [0.1 + 0.2, 'EUR', 30],
    [4.35 * 3, 'EUR', 1305],
    [13.0499, 'EUR', undefined],
    [1999, 'JPY', 1999],
    [1.5, 'JPY', undefined],
    [1.99, 'KWD', 1990],
    [1.999, 'KWD', undefined],
    [5, 'ISK', 500],
    [5.5, 'ISK', undefined],
    [1e21, 'EUR', undefined],
    [1e-7, 'EUR', undefined]
  ])('%p %s is %p minor units', (major, currency, expected) => {
    expect(toMinorUnits(major, currency)).toBe(expected)
  })

  it('goes there and back exactly in every currency', () => {
    for (const currency of supportedCurrencies()) {
      for (const amount of [0, 100, 700, 123_400, 99_999_900]) {
        expect(toMinorUnits(toMajorUnits(minor(amount), currency), currency)).toBe(amount)
      }
    }
    expect(toDecimalString(minor(5), 'EUR')).toBe('0.05')
  })
})

it('hashes equal data alike and different nested data differently', () => {
  expect(canonicalJson({ b: [{ y: 1, x: 2 }], a: 1 })).toBe(canonicalJson({ a: 1, b: [{ x: 2, y: 1 }] }))
  expect(canonicalJson({ items: [{ quantity: 1 }] })).not.toBe(canonicalJson({ items: [{ quantity: 2 }] }))
})

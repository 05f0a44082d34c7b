import { z } from 'zod'
import { checkoutCountries } from '../../rules/countries.js'
import { inCurrencies } from '../amounts.js'
import { type Group, setting, type ValuesOf } from '../setting.js'
import { amounts, list, type ValueType } from '../value-types.js'

const codes = list(
  'two-letter country codes (ISO 3166-1) with commas between them, of countries that Stripe Checkout knows'
)
const countries: ValueType<string[]> = {
  takes: codes.takes,
  schema: codes.schema.transform((given, context) => {
    const wanted = [...new Set(given.map(code => code.toUpperCase()))]
    const unknown = wanted.filter(code => !checkoutCountries.has(code))
    if (wanted.length > 0 && unknown.length === 0) return wanted
    const which = unknown.length === 0 ? '' : `; not ${unknown.join(', ')}`
    context.issues.push({ code: 'custom', input: given, message: `expected ${codes.takes}${which}` })
    return z.NEVER
  })
}

export const shipping = {
  title: 'Shipping',
  settings: {
    amount: setting('SHIPPING_AMOUNT', amounts, { default: '0', doc: 'flat delivery price' }),
    freeFrom: setting('SHIPPING_FREE_FROM', amounts, {
      default: '0',
      doc: 'delivery is free from this subtotal; 0: never'
    }),
    countries: setting('SHIPPING_COUNTRIES', countries, {
      default: 'FR,BE,CH,LU,MC',
      doc: 'where an order can go'
    })
  }
} satisfies Group

export function readShipping(
  { amount, freeFrom, countries }: ValuesOf<typeof shipping>,
  currencies: readonly string[]
) {
  const { settings } = shipping
  return {
    countries,
    amount: inCurrencies(amount, currencies, settings.amount.default),
    freeFrom: inCurrencies(freeFrom, currencies, settings.freeFrom.default)
  }
}

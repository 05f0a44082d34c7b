import { inCurrencies } from '../amounts.js'
import { type Group, setting, type ValuesOf } from '../setting.js'
import { amounts } from '../value-types.js'

export const shipping = {
  title: 'Shipping',
  settings: {
    amount: setting('SHIPPING_AMOUNT', amounts, { default: '0', doc: 'flat delivery price' }),
    freeFrom: setting('SHIPPING_FREE_FROM', amounts, {
      default: '0',
      doc: 'delivery is free from this subtotal; 0: never'
    })
  }
} satisfies Group

export function readShipping({ amount, freeFrom }: ValuesOf<typeof shipping>, currencies: readonly string[]) {
  const { settings } = shipping
  return {
    amount: inCurrencies(amount, currencies, settings.amount.default),
    freeFrom: inCurrencies(freeFrom, currencies, settings.freeFrom.default)
  }
}

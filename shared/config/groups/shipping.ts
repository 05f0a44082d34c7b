import { inCurrency } from '../amounts.js'
import { type Group, setting, type ValuesOf } from '../setting.js'
import { amount } from '../value-types.js'

export const shipping = {
  title: 'Shipping',
  settings: {
    amount: setting('SHIPPING_AMOUNT', amount, { default: '0', doc: 'flat delivery price' }),
    freeFrom: setting('SHIPPING_FREE_FROM', amount, {
      default: '0',
      doc: 'delivery is free from this subtotal; 0: never'
    })
  }
} satisfies Group

export function readShipping(values: ValuesOf<typeof shipping>, currency: string) {
  return { amount: inCurrency(values.amount, currency), freeFrom: inCurrency(values.freeFrom, currency) }
}

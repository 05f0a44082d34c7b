import { type MinorUnits, minor } from '../money.js'
import { leastCharge, mostCharge } from './charge-limits.js'
import type { ShippingRule } from './shipping.js'

/** On what terms the shop sells in one currency; amounts in its minor unit. */
export interface SaleTerms {
  currency: string
  minAmount: MinorUnits
  maxAmount: MinorUnits
  shipping: ShippingRule
}

type ByCurrency = Readonly<Record<string, MinorUnits>>

export interface ShopTerms {
  payment: { currencies: readonly string[]; minAmount: ByCurrency; maxAmount: ByCurrency }
  shipping: { amount: ByCurrency; freeFrom: ByCurrency }
}

/** The terms of a currency, within what Stripe charges in it; undefined when the shop does not sell in it. */
export function saleTermsIn(currency: string, { payment, shipping }: ShopTerms): SaleTerms | undefined {
  if (!payment.currencies.includes(currency)) return undefined
  const zero = minor(0)
  return {
    currency,
    minAmount: minor(Math.max(payment.minAmount[currency] ?? zero, leastCharge(currency))),
    maxAmount: minor(Math.min(payment.maxAmount[currency] ?? zero, mostCharge(currency))),
    shipping: { amount: shipping.amount[currency] ?? zero, freeFrom: shipping.freeFrom[currency] ?? zero }
  }
}

import type { MinorUnits } from '../money.js'
import type { ShippingRule } from './shipping.js'

/** On what terms the shop sells in one currency; amounts in its minor unit. */
export interface SaleTerms {
  currency: string
  minAmount: MinorUnits
  maxAmount: MinorUnits
  shipping: ShippingRule
}

interface ShopTerms {
  payment: { currency: string; minAmount: MinorUnits; maxAmount: MinorUnits }
  shipping: ShippingRule
}

/** The terms of a currency; undefined when the shop does not sell in it. */
export function saleTermsIn(currency: string, { payment, shipping }: ShopTerms): SaleTerms | undefined {
  const { minAmount, maxAmount } = payment
  return currency === payment.currency ? { currency, minAmount, maxAmount, shipping } : undefined
}

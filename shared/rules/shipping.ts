import { type MinorUnits, minor } from '../money.js'

/** A flat amount for delivery, in minor units; `freeFrom` is the subtotal that waives it, 0 for never. */
export interface ShippingRule {
  amount: MinorUnits
  freeFrom: MinorUnits
}

/** What the shop charges for delivery. */
export function shippingFor(subtotal: MinorUnits, rule: ShippingRule): MinorUnits {
  if (rule.freeFrom > 0 && subtotal >= rule.freeFrom) return minor(0)
  return rule.amount
}

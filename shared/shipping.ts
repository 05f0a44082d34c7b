import type { Config } from './config/config.js'
import { type MinorUnits, minor } from './money.js'

/** What the shop charges for delivery: a flat amount, waived from a subtotal on (0: never waived). */
export function shippingFor(subtotal: MinorUnits, rule: Config['shipping']): MinorUnits {
  if (rule.freeFrom > 0 && subtotal >= rule.freeFrom) return minor(0)
  return rule.amount
}

import { type MinorUnits, toMinorUnits } from '../money.js'

/** A default such as 0.50 has no exact counterpart in every currency: round up to the next amount that exists. */
export function inCurrency(major: number, currency: string): MinorUnits {
  return toMinorUnits(major, currency) ?? toMinorUnits(Math.ceil(major), currency) ?? (0 as MinorUnits)
}

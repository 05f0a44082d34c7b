import { type MinorUnits, toMinorUnits } from '../money.js'

/** An amount in major units, for all currencies that have none of their own. */
export interface Amounts {
  /** Undefined when only currencies were named. */
  usual?: number
  of: Readonly<Record<string, number>>
}

/** Of each currency that the shop sells in, in its minor unit. */
export type ByCurrency = Readonly<Record<string, MinorUnits>>

/** What 0.50 or 0.50,CHF:0.60 says; undefined when it says nothing. */
export function parseAmounts(text: string): Amounts | undefined {
  const amounts: { usual?: number; of: Record<string, number> } = { of: {} }
  for (const part of text.split(',')) {
    const [, code, digits] = /^\s*(?:([A-Za-z]{3})\s*:\s*)?(\d+(?:\.\d+)?)\s*$/.exec(part) ?? []
    const currency = code?.toUpperCase()
    if (digits === undefined) return undefined
    if (currency === undefined ? amounts.usual !== undefined : currency in amounts.of) return undefined
    if (currency === undefined) amounts.usual = Number(digits)
    else amounts.of[currency] = Number(digits)
  }
  return amounts
}

/** What a setting comes to in each of these currencies; one that it does not name has the usual amount, or that of the default. */
export function inCurrencies(amounts: Amounts, currencies: readonly string[], byDefault: string): ByCurrency {
  const usual = amounts.usual ?? Number(byDefault)
  return Object.fromEntries(currencies.map(currency => [currency, inCurrency(amounts.of[currency] ?? usual, currency)]))
}

/** A default such as 0.50 has no exact counterpart in every currency: round up to the next amount that exists. */
function inCurrency(major: number, currency: string): MinorUnits {
  return toMinorUnits(major, currency) ?? toMinorUnits(Math.ceil(major), currency) ?? (0 as MinorUnits)
}

/** Why a setting cannot be meant, in words that follow its name. */
export function amountProblems({ usual, of }: Amounts, currencies: readonly string[]): string[] {
  const strange = Object.keys(of).filter(currency => !currencies.includes(currency))
  return [
    ...strange.map(currency => `names ${currency}, which is not among PAYMENT_CURRENCIES`),
    ...currencies.flatMap(currency => {
      const major = of[currency] ?? usual
      if (major === undefined || toMinorUnits(major, currency) !== undefined) return []
      const advice = of[currency] === undefined && currencies.length > 1 ? `; name one, such as ${currency}:1000` : ''
      return [`${currency} has no amount ${major}${advice}`]
    })
  ]
}

// What Stripe charges at least and at most, in minor units:
// https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts (read in November 2026).

/** Of a settlement currency. What is converted has to come to the least of the account's, which only Stripe can tell. */
const LEAST: Readonly<Record<string, number>> = {
  USD: 50,
  AED: 200,
  AUD: 50,
  BGN: 100,
  BRL: 50,
  CAD: 50,
  CHF: 50,
  CZK: 1_500,
  DKK: 250,
  EUR: 50,
  GBP: 30,
  HKD: 400,
  HUF: 17_500,
  INR: 50,
  JPY: 50,
  MXN: 1_000,
  MYR: 200,
  NOK: 300,
  NZD: 50,
  PLN: 200,
  RON: 200,
  SEK: 300,
  SGD: 50,
  THB: 1_000
}

/** By the number of digits; all others have eight. Those of COP, HUF, JPY and LBP are of cards alone. */
const MOST: Readonly<Record<string, number>> = {
  IDR: 999_999_999_999,
  INR: 999_999_999,
  COP: 9_999_999_999,
  HUF: 9_999_999_999,
  JPY: 9_999_999_999,
  LBP: 99_999_999_999
}
const MOST_OF_OTHERS = 99_999_999

/** The least that Stripe is known to charge in this currency. */
export function leastCharge(currency: string): number {
  return LEAST[currency] ?? 1
}

/** The most that Stripe charges in this currency. */
export function mostCharge(currency: string): number {
  return MOST[currency] ?? MOST_OF_OTHERS
}

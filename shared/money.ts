// Amounts are integers in the minor unit of their currency, as Stripe's API has them.
// Source for the tables: https://docs.stripe.com/currencies#minor-units

/** An amount in the minor unit of its currency: 1999 is 19.99 EUR, 1999 JPY and 1.999 KWD. */
export type MinorUnits = number & { readonly __unit: 'minor' }

interface CurrencyRule {
  /** Decimal places between the major unit and the minor unit. */
  decimals: number
  /** Amounts must be a multiple of this many minor units. */
  step: number
}

const TWO_DECIMAL: CurrencyRule = { decimals: 2, step: 1 }

const ZERO_DECIMAL = 'BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF'.split(' ')
/** The last digit has to be 0: https://docs.stripe.com/currencies#three-decimal */
const THREE_DECIMAL = 'BHD JOD KWD OMR TND'.split(' ')
/** Sent with two decimals which have to be 00: https://docs.stripe.com/currencies#special-cases */
const WHOLE_TWO_DECIMAL = 'ISK UGX'.split(' ')

const RULES = new Map<string, CurrencyRule>([
  ...ZERO_DECIMAL.map(code => [code, { decimals: 0, step: 1 }] as const),
  ...THREE_DECIMAL.map(code => [code, { decimals: 3, step: 10 }] as const),
  ...WHOLE_TWO_DECIMAL.map(code => [code, { decimals: 2, step: 100 }] as const)
])

/** Presentment currencies with two decimals: https://docs.stripe.com/currencies#presentment-currencies */
const TWO_DECIMAL_CODES = new Set(
  (
    'USD AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP ' +
    'CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR JMD KES KGS ' +
    'KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB ' +
    'PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TOP TRY TTD TWD TZS UAH ' +
    'UYU UZS WST XCD XCG YER ZAR ZMW'
  ).split(' ')
)

/** Whether Stripe takes payments in this currency; `code` in upper case. */
export function isSupportedCurrency(code: string): boolean {
  return TWO_DECIMAL_CODES.has(code) || RULES.has(code)
}

export function supportedCurrencies(): string[] {
  return [...TWO_DECIMAL_CODES, ...RULES.keys()].sort()
}

/** How many decimals a price in this currency may have. Currencies that Stripe adds later are taken as two-decimal. */
export function priceDecimals(currency: string): number {
  const { decimals, step } = rule(currency)
  return decimals - Math.log10(step)
}

/** How many decimals an amount in this currency has when it is written out. */
export function amountDecimals(currency: string): number {
  return rule(currency).decimals
}

export function minor(amount: number): MinorUnits {
  if (!Number.isSafeInteger(amount)) throw new RangeError(`${amount} is not an amount in minor units`)
  return amount as MinorUnits
}

/** From a database bigint. */
export function minorFromBigInt(amount: bigint): MinorUnits {
  return minor(Number(amount))
}

/**
 * The minor units that a price or a total in major units means, or undefined when the currency cannot express it: too many
 * decimals, not finite, or beyond exact integers. What JavaScript added up means what it would without the errors of binary
 * fractions (IEEE 754): 4.35 * 3 is 13.049999999999999 and means 13.05. Nothing else is rounded: 13.0499 means nothing.
 */
export function toMinorUnits(major: number, currency: string): MinorUnits | undefined {
  const { decimals, step } = rule(currency)
  const scaled = major * 10 ** decimals
  const amount = Math.round(scaled)
  if (!Number.isSafeInteger(amount) || Math.abs(scaled - amount) > additionError(amount)) return undefined
  return amount % step === 0 ? ((amount === 0 ? 0 : amount) as MinorUnits) : undefined
}

/** How far, in minor units, the sum of some hundred prices may be from what it means: far below any digit that is written. */
function additionError(amount: number): number {
  return Math.min(1e-3, Math.max(1e-6, Math.abs(amount) * 2 ** -44))
}

/** The minor units of a price that is written out, by its digits: "19.99", "5", "-1.50". */
export function parsePrice(text: string, currency: string): MinorUnits | undefined {
  const amount = parseMinorUnits(text, currency)
  return amount === undefined || amount % rule(currency).step !== 0 ? undefined : amount
}

/**
 * The minor units of an amount that is written out, by its digits. It may be any that an account can hold, also one that cannot be
 * charged: a fee of 0.123 KWD.
 */
export function parseMinorUnits(text: string, currency: string): MinorUnits | undefined {
  const { decimals } = rule(currency)
  const digits = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text)
  if (digits === null) return undefined
  const [, sign, whole, fraction = ''] = digits
  if (fraction.length > decimals) return undefined
  const amount = Number(`${sign}${whole}${fraction.padEnd(decimals, '0')}`)
  if (!Number.isSafeInteger(amount)) return undefined
  return (amount === 0 ? 0 : amount) as MinorUnits
}

/** The amount as a JSON number in major units, as storefronts post and show it: 1999 EUR is 19.99. */
export function toMajorUnits(amount: MinorUnits, currency: string): number {
  return Number(toDecimalString(amount, currency))
}

/** "19.99", "1999" or "1.999", with all the decimals of the currency. */
export function toDecimalString(amount: MinorUnits, currency: string): string {
  const { decimals } = rule(currency)
  const digits = String(Math.abs(amount)).padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  const fraction = decimals === 0 ? '' : `.${digits.slice(-decimals)}`
  return `${amount < 0 ? '-' : ''}${whole}${fraction}`
}

function rule(currency: string): CurrencyRule {
  return RULES.get(currency.toUpperCase()) ?? TWO_DECIMAL
}

// Stripe's side of amounts, written down from its page and not from our own table: an error in one of the two shows as a
// difference. https://docs.stripe.com/currencies

/** How many digits of an amount stand behind the point; all that are not named have two. */
const DIGITS: Record<string, number> = {
  bif: 0,
  clp: 0,
  djf: 0,
  gnf: 0,
  jpy: 0,
  kmf: 0,
  krw: 0,
  mga: 0,
  pyg: 0,
  rwf: 0,
  vnd: 0,
  vuv: 0,
  xaf: 0,
  xof: 0,
  xpf: 0,
  bhd: 3,
  jod: 3,
  kwd: 3,
  omr: 3,
  tnd: 3
}

/** https://docs.stripe.com/currencies#presentment-currencies */
const TAKEN = new Set(
  `aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp cny cop crc cve czk djf dkk
  dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp
  lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf
  sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw`.split(
    /\s+/
  )
)

/** Whether a charge can be made in it; any case. */
export function isTaken(currency: string): boolean {
  return TAKEN.has(currency.toLowerCase())
}

/** In lower case, in the order of the alphabet. */
export function takenCurrencies(): string[] {
  return [...TAKEN]
}

export function digitsOf(currency: string): number {
  return DIGITS[currency.toLowerCase()] ?? 2
}

/** "19.99 EUR" for 1999 in eur. */
export function written(amount: number, currency: string): string {
  return `${(amount / 10 ** digitsOf(currency)).toFixed(digitsOf(currency))} ${currency.toUpperCase()}`
}

/** In whole and in hundredths, as the page has them: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts */
const SMALLEST = new Map(
  `usd 0.50, aed 2.00, aud 0.50, bgn 1.00, brl 0.50, cad 0.50, chf 0.50, czk 15.00, dkk 2.50, eur 0.50, gbp 0.30, hkd 4.00, huf 175.00,
  inr 0.50, jpy 50, mxn 10, myr 2, nok 3.00, nzd 0.50, pln 2.00, ron 2.00, sek 3.00, sgd 0.50, thb 10`
    .split(/,\s*/)
    .map(entry => entry.split(' ') as [string, string])
)
const EIGHT_DIGITS = 8
/** Digits of the greatest amount. */
const GREATEST: Record<string, number> = { idr: 12, lbp: 11, cop: 10, huf: 10, jpy: 10, inr: 9 }

/** The least of the currency when the account settles in it; any amount when the page has none. */
export function smallestCharge(currency: string): number {
  return Math.round(Number(SMALLEST.get(currency) ?? 0) * 10 ** digitsOf(currency)) || 1
}

export function greatestCharge(currency: string): number {
  return 10 ** (GREATEST[currency] ?? EIGHT_DIGITS) - 1
}

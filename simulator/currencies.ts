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

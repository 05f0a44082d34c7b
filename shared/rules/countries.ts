/** The countries that Stripe Checkout knows for a delivery: `AllowedCountry` of the `stripe` package, without `ZZ` (unknown). */
export const checkoutCountries: ReadonlySet<string> = new Set(
  `AC AD AE AF AG AI AL AM AO AQ AR AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CD CF CG CH CI CK CL CM CN CO CR CV CW CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IS IT JE JM JO JP KE KG KH KI KM KN KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MK ML MM MN MO MQ MR MS MT MU MV MW MX MY MZ NA NC NE NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VN VU WF WS XK YE YT ZA ZM ZW`.split(
    /\s+/
  )
)

/**
 * Those where an address can be without a postal code: there is none, or it is seldom written, or who lists them does not agree.
 * `NO_POSTAL_CODE_COUNTRIES` of Stripe's Android SDK (github.com/stripe/stripe-android, CountryUtils) and
 * https://geopostcodes.com/blog/countries-without-zip-codes, whichever names one; LY besides. An order that is refused for a
 * code that its country does not have cannot be mended by the customer; one without a code can be asked for it.
 */
const MAYBE_WITHOUT_POSTAL_CODE: ReadonlySet<string> = new Set(
  `AE AG AO AQ AW BF BI BJ BO BS BV BW BZ CD CF CG CI CK CM CW DJ DM ER ET FJ GA GD GH GM GN GQ GW GY HK HN IE
   JM KE KI KM KN LC LY ML MO MR MS MU MW NR NU PA QA RW SA SB SC SD SL SO SR SS ST SX TD TF TG TK TL TO TT TV
   TZ UG VU YE ZA ZM ZW`.split(/\s+/)
)

export function needsPostalCode(country: string): boolean {
  return !MAYBE_WITHOUT_POSTAL_CODE.has(country)
}

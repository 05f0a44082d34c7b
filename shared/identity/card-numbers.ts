// What looks like a card number (PAN) has no business in Tillworks: customers type theirs at Stripe.

/** 13 to 19 digits, alone or in groups, that begin as card numbers do (ISO/IEC 7812: 2 to 6). */
const CANDIDATE = /(?<![\w.-])[2-6](?:[ -]?\d){12,18}(?![\w-])/g

/** Of a field that has one. */
export const CARD_NUMBER = 'Must not contain a card number'

const MASK = '[card number]'

/** Whether the text has something that is, by its length and its check digit, a card number. */
export function containsCardNumber(text: string): boolean {
  return (text.match(CANDIDATE) ?? []).some(isCardNumber)
}

/** The text with its card numbers masked. */
export function maskCardNumbers(text: string): string {
  return text.replace(CANDIDATE, candidate => (isCardNumber(candidate) ? MASK : candidate))
}

function isCardNumber(candidate: string): boolean {
  const digits = candidate.replace(/\D/g, '')
  return BRANDS.some(brand => brand.test(digits)) && passesLuhn(digits) && !(digits.length === 13 && isEan(digits))
}

/**
 * How the card networks' numbers begin and how long they are (issuer identification numbers of ISO/IEC 7812, as published by
 * each network). An IMEI, a GTIN-14 or a shipping code is of another length for its beginning.
 */
const BRANDS = [
  /^4(?:\d{12}|\d{15}|\d{18})$/, // Visa
  /^(?:5[1-5]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d+$(?<=^\d{16})/, // Mastercard
  /^3[47]\d{13}$/, // American Express
  /^3(?:0[0-59]|[689]\d)\d{11,16}$/, // Diners Club
  /^35(?:2[89]|[3-8]\d)\d{12,15}$/, // JCB
  /^6\d{15,18}$/, // Discover, UnionPay, RuPay, Maestro
  /^5[06-8]\d{14,17}$/, // Maestro
  /^220[0-4]\d{12,15}$/ // Mir
]

/** The check digit of an EAN-13 (GS1 General Specifications, 7.9): weights 1 and 3. No card of 13 digits is issued any more. */
function isEan(digits: string): boolean {
  return [...digits].reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 1 : 3), 0) % 10 === 0
}

/** The check digit of ISO/IEC 7812-1, annex B. */
export function passesLuhn(digits: string): boolean {
  const sum = [...digits].reverse().reduce((total, digit, index) => {
    const value = Number(digit) * (index % 2 === 1 ? 2 : 1)
    return total + (value > 9 ? value - 9 : value)
  }, 0)
  return sum % 10 === 0
}

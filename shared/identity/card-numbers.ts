// What looks like a card number (PAN) has no business in Tillworks: customers type theirs at Stripe.

/** 13 to 19 digits, alone or in groups, that begin as card numbers do (ISO/IEC 7812: 2 to 6). */
const CANDIDATE = /(?<![\w.-])[2-6](?:[ -]?\d){12,18}(?![\w-])/g

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
  return digits.length >= 13 && digits.length <= 19 && passesLuhn(digits)
}

/** The check digit of ISO/IEC 7812-1, annex B. */
export function passesLuhn(digits: string): boolean {
  const sum = [...digits].reverse().reduce((total, digit, index) => {
    const value = Number(digit) * (index % 2 === 1 ? 2 : 1)
    return total + (value > 9 ? value - 9 : value)
  }, 0)
  return sum % 10 === 0
}

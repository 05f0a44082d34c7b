// Stripe's test cards and IBANs: https://docs.stripe.com/testing

export interface TestCard {
  brand: string
  funding: 'credit' | 'debit'
  country: string
  /** Undefined: the payment goes through. */
  decline?: { code: string; declineCode?: string; message: string; blocked?: boolean }
  /** The bank asks the customer to authenticate (3D Secure) first. */
  authenticate?: boolean
  /** What comes after the payment has gone through. */
  aftermath?: 'fraudulent' | 'inquiry' | 'early_fraud_warning' | 'review'
  /** How a refund to this card ends, when not at once. */
  refunds?: 'pending' | 'fail'
}

const visa = { brand: 'visa', funding: 'credit', country: 'US' } as const

function declined(declineCode: string, message: string, code = 'card_declined'): TestCard {
  return { ...visa, decline: { code, declineCode, message } }
}

const CARDS: Record<string, TestCard> = {
  '4242424242424242': visa,
  '4000056655665556': { ...visa, funding: 'debit' },
  '4000002500001001': { ...visa, country: 'FR' },
  '5555555555554444': { brand: 'mastercard', funding: 'credit', country: 'US' },
  '2223003122003222': { brand: 'mastercard', funding: 'credit', country: 'US' },
  '5200828282828210': { brand: 'mastercard', funding: 'debit', country: 'US' },
  '378282246310005': { brand: 'amex', funding: 'credit', country: 'US' },
  '6011111111111117': { brand: 'discover', funding: 'credit', country: 'US' },
  '3056930009020004': { brand: 'diners', funding: 'credit', country: 'US' },
  '3566002020360505': { brand: 'jcb', funding: 'credit', country: 'JP' },
  '6200000000000005': { brand: 'unionpay', funding: 'credit', country: 'CN' },
  '4000000000000259': { ...visa, aftermath: 'fraudulent' },
  '4000000000001976': { ...visa, aftermath: 'inquiry' },
  '4000000000005423': { ...visa, aftermath: 'early_fraud_warning' },
  '4000000000009235': { ...visa, aftermath: 'review' },
  '4000000000007726': { ...visa, refunds: 'pending' },
  '4000000000005126': { ...visa, refunds: 'fail' },
  '4000000000000002': declined('generic_decline', 'Your card was declined.'),
  '4000000000009995': declined('insufficient_funds', 'Your card has insufficient funds.'),
  '4000000000009987': declined('lost_card', 'Your card was declined.'),
  '4000000000009979': declined('stolen_card', 'Your card was declined.'),
  '4000000000006975': declined('card_velocity_exceeded', 'Your card was declined.'),
  '4000000000000069': {
    ...visa,
    decline: { code: 'expired_card', declineCode: 'expired_card', message: 'Your card has expired.' }
  },
  '4000000000000127': {
    ...visa,
    decline: { code: 'incorrect_cvc', declineCode: 'incorrect_cvc', message: 'Your card’s security code is incorrect.' }
  },
  '4000000000000119': {
    ...visa,
    decline: {
      code: 'processing_error',
      declineCode: 'processing_error',
      message: 'An error occurred while processing your card. Try again in a little bit.'
    }
  },
  '4100000000000019': {
    ...visa,
    decline: { code: 'card_declined', declineCode: 'fraudulent', message: 'Your card was declined.', blocked: true }
  },
  '4000002500003155': { ...visa, authenticate: true },
  '4000002760003184': { ...visa, authenticate: true },
  '4000000000003220': { ...visa, authenticate: true },
  '4000008400001629': { ...declined('generic_decline', 'Your card was declined.'), authenticate: true }
}

/** IBANs of Germany for SEPA debits: https://docs.stripe.com/payments/sepa-debit/accept-a-payment#test-integration */
const IBANS: Record<string, { succeeds: boolean }> = {
  DE89370400440532013000: { succeeds: true },
  DE08370400440532013003: { succeeds: true },
  DE62370400440532013001: { succeeds: false },
  DE78370400440532013004: { succeeds: false }
}

export function findCard(number: string): TestCard | undefined {
  return CARDS[number.replace(/\D/g, '')]
}

export function findIban(text: string): { succeeds: boolean } | undefined {
  return IBANS[text.replace(/\s/g, '').toUpperCase()]
}

export function looksLikeIban(text: string): boolean {
  return /^\s*[A-Za-z]{2}/.test(text)
}

/** ISO/IEC 7812-1, annex B: every second digit counts twice, and what comes of all is a multiple of ten. */
export function hasCheckDigit(digits: string): boolean {
  let sum = 0
  for (let place = 0; place < digits.length; place++) {
    const digit = Number(digits[digits.length - 1 - place])
    sum += place % 2 === 0 ? digit : Math.floor((2 * digit) / 10) + ((2 * digit) % 10)
  }
  return sum % 10 === 0
}

import type { PaymentStatus } from './transitions.js'

/** The object of Stripe's that tells something of a payment. `hint`: a refund or a dispute, which knows that there is one. */
export type Teller = 'intent' | 'charge' | 'session' | 'hint'

/** What is told of a PaymentIntent; what is not told is left out. Amounts in minor units. */
export interface PaymentRecord {
  teller: Teller
  paymentIntentId: string
  orderId: string
  checkoutId: string
  status: PaymentStatus
  amount: number
  currency: string
  captured?: number
  chargeId?: string | null
  captureBefore?: Date | null
  sessionId?: string
  mismatch?: string | null
  discount?: number
  tax?: number
  now: Date
}

type Field =
  | 'amount'
  | 'currency'
  | 'captured'
  | 'chargeId'
  | 'captureBefore'
  | 'sessionId'
  | 'mismatch'
  | 'discount'
  | 'tax'

interface Authority {
  tellers: readonly Teller[]
  because: string
}

/**
 * Who decides each field of a payment. What anybody else says of it is not taken over: it fills `amount` and `currency`
 * of a payment that was not known before, since these cannot be empty, until the authority tells.
 * https://docs.stripe.com/api/payment_intents/object, https://docs.stripe.com/api/charges/object
 */
export const paymentAuthority: Readonly<Record<Field, Authority>> = {
  amount: {
    tellers: ['intent'],
    because: 'a Session tells its total, a dispute a part; the intent what is to be paid'
  },
  currency: { tellers: ['intent'], because: 'as the amount' },
  captured: { tellers: ['intent', 'charge'], because: 'a Session is paid for its total although less was captured' },
  chargeId: {
    tellers: ['intent', 'charge'],
    because: 'of several charges the one that succeeded; declined ones are none'
  },
  captureBefore: { tellers: ['charge'], because: 'only a charge has it' },
  sessionId: { tellers: ['session'], because: 'an intent does not say through which Session it was paid' },
  mismatch: { tellers: ['session'], because: 'only a Session tells goods, discount and tax apart' },
  discount: { tellers: ['session'], because: 'as the mismatch' },
  tax: { tellers: ['session'], because: 'as the mismatch' }
}

/** The fields of a record that its teller decides; null for all others. */
export function decidedFields(record: PaymentRecord): Record<Field, string | number | Date | null> {
  const decided = Object.entries(paymentAuthority).map(([field, { tellers }]) => [
    field,
    tellers.includes(record.teller) ? (record[field as Field] ?? null) : null
  ])
  return Object.fromEntries(decided)
}

/**
 * What a succeeded PaymentIntent says it is for, and that it received, is the end of it. What it said of an earlier try may be
 * told late, with another amount, and is then not taken over. A charge may be told late, with less captured than was in the
 * end, so that it only adds. https://docs.stripe.com/api/payment_intents/object#payment_intent_object-amount_received
 */
export function isFinalCapture({ teller, status }: PaymentRecord): boolean {
  return teller === 'intent' && status === 'SUCCEEDED'
}

import type { CheckoutStatus, OrderStatus, PaymentStatus } from './transitions.js'

/** What is known of an order; amounts in minor units of the payment's currency. */
export interface OrderFacts {
  cancelled: boolean
  /** With the Session that was opened for each, and the PaymentIntent that it was completed with. */
  checkouts: { id: string; status: CheckoutStatus; sessionId: string | null; paymentIntentId: string | null }[]
  payments: PaymentFacts[]
  disputes: { paymentIntentId: string; status: string }[]
}

export interface PaymentFacts {
  id: string
  checkoutId: string
  status: PaymentStatus
  captured: number
  /** Refunds that Stripe has taken and that have not failed. */
  refunded: number
  /** What disputes have taken for good. */
  lost: number
  /** The Session through which it was paid, once that has told. */
  sessionId: string | null
  /** How what its Session took differs from what was verified. */
  mismatch: string | null
  reviewReason: string | null
  reviewAction: string | null
  accepted: boolean
  /** A Session with nothing to pay, for an order that was cancelled: there is nothing to give back. */
  isVoid: boolean
}

export interface OrderState {
  status: OrderStatus
  /** The money that counts was in review and went back: the order was never paid. */
  neverPaid: boolean
  captured: number
  refunded: number
}

/**
 * The state that an order is in, from all that is known and from nothing else: the order in which it became known does
 * not count.
 */
export function orderState(facts: OrderFacts): OrderState {
  const statusOf = new Map(facts.checkouts.map(checkout => [checkout.id, checkout.status]))
  const inReview = facts.payments.filter(needsReview)
  const isPaid = (payment: PaymentFacts) => statusOf.get(payment.checkoutId) === 'PAID'
  const succeeded = facts.payments.filter(
    payment => payment.status === 'SUCCEEDED' && isPaid(payment) && !payment.isVoid && !needsReview(payment)
  )
  // Money that a person has let count, and whose checkout has ended otherwise since.
  const stranded = facts.payments.some(
    payment => payment.status === 'SUCCEEDED' && payment.accepted && !isPaid(payment) && !wentBack(payment)
  )
  // A payment that did not fit and went back whole says nothing about the order once another one pays it.
  const fitting = succeeded.filter(fits)
  const counted = fitting.length > 0 ? fitting : succeeded
  const captured = sum(counted.map(payment => payment.captured))
  const refunded = sum(counted.map(payment => payment.refunded))
  const money = { captured, refunded, neverPaid: succeeded.length > 0 && fitting.length === 0 }

  if (inReview.length > 0 || stranded) return { status: 'NEEDS_REVIEW', ...money }
  // A dispute can be known before its payment is; until then there is nothing that it could hold.
  const isCounted = (id: string) => counted.some(payment => payment.id === id)
  const held = facts.disputes.filter(dispute => disputeIsHeld(dispute.status) && isCounted(dispute.paymentIntentId))
  if (held.length > 0) return { status: 'DISPUTED', ...money }
  if (counted.length > 0) {
    if (refunded === 0) return { status: 'PAID', ...money }
    return { status: refunded < captured ? 'PARTIALLY_REFUNDED' : 'REFUNDED', ...money }
  }
  const underWay = facts.payments.filter(payment => statusOf.get(payment.checkoutId) === 'PROCESSING')
  if (underWay.some(payment => payment.status === 'AUTHORIZED')) return { status: 'AUTHORIZED', ...money }
  if (facts.checkouts.some(checkout => checkout.status === 'PROCESSING')) return { status: 'PROCESSING', ...money }
  return { status: facts.cancelled ? 'CANCELLED' : 'PENDING', ...money }
}

/** The payment does not fit its order, it can still be or become money, and nobody has decided about it. */
export function needsReview(payment: PaymentFacts): boolean {
  if (payment.reviewReason === null || payment.accepted || payment.isVoid) return false
  if (payment.status === 'FAILED' || payment.status === 'CANCELLED') return false
  return !wentBack(payment)
}

/** The money is there, and nothing speaks against it, or a person has said that it counts. */
export function counts(payment: PaymentFacts): boolean {
  return payment.status === 'SUCCEEDED' && fits(payment)
}

function fits(payment: PaymentFacts): boolean {
  return payment.reviewReason === null || payment.accepted
}

/** It is money, or can become money without anybody's doing. */
export function isLive({ status }: PaymentFacts): boolean {
  return status === 'SUCCEEDED' || status === 'AUTHORIZED' || status === 'PROCESSING'
}

/** A Session with nothing to pay stands under its own id, for it has no PaymentIntent. */
export function isFree(payment: PaymentFacts): boolean {
  return payment.captured === 0 && payment.id.startsWith('cs_')
}

/** All of it was refunded, or a dispute was lost. */
export function wentBack(payment: PaymentFacts): boolean {
  return payment.captured > 0 && payment.refunded + payment.lost >= payment.captured
}

/**
 * Whether Stripe holds the disputed money or has given it away. An inquiry takes none yet; what this release does not
 * know is taken for a dispute. https://docs.stripe.com/api/disputes/object#dispute_object-status
 */
export function disputeIsHeld(status: string): boolean {
  return !isInquiry(status) && status !== 'won' && status !== 'prevented'
}

function isInquiry(status: string): boolean {
  return status.startsWith('warning_')
}

/** Which status is the later one when two events were made in the same second. */
export function disputeRank(status: string): number {
  const order = ['warning_needs_response', 'warning_under_review', 'warning_closed', 'needs_response', 'under_review']
  const late = ['prevented', 'lost', 'appeal_needs_response', 'appeal_under_review', 'won']
  if (order.includes(status)) return order.indexOf(status)
  return late.includes(status) ? 10 + late.indexOf(status) : 9
}

function sum(amounts: number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0)
}

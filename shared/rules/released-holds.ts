import type { PaymentStatus } from './transitions.js'

/** What is known of a payment when Stripe tells of a refund, in minor units. */
export interface Hold {
  status: PaymentStatus
  /** What was authorized, and what of that was captured. */
  amount: number
  captured: number
}

export interface StripeRefund {
  amount: number
  reason: string | null
  /** It is one that we have asked for. */
  isOurs: boolean
}

/**
 * Whether what Stripe calls a refund gave back money, or only let go of what was held and never captured. Requests with an
 * API version before 2025-03-31 (a dashboard's, another integration's) make such a "refund" when they capture a part, and when
 * an authorization is cancelled or expires:
 * https://docs.stripe.com/changelog/basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow
 *
 * 'unclear': a refund over just what was left has the same look. Only the charge's balance transaction tells: whether all
 * that was authorized was booked (and the rest was let go of), or the captured part.
 */
export function meaningOf(refund: StripeRefund, hold: Hold): 'refund' | 'release' | 'unclear' {
  if (refund.isOurs) return 'refund'
  if (refund.reason === 'expired_uncaptured_charge') return 'release'
  // Stripe gives back no more than was captured. A debit that is on its way can be refunded before its money is there.
  if (hold.status === 'AUTHORIZED' || hold.status === 'CANCELLED') return hold.captured === 0 ? 'release' : 'refund'
  if (hold.status !== 'SUCCEEDED') return 'refund'
  const left = hold.amount - hold.captured
  if (left <= 0 || refund.amount !== left || refund.reason !== null) return 'refund'
  return refund.amount > hold.captured ? 'release' : 'unclear'
}

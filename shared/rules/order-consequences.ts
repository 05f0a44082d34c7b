import { counts, isLive, needsReview, type OrderFacts, type PaymentFacts } from './order-status.js'
import { isOver } from './state-groups.js'

/** A completed Session whose payment has ended since. */
export interface CheckoutEnd {
  id: string
  to: 'PAID' | 'FAILED'
}

/**
 * Checkouts in PROCESSING whose money is there, or whose authorization is gone. A payment through another Session moves
 * them only once it was accepted.
 */
export function checkoutEnds(facts: OrderFacts): CheckoutEnd[] {
  return facts.checkouts.flatMap(({ id, status, paymentIntentId }): CheckoutEnd[] => {
    if (status !== 'PROCESSING') return []
    const payments = facts.payments.filter(payment => payment.checkoutId === id)
    const own = payments.filter(payment => payment.id === (paymentIntentId ?? payment.id))
    const paid =
      own.some(payment => payment.status === 'SUCCEEDED') || payments.some(each => each.accepted && counts(each))
    if (paid) return [{ id, to: 'PAID' }]
    // Another one that a person has let count can still pay it.
    if (payments.some(payment => payment.accepted && isLive(payment))) return []
    return own.some(payment => payment.status === 'CANCELLED') ? [{ id, to: 'FAILED' }] : []
  })
}

/** What the order is once those checkouts have ended: it is cancelled with the authorization that is gone. */
export function afterEnds<F extends OrderFacts>(facts: F, ends: CheckoutEnd[]): F {
  const to = new Map(ends.map(end => [end.id, end.to]))
  return {
    ...facts,
    cancelled: facts.cancelled || ends.some(end => end.to === 'FAILED'),
    checkouts: facts.checkouts.map(checkout => ({ ...checkout, status: to.get(checkout.id) ?? checkout.status }))
  }
}

/** What becomes of the stock that a checkout holds: all of its payments decide. Undefined: it stays held. */
export function stockEnd(
  checkout: OrderFacts['checkouts'][number],
  all: readonly PaymentFacts[]
): 'COMMITTED' | 'RELEASED' | undefined {
  const payments = all.filter(payment => payment.checkoutId === checkout.id)
  if (checkout.status === 'PAID' && payments.some(counts)) return 'COMMITTED'
  // What is in review can still come to count, and so can a debit on its way through another Session. Of its own Stripe's word is the end.
  const isOfAnother = ({ sessionId }: PaymentFacts) => sessionId !== null && sessionId !== checkout.sessionId
  if (payments.some(each => needsReview(each) || (each.status === 'PROCESSING' && isOfAnother(each)))) return undefined
  return checkout.status === 'PAID' || isOver(checkout.status) ? 'RELEASED' : undefined
}

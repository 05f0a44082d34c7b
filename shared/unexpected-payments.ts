import type { OrderFacts, PaymentFacts } from './order-status.js'
import { isOver } from './transitions.js'

/** A payment that cannot simply count, and why. */
export interface UnexpectedPayment {
  payment: PaymentFacts
  reason: string
  /** The order has no other payment yet, so that this one could be accepted if its goods are still there. */
  couldCount: boolean
}

type Checkout = OrderFacts['checkouts'][number]

/**
 * Money that was taken for another amount than was verified, through another Session than was opened, for a checkout
 * that is over, for a cancelled order, or for one that is paid already. It follows from all that is known, so that it is
 * the same in whatever order that became known; of two payments of different checkouts the one that came first counts.
 */
export function unexpectedPayments(facts: OrderFacts): UnexpectedPayment[] {
  const checkoutOf = new Map(facts.checkouts.map(checkout => [checkout.id, checkout]))
  const unexpected: UnexpectedPayment[] = []
  let paying: PaymentFacts | undefined
  for (const payment of facts.payments) {
    const checkout = checkoutOf.get(payment.checkoutId)
    if (checkout === undefined || !isLive(payment)) continue
    const settles = checkout.status === 'PAID' || checkout.status === 'PROCESSING'
    const counted = payment.accepted ? undefined : reasonAgainst(payment, checkout, facts, paying)
    if (payment.accepted || (counted === undefined && payment.reviewReason === null)) {
      if (settles) paying ??= payment
    } else if (counted !== undefined) {
      unexpected.push({ payment, reason: counted, couldCount: paying === undefined && payment.mismatch === null })
    }
  }
  // What pays the order may have become known after one that does not.
  return unexpected.map(each => ({ ...each, couldCount: each.couldCount && paying === undefined }))
}

function reasonAgainst(
  payment: PaymentFacts,
  checkout: Checkout,
  { cancelled }: OrderFacts,
  paying: PaymentFacts | undefined
): string | undefined {
  const settles = checkout.status === 'PAID' || checkout.status === 'PROCESSING'
  if (payment.mismatch !== null) return payment.mismatch
  if (isStray(payment, checkout)) return 'a payment arrived through a Session that was not opened for its checkout'
  if (isOver(checkout.status)) {
    // A bank debit on its way may still fail; nothing is to be done about it yet.
    return payment.status === 'PROCESSING' ? undefined : `a payment arrived although the checkout is ${checkout.status}`
  }
  if (!settles) return undefined
  if (cancelled) return 'a payment arrived for an order that was cancelled'
  return paying === undefined ? undefined : `a payment arrived for an order that is paid by ${paying.id}`
}

function isLive({ status }: PaymentFacts): boolean {
  return status === 'SUCCEEDED' || status === 'AUTHORIZED' || status === 'PROCESSING'
}

/** Its Session says so, or the checkout was completed with another PaymentIntent. */
function isStray(payment: PaymentFacts, checkout: Checkout): boolean {
  if (payment.sessionId !== null) return payment.sessionId !== checkout.sessionId
  return checkout.paymentIntentId !== null && checkout.paymentIntentId !== payment.id
}

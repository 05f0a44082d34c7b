import { isLive, type OrderFacts, type PaymentFacts, wentBack } from './order-status.js'
import { isOver } from './state-groups.js'

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
 * that is over, for a cancelled order, or for one that is paid already. It follows from all that is known. A payment that
 * an operator has let count comes first; of two payments of different checkouts the one that became known first counts.
 */
export function unexpectedPayments(facts: OrderFacts): UnexpectedPayment[] {
  const checkoutOf = new Map(facts.checkouts.map(checkout => [checkout.id, checkout]))
  const unexpected: UnexpectedPayment[] = []
  let paying = facts.payments.find(payment => payment.accepted && isLive(payment) && !wentBack(payment))
  for (const payment of facts.payments) {
    const checkout = checkoutOf.get(payment.checkoutId)
    if (checkout === undefined || !isLive(payment) || payment.accepted) continue
    // On its way to a checkout that is not its own, or that is over, it may still fail; nothing is to be done about it yet.
    const isElsewhere = isStray(payment, checkout) || isOver(checkout.status)
    if (isElsewhere && payment.status === 'PROCESSING' && payment.mismatch === null) continue
    const reason = reasonAgainst(payment, checkout, facts, paying)
    if (reason !== undefined) {
      unexpected.push({ payment, reason, couldCount: paying === undefined && payment.mismatch === null })
    } else if (payment.reviewReason === null && isPaidOrClearing(checkout)) {
      paying ??= payment
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
  if (payment.mismatch !== null) return payment.mismatch
  if (isStray(payment, checkout)) return 'a payment arrived through a Session that was not opened for its checkout'
  if (isOver(checkout.status)) return `a payment arrived although the checkout is ${checkout.status}`
  if (!isPaidOrClearing(checkout)) return undefined
  if (cancelled) return 'a payment arrived for an order that was cancelled'
  return paying === undefined ? undefined : `a payment arrived for an order that is paid by ${paying.id}`
}

function isPaidOrClearing({ status }: Checkout): boolean {
  return status === 'PAID' || status === 'PROCESSING'
}

/** Its Session says so, or the checkout was completed with another PaymentIntent. */
function isStray(payment: PaymentFacts, checkout: Checkout): boolean {
  if (payment.sessionId !== null) return payment.sessionId !== checkout.sessionId
  return checkout.paymentIntentId !== null && checkout.paymentIntentId !== payment.id
}

import { writeAudit } from '../audit/audit.js'
import { Refused } from '../refused.js'
import { isLive, needsReview, type OrderFacts, wentBack } from '../rules/order-status.js'
import type { OrderStatus, PaymentStatus } from '../rules/transitions.js'
import type { Services } from '../runtime/services.js'
import { type CheckoutRow, lockCheckout, moveCheckout, readCheckout } from '../statements/checkouts.js'
import { findSiblings, lockOrder, readOrderFacts } from '../statements/orders.js'
import { acceptPayment, type PaymentRow } from '../statements/payments.js'
import { commitReleased, moveReservations } from '../statements/stock.js'
import { advanceOrder } from './advance.js'
import { inChange } from './change.js'
import { idOf } from './events/fields.js'
import { applySession, endForOperator, isOpenAtStripe } from './expire-checkout.js'
import { findMeant, type OperatorInput } from './operator-request.js'

export interface Accepted {
  paymentIntentId: string
  /** What the order is then. */
  status: OrderStatus
}

/**
 * Lets a payment in review count for its order: takes its stock, if it is still there, and pays the order. `reason` is the
 * operator's note. Throws Refused, with what to do instead, when another payment counts or the goods are gone.
 */
export async function acceptReviewed(services: Services, input: OperatorInput): Promise<Accepted> {
  const { orderId: id, operator, reason: note } = input
  const payment = await reviewed(services, input)
  refuseUnpaid(payment, await readCheckout(services.db.pool, payment.checkoutId))
  await closeSessions(services, payment)
  const status = await inChange(services, { orderId: id }, async change => {
    const { client } = change
    const checkout = await lockCheckout(client, payment.checkoutId)
    await lockOrder(client, id)
    const now = services.now()
    const reopened = (await findSiblings(client, id, payment.checkoutId)).find(each => isOpenAtStripe(each.status))
    if (reopened !== undefined)
      throw new Refused(
        'changed_meanwhile',
        `Checkout ${reopened.id} has just been opened for it. Run the command again.`
      )
    refuseSecond(await readOrderFacts(client, id), payment)
    refuseUnpaid(payment, checkout)
    if (!(await acceptPayment(client, payment.paymentIntentId, operator, now)))
      throw new Refused('changed_meanwhile', `Payment ${payment.paymentIntentId} is not in review any more.`)
    const isPaid = payment.status === 'SUCCEEDED'
    if (isPaid) {
      await moveReservations(client, payment.checkoutId, 'COMMITTED', now)
      if (!(await commitReleased(client, payment.checkoutId, now))) {
        const instead = `npm run ops -- order refund ${id} --payment ${payment.paymentIntentId}`
        throw new Refused('goods_gone', `The goods are gone. Refund instead: ${instead}`)
      }
    }
    const trail = { userId: checkout?.userId, orderId: id, checkoutId: payment.checkoutId }
    const audit = {
      action: 'payment_accepted',
      status: 'SUCCESS' as const,
      ...trail,
      amount: payment.captured,
      currency: payment.currency,
      before: checkout?.status,
      after: isPaid ? 'PAID' : checkout?.status,
      metadata: { operator, note: note ?? null, reason: payment.reviewReason }
    }
    const moved =
      isPaid && (await moveCheckout(client, payment.checkoutId, { to: 'PAID', byOperator: true, now, audit: [audit] }))
    if (!moved) await writeAudit(client, audit)
    return await advanceOrder({ ...change, trail, reason: note }, id)
  })
  return { paymentIntentId: payment.paymentIntentId, status }
}

/** The payment in review that is meant; what went back, or was decided about, is none. */
async function reviewed({ db }: Services, input: OperatorInput): Promise<PaymentRow> {
  const { orderId, paymentIntentId } = input
  const inReview = (await readOrderFacts(db.pool, orderId)).payments.filter(needsReview).map(each => each.id)
  const meant = await findMeant(db.pool, input)
  const [payment, ...others] = meant.filter(each => inReview.includes(each.paymentIntentId))
  if (payment === undefined)
    throw new Refused(
      'nothing_in_review',
      paymentIntentId === undefined
        ? `Order ${orderId} has no payment in review.`
        : `${paymentIntentId} is not in review for order ${orderId}.`
    )
  if (others.length > 0) throw new Refused('unclear_input', 'Several payments are in review; name one with --payment.')
  return payment
}

/** One payment pays an order: while another one holds money, or can still take it, a second one may not count too. */
function refuseSecond({ payments }: OrderFacts, { orderId, paymentIntentId, status }: PaymentRow): void {
  const other = payments.find(
    each => each.id !== paymentIntentId && isLive(each) && !needsReview(each) && !wentBack(each)
  )
  if (other === undefined) return
  const first: Partial<Record<PaymentStatus, string>> = {
    AUTHORIZED: `Cancel that one first: npm run ops -- order cancel ${orderId} --payment ${other.id}`,
    SUCCEEDED: `Refund that one first, or this one instead: npm run ops -- order refund ${orderId} --payment …`
  }
  // With the other one its checkout ends, and what is not captured yet could not pay that any more.
  const advice =
    status === 'AUTHORIZED'
      ? `Cancel this one: npm run ops -- order cancel ${orderId} --payment ${paymentIntentId}`
      : (first[other.status] ?? 'Wait for its end, or refund this one.')
  throw new Refused(
    'another_payment_counts',
    `The order has another payment, ${other.id}, which is ${other.status}. ${advice}`
  )
}

function refuseUnpaid({ status, orderId }: PaymentRow, checkout: CheckoutRow | undefined): void {
  if (status === 'SUCCEEDED' || checkout?.status === 'PROCESSING') return
  throw new Refused(
    'not_paid',
    `Its checkout is ${checkout?.status} and nothing is captured: npm run ops -- order cancel ${orderId}`
  )
}

/**
 * Before a payment counts, nothing else may be able to pay its order: what is open expires at Stripe. The payment's own
 * checkout is not told, so that it keeps its goods. Throws when a customer was faster and has paid there too.
 */
async function closeSessions(services: Services, payment: PaymentRow): Promise<void> {
  const { orderId, paymentIntentId, checkoutId } = payment
  const open = (await findSiblings(services.db.pool, orderId, '')).filter(({ status }) => isOpenAtStripe(status))
  for (const checkout of open) {
    const session = await endForOperator(services, checkout)
    if (session.status === 'expired' && checkout.id === checkoutId) continue
    await applySession(services, checkout, session)
    const after = await readCheckout(services.db.pool, checkout.id)
    const isPaid = after?.status === 'PAID' || after?.status === 'PROCESSING'
    if (!isPaid || idOf(session.payment_intent) === paymentIntentId) continue
    const refund = `npm run ops -- order refund ${orderId} --payment ${paymentIntentId}`
    throw new Refused(
      'customer_was_faster',
      `The customer was faster: Session ${session.id} of checkout ${checkout.id} is paid too. Refund the one in review: ${refund}`
    )
  }
}

import Stripe from 'stripe'
import { writeAudit } from '../audit/audit.js'
import { Refused } from '../refused.js'
import { isFree, isLive, needsReview, wentBack } from '../rules/order-status.js'
import { isPayable } from '../rules/state-groups.js'
import type { OrderStatus } from '../rules/transitions.js'
import type { Services } from '../runtime/services.js'
import { keyOfEnd } from '../runtime/stripe-client.js'
import { findSiblings, lockOrder, readOrder, readOrderFacts } from '../statements/orders.js'
import { cancelOrder } from './advance.js'
import { inChange } from './change.js'
import { expireForOperator, isOpenAtStripe } from './expire-checkout.js'
import { applyIntent, findAuthorized, noteOperator, type OperatorInput, theOne } from './operator-request.js'

/** What became of the request: an authorization was given up, or the order itself. */
export type Cancelled = { paymentIntentId: string; status: OrderStatus } | { status: 'CANCELLED' }

/**
 * Ends what can still be paid, at Stripe first: an authorization, else the order's open checkouts and the order. Throws
 * Refused when it is too late; a customer who was faster keeps the order.
 */
export async function cancelWhatIsOpen(services: Services, input: OperatorInput): Promise<Cancelled> {
  const order = await readOrder(services.db.pool, input.orderId)
  if (order === undefined) throw new Refused('order_not_found', `There is no order ${input.orderId}.`)
  const payment = theOne(await findAuthorized(services, input))
  if (payment === undefined) return await cancelUnpaid(services, input, order.status)
  await noteOperator(services, payment, { action: 'order_cancel_requested', amount: payment.amount, input })
  const intent = await cancelOrRead(services, payment.paymentIntentId)
  await applyIntent(services, intent, input.operator)
  if (intent.status !== 'canceled')
    throw new Refused('not_cancellable', `${intent.id} cannot be cancelled any more: at Stripe it is ${intent.status}.`)
  const after = await readOrder(services.db.pool, input.orderId)
  return { paymentIntentId: intent.id, status: after?.status ?? order.status }
}

async function cancelOrRead({ stripe, now }: Services, id: string): Promise<Stripe.PaymentIntent> {
  try {
    return await stripe.paymentIntents.cancel(id, {}, { idempotencyKey: keyOfEnd(`${id}-cancel`, now()) })
  } catch (error) {
    // Ended by an earlier try whose answer was lost, or otherwise: what it is at Stripe is applied.
    if (!(error instanceof Stripe.errors.StripeError) || error.code !== 'payment_intent_unexpected_state') throw error
    return await stripe.paymentIntents.retrieve(id)
  }
}

async function cancelUnpaid(services: Services, input: OperatorInput, status: OrderStatus): Promise<Cancelled> {
  const { orderId, operator } = input
  if (status !== 'PENDING' && !(await isFreeInReview(services, orderId)))
    throw new Refused('not_cancellable', `The order is ${status}; only a PENDING or AUTHORIZED one can be cancelled.`)
  for (const checkout of await findSiblings(services.db.pool, orderId, '')) {
    if (isOpenAtStripe(checkout.status)) await expireForOperator(services, checkout)
  }
  await inChange(services, { orderId }, async change => {
    const { client } = change
    const after = await lockOrder(client, orderId)
    if (after?.status !== status)
      throw new Refused('customer_was_faster', `The customer was faster: the order is ${after?.status}.`)
    const open = (await findSiblings(client, orderId, '')).find(checkout => isPayable(checkout.status))
    if (open !== undefined)
      throw new Refused('changed_meanwhile', `Checkout ${open.id} has just been opened for it. Run the command again.`)
    const reason = input.reason ?? `cancelled by ${operator}`
    await writeAudit(client, {
      action: 'order_cancel_requested',
      status: 'SUCCESS',
      orderId,
      metadata: { operator, reason }
    })
    await cancelOrder({ ...change, trail: { userId: after.userId, orderId } }, orderId, reason)
  })
  return { status: 'CANCELLED' }
}

/** What is in review took no money: with the order it is given up. */
async function isFreeInReview({ db }: Services, orderId: string): Promise<boolean> {
  const live = (await readOrderFacts(db.pool, orderId)).payments.filter(each => isLive(each) && !wentBack(each))
  return live.length > 0 && live.every(each => isFree(each) && needsReview(each))
}

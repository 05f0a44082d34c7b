import type Stripe from 'stripe'
import type { Config } from '../../shared/config.js'
import { findSessionCheckout, moveCheckout } from '../../shared/statements/checkouts.js'
import { recordPayment } from '../../shared/statements/payments.js'
import type { CheckoutStatus, PaymentStatus } from '../../shared/transitions.js'
import { review, settleOrder } from '../settlement.js'
import {
  type AppliedEvent,
  about,
  amountOf,
  currencyOf,
  type EventContext,
  type EventHandler,
  idOf,
  lockMarked,
  markOf,
  NOT_OURS,
  type OwnCheckout,
  objectOf,
  optional,
  ownCheckout,
  processed,
  refuse,
  timeOf
} from './context.js'
import { sessionDifference } from './session-difference.js'

interface SessionContext extends EventContext {
  session: Stripe.Checkout.Session
  checkout: OwnCheckout
}

/** https://docs.stripe.com/checkout/fulfillment */
export const sessionHandlers: Record<string, EventHandler> = {
  'checkout.session.completed': onSession(async context => {
    if (isPaid(context.session)) return await take(context, 'PAID', 'SUCCEEDED')
    return await take(context, 'PROCESSING', unpaidStatus(context.services.config))
  }),
  'checkout.session.async_payment_succeeded': onSession(context => take(context, 'PAID', 'SUCCEEDED')),
  'checkout.session.async_payment_failed': onSession(context => take(context, 'FAILED', 'FAILED')),
  'checkout.session.expired': onSession(expire)
}

/** Completed but unpaid: the money is only authorized, or it is on its way. */
function unpaidStatus({ payment }: Config): PaymentStatus {
  return payment.captureMethod === 'manual' ? 'AUTHORIZED' : 'PROCESSING'
}

/** https://docs.stripe.com/api/checkout/sessions/object#checkout_session_object-payment_status; another one is not believed. */
function isPaid({ payment_status: status }: Stripe.Checkout.Session): boolean {
  if (status !== 'paid' && status !== 'no_payment_required' && status !== 'unpaid') {
    refuse('payment_status', status, 'paid, unpaid or no_payment_required')
  }
  return status !== 'unpaid'
}

/** The PaymentIntent, or the Session itself when there was nothing to pay. Money without a PaymentIntent is not believed. */
function paymentOf(session: Stripe.Checkout.Session): string {
  const intent = idOf(session.payment_intent, 'payment_intent')
  if (intent === null && amountOf(session.amount_total, 'amount_total') > 0) {
    refuse('payment_intent', session.payment_intent, 'the id of a PaymentIntent')
  }
  return intent ?? session.id
}

/** Finds the checkout of the event's Session and hands both on; a Session that is not ours is IGNORED. */
function onSession(apply: (context: SessionContext) => Promise<AppliedEvent>): EventHandler {
  return async context => {
    const session = objectOf<Stripe.Checkout.Session>(context, 'checkout.session')
    if (!session.id.startsWith('cs_')) refuse('id', session.id, 'that of a Checkout Session')
    const mark = markOf(session)
    const found = await findSessionCheckout(context.client, session.id, mark ?? null)
    if (found === undefined) {
      return mark === undefined ? NOT_OURS : await applyStray(context, session, mark)
    }
    const checkout = ownCheckout(found)
    return await apply({ ...about(context, checkout), session, checkout })
  }
}

/**
 * A Session that was made for the checkout and is not the one that it has: Stripe met an error of its own while it made
 * this one, and made another when it was asked again. Nobody was given its address; if somebody pays it all the same, a
 * person decides.
 */
async function applyStray(
  context: EventContext,
  session: Stripe.Checkout.Session,
  mark: string
): Promise<AppliedEvent> {
  const checkout = await lockMarked(context, mark, `Session ${session.id}`)
  const note = `Session ${session.id} is not the one that was opened for checkout ${checkout.id}`
  if (session.payment_status === 'no_payment_required' || !isPaid(session)) return processed(checkout, note)
  const inner = about(context, checkout)
  const paymentIntentId = paymentOf(session)
  const amount = amountOf(session.amount_total, 'amount_total')
  await recordPayment(context.client, {
    paymentIntentId,
    orderId: checkout.orderId,
    checkoutId: checkout.id,
    status: 'SUCCEEDED',
    amount,
    currency: currencyOf(session.currency),
    captured: amount,
    now: context.services.now()
  })
  await review(inner, checkout.orderId, paymentIntentId, 'payment_unexpected', note, 'refund')
  await settleOrder(inner, checkout.orderId)
  return processed(checkout, note)
}

/** The customer has submitted: what the payment is now, whether it is what was verified, and what follows. */
async function take(context: SessionContext, to: CheckoutStatus, status: PaymentStatus): Promise<AppliedEvent> {
  const { client, services, session, checkout } = context
  const moved = await move(context, to)
  if (!moved && checkout.status === to) return unchanged(checkout)
  const difference = sessionDifference(services.config, checkout, session)
  const paymentIntentId = paymentOf(session)
  const amount = amountOf(session.amount_total, 'amount_total')
  await recordPayment(client, {
    paymentIntentId,
    orderId: checkout.orderId,
    checkoutId: checkout.id,
    status,
    amount,
    currency: currencyOf(session.currency),
    captured: status === 'SUCCEEDED' && paymentIntentId !== session.id ? amount : 0,
    discount: optional(amountOf, session.total_details?.amount_discount, 'total_details.amount_discount'),
    tax: optional(amountOf, session.total_details?.amount_tax, 'total_details.amount_tax'),
    now: services.now()
  })
  if (difference !== undefined && status !== 'FAILED') {
    const giveBack = status === 'AUTHORIZED' ? 'cancel' : 'refund'
    await review(context, checkout.orderId, paymentIntentId, 'payment_mismatch', difference, giveBack)
  }
  await settleOrder(context, checkout.orderId)
  return processed(checkout, difference ?? (moved ? null : `the checkout was ${checkout.status} already`))
}

/** Stripe says that the Session cannot be paid any more: stock goes back, once (golden rule 10). */
async function expire(context: SessionContext): Promise<AppliedEvent> {
  const { checkout } = context
  if (!(await move(context, 'EXPIRED'))) return unchanged(checkout)
  await settleOrder(context, checkout.orderId)
  return processed(checkout)
}

function move(context: SessionContext, to: CheckoutStatus): Promise<boolean> {
  const { session, checkout } = context
  return moveCheckout(context.client, checkout.id, {
    to,
    now: context.services.now(),
    // The event can come before our own commit of the Session: what it tells is stored too.
    sessionId: session.id,
    sessionExpiresAt: timeOf(session.expires_at, 'expires_at'),
    paymentIntentId: idOf(session.payment_intent, 'payment_intent'),
    audit: [
      {
        action: `checkout_${to.toLowerCase()}`,
        status: to === 'PAID' ? 'SUCCESS' : to === 'PROCESSING' ? 'PROCESSING' : 'FAILED',
        ...context.trail,
        amount: optional(amountOf, session.amount_total, 'amount_total'),
        currency: checkout.currency,
        before: checkout.status,
        after: to
      }
    ]
  })
}

/** A late or repeated event: there is nothing to do. */
function unchanged(checkout: OwnCheckout): AppliedEvent {
  return processed(checkout, `nothing to do: the checkout is ${checkout.status}`)
}

import type Stripe from 'stripe'
import { onCommit } from '../../database/on-commit.js'
import { countSessionPaid } from '../../metrics/checkouts.js'
import { sessionDifference } from '../../rules/session-difference.js'
import { termsOf } from '../../rules/session-terms.js'
import type { CheckoutStatus, PaymentStatus } from '../../rules/transitions.js'
import { findSessionCheckout, moveCheckout } from '../../statements/checkouts.js'
import { recordContact } from '../../statements/orders.js'
import { recordPayment } from '../../statements/payments.js'
import { contactOf } from './contact.js'
import {
  type AppliedEvent,
  about,
  amountOf,
  currencyOf,
  type EventContext,
  type EventHandler,
  follow,
  idOf,
  NOT_OURS,
  type OwnCheckout,
  objectOf,
  optional,
  ownCheckout,
  processed,
  refuse,
  timeOf
} from './context.js'
import { type IntentFacts, intentStatus, recordIntent } from './intent.js'
import { lockNamed, readOwner } from './owner.js'
import { sessionFacts } from './session-facts.js'

interface SessionContext extends EventContext {
  session: Stripe.Checkout.Session
  checkout: OwnCheckout
  /**
   * It was made for the checkout and is not the one that it has: Stripe met an error of its own while it made this one,
   * and made another when it was asked again. Nobody was given its address; if somebody pays it all the same, a person decides.
   */
  isStray: boolean
}

/** https://docs.stripe.com/checkout/fulfillment */
export const sessionHandlers: Record<string, EventHandler> = {
  'checkout.session.completed': onSession(async context => {
    if (isPaid(context.session)) return await complete(context, 'PAID', 'SUCCEEDED')
    return await complete(context, 'PROCESSING', unpaidStatus(context))
  }),
  'checkout.session.async_payment_succeeded': onSession(context => complete(context, 'PAID', 'SUCCEEDED')),
  'checkout.session.async_payment_failed': onSession(context => complete(context, 'FAILED', 'FAILED')),
  'checkout.session.expired': onSession(expire)
}

/** Completed but unpaid: the money is only authorized, or it is on its way. */
function unpaidStatus({ checkout, services }: SessionContext): PaymentStatus {
  return termsOf(checkout, services.config.payment).captureMethod === 'manual' ? 'AUTHORIZED' : 'PROCESSING'
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
    const owner = await readOwner(context, session)
    if (owner.whose === 'another') return ofNeighbour(context, session)
    const found = await findSessionCheckout(context.client, session.id, owner.checkoutId ?? null)
    const checkout = found === undefined ? await lockNamed(context, owner, session) : ownCheckout(found)
    if (checkout === undefined) return ofNeighbour(context, session)
    return await apply({ ...about(context, checkout), session, checkout, isStray: found === undefined })
  }
}

function ofNeighbour({ services }: EventContext, session: Stripe.Checkout.Session): AppliedEvent {
  const intent = idOf(session.payment_intent, 'payment_intent')
  if (intent !== null) services.neighbours.add(intent)
  return NOT_OURS
}

/** The customer has submitted: what the payment is now, whether it is what was verified, and what follows. */
async function complete(context: SessionContext, to: CheckoutStatus, status: PaymentStatus): Promise<AppliedEvent> {
  const { services, session, checkout } = context
  if (context.isStray) return await completeStray(context, status)
  const moved = await move(context, to)
  if (!moved && checkout.status === to) return unchanged(checkout)
  if (moved && to === 'PAID') onCommit(context.client, () => countSessionPaid(session.created, context.event.created))
  const contact = contactOf(session)
  if (contact !== undefined) await recordContact(context.client, checkout.orderId, contact)
  const difference = sessionDifference(termsOf(checkout, services.config.payment), checkout, sessionFacts(session))
  await recordSession(context, status, difference ?? null)
  follow(context, checkout.orderId)
  return processed(checkout, difference ?? (moved ? null : `the checkout was ${checkout.status} already`))
}

/** Its payment becomes known, and is a case for review once it is money (shared/rules/unexpected-payments.ts). */
async function completeStray(context: SessionContext, status: PaymentStatus): Promise<AppliedEvent> {
  const { session, checkout } = context
  const note = `Session ${session.id} is not the one that was opened for checkout ${checkout.id}`
  if (session.payment_status === 'no_payment_required') return processed(checkout, note)
  await recordSession(context, status, null)
  follow(context, checkout.orderId)
  return processed(checkout, note)
}

/**
 * Records what the Session tells of its payment. How much was captured is told by the PaymentIntent alone: when it has
 * not told yet, Stripe is asked for it.
 */
async function recordSession(context: SessionContext, status: PaymentStatus, mismatch: string | null): Promise<void> {
  const { client, services, session, checkout } = context
  const paymentIntentId = paymentOf(session)
  const { captured } = await recordPayment(client, {
    teller: 'session',
    paymentIntentId,
    orderId: checkout.orderId,
    checkoutId: checkout.id,
    status,
    amount: amountOf(session.amount_total, 'amount_total'),
    currency: currencyOf(session.currency),
    sessionId: session.id,
    mismatch,
    discount: optional(amountOf, session.total_details?.amount_discount, 'total_details.amount_discount'),
    tax: optional(amountOf, session.total_details?.amount_tax, 'total_details.amount_tax'),
    now: services.now()
  })
  if (status !== 'SUCCEEDED' || paymentIntentId === session.id || captured > 0) return
  const intent = context.lookups.intent(paymentIntentId) ?? unknownIntent(context, paymentIntentId)
  if (intent !== undefined) await recordIntent(context, checkout, intent, intentStatus(intent))
}

/** Stripe has no such PaymentIntent: a Session that was made to capture whole is then all that can tell. */
function unknownIntent({ checkout, session, services }: SessionContext, id: string): IntentFacts | undefined {
  if (termsOf(checkout, services.config.payment).captureMethod === 'manual') return undefined
  const amount = amountOf(session.amount_total, 'amount_total')
  const currency = currencyOf(session.currency)
  return { id, status: 'succeeded', amount, amount_received: amount, currency, latest_charge: null }
}

/** Stripe says that the Session cannot be paid any more: stock goes back, once (docs/golden-rules.md#rule-10). */
async function expire(context: SessionContext): Promise<AppliedEvent> {
  const { checkout, isStray } = context
  if (isStray || !(await move(context, 'EXPIRED'))) return unchanged(checkout)
  follow(context, checkout.orderId)
  return processed(checkout)
}

async function move(context: SessionContext, to: CheckoutStatus): Promise<boolean> {
  const { session, checkout } = context
  const moved = await moveCheckout(context.client, checkout.id, {
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
  return moved !== undefined
}

/** A late or repeated event: there is nothing to do. */
function unchanged(checkout: OwnCheckout): AppliedEvent {
  return processed(checkout, `nothing to do: the checkout is ${checkout.status}`)
}

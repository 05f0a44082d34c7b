import type Stripe from 'stripe'
import { alert } from '../shared/alerts.js'
import type { Client } from '../shared/database.js'
import { SECOND } from '../shared/duration.js'
import { TerminalError } from '../shared/errors.js'
import type { Services } from '../shared/services.js'
import { type CheckoutRow, findSessionCheckout, moveCheckout } from '../shared/statements/checkouts.js'
import { lockOrder, moveOrder, recordPayment } from '../shared/statements/orders.js'
import { settleReservations } from '../shared/statements/stock.js'
import type { WebhookEventRow } from '../shared/statements/webhook-events.js'
import type { CheckoutStatus } from '../shared/transitions.js'

/** A stored event, before anything is known about its object. */
export interface StripeEvent {
  id: string
  type: string
  created: number
  data: { object: Record<string, unknown> }
}

export interface AppliedEvent {
  status: 'PROCESSED' | 'IGNORED'
  checkoutId: string | null
  note: string | null
}

interface EventContext {
  services: Services
  client: Client
  row: WebhookEventRow
  event: StripeEvent
}

interface SessionContext extends EventContext {
  session: Stripe.Checkout.Session
  checkout: CheckoutRow
}

/** A Session carries our mark, but this database has no such checkout (yet). */
export class UnknownCheckoutError extends Error {
  override readonly name = 'UnknownCheckoutError'
}

/**
 * The event types that change something. All others are stored and IGNORED.
 * https://docs.stripe.com/api/events/types
 */
export const eventHandlers: Record<string, ((context: EventContext) => Promise<AppliedEvent>) | undefined> = {
  'checkout.session.completed': onSession(async context => {
    if (context.session.payment_status !== 'unpaid') return await settlePaid(context)
    return await startProcessing(context)
  }),
  'checkout.session.async_payment_succeeded': onSession(settlePaid),
  'checkout.session.async_payment_failed': onSession(settleFailed),
  'checkout.session.expired': onSession(settleExpired)
}

/** Finds the checkout of the event's Session and hands both on; a Session that is not ours is IGNORED. */
function onSession(apply: (context: SessionContext) => Promise<AppliedEvent>) {
  return async (context: EventContext): Promise<AppliedEvent> => {
    const session = context.event.data?.object as unknown as Stripe.Checkout.Session | null | undefined
    if (session?.object !== 'checkout.session' || !/^cs_\w+$/.test(String(session.id))) {
      throw new TerminalError('the event holds no Checkout Session')
    }
    const mark = ourMark(session)
    const checkout = await findSessionCheckout(context.client, session.id, mark ?? null)
    if (checkout === undefined) {
      if (mark === undefined) return { status: 'IGNORED', checkoutId: null, note: 'the Session is not of this shop' }
      throw new UnknownCheckoutError(`Session ${session.id} names checkout ${mark}, which is not in this database`)
    }
    return await apply({ ...context, session, checkout })
  }
}

/** The checkout that the Session says it is for; only what can be an id of ours counts. */
function ourMark(session: Stripe.Checkout.Session): string | undefined {
  const mark: unknown = session.metadata?.checkoutId
  return typeof mark === 'string' && /^c[0-9a-z]{24}$/.test(mark) ? mark : undefined
}

/** The money is there: OPEN → PAID, stock leaves the shelf, the order is paid. Anything odd goes to review instead. */
async function settlePaid(context: SessionContext): Promise<AppliedEvent> {
  const { client, checkout, session } = context
  const moved = await move(context, 'PAID', 'checkout_paid')
  if (!moved && checkout.status === 'PAID') return unchanged(context)
  await pay(context, 'SUCCEEDED')
  if (!moved)
    return await review(context, 'payment_unexpected', `a payment arrived although the checkout is ${checkout.status}`)

  const difference = mismatch(context)
  if (difference !== undefined) return await review(context, 'payment_mismatch', difference)
  const ordered = await moveOrder(client, orderId(checkout), {
    to: 'PAID',
    now: context.services.now(),
    audit: {
      action: 'order_paid',
      status: 'SUCCESS',
      ...trail(context),
      amount: session.amount_total,
      currency: checkout.currency
    }
  })
  if (!ordered)
    return await review(context, 'payment_unexpected', 'a payment arrived for an order that cannot take one')
  await settleReservations(client, checkout.id, 'COMMITTED', context.services.now())
  return { status: 'PROCESSED', checkoutId: checkout.id, note: null }
}

/** The customer is done but the money is on its way (bank debit) or only authorized (manual capture): stock stays held. */
async function startProcessing(context: SessionContext): Promise<AppliedEvent> {
  const { checkout, services } = context
  const manual = services.config.payment.captureMethod === 'manual'
  if (!(await move(context, 'PROCESSING', 'checkout_processing'))) return unchanged(context)
  await pay(context, manual ? 'AUTHORIZED' : 'PROCESSING')
  const difference = mismatch(context)
  if (difference !== undefined) return await review(context, 'payment_mismatch', difference)
  await moveOrder(context.client, orderId(checkout), {
    to: manual ? 'AUTHORIZED' : 'PROCESSING',
    now: services.now(),
    audit: { action: manual ? 'order_authorized' : 'order_processing', status: 'PROCESSING', ...trail(context) }
  })
  return { status: 'PROCESSED', checkoutId: checkout.id, note: null }
}

/** The bank debit failed: stock goes back and the order can be paid again. */
async function settleFailed(context: SessionContext): Promise<AppliedEvent> {
  const { client, checkout, services } = context
  if (!(await move(context, 'FAILED', 'checkout_failed'))) return unchanged(context)
  await pay(context, 'FAILED')
  await settleReservations(client, checkout.id, 'RELEASED', services.now())
  await moveOrder(client, orderId(checkout), {
    to: 'PENDING',
    now: services.now(),
    audit: { action: 'order_payment_failed', status: 'FAILED', ...trail(context), before: 'PROCESSING' }
  })
  return { status: 'PROCESSED', checkoutId: checkout.id, note: null }
}

/** Stripe says that the Session cannot be paid any more: stock goes back, once (golden rule 10). */
async function settleExpired(context: SessionContext): Promise<AppliedEvent> {
  const { client, checkout, services } = context
  if (!(await move(context, 'EXPIRED', 'checkout_expired'))) return unchanged(context)
  await settleReservations(client, checkout.id, 'RELEASED', services.now())
  return { status: 'PROCESSED', checkoutId: checkout.id, note: null }
}

function move(context: SessionContext, to: CheckoutStatus, action: string): Promise<boolean> {
  const { session, checkout } = context
  return moveCheckout(context.client, checkout.id, {
    to,
    now: context.services.now(),
    // The event can come before our own commit of the Session: what it tells is stored too.
    sessionId: session.id,
    sessionExpiresAt: new Date(session.expires_at * SECOND),
    paymentIntentId: paymentIntentId(session),
    audit: [
      {
        action,
        status: to === 'PAID' ? 'SUCCESS' : to === 'PROCESSING' ? 'PROCESSING' : 'FAILED',
        ...trail(context),
        amount: session.amount_total,
        currency: checkout.currency,
        before: checkout.status,
        after: to
      }
    ]
  })
}

async function pay(
  context: SessionContext,
  status: 'PROCESSING' | 'AUTHORIZED' | 'SUCCEEDED' | 'FAILED'
): Promise<void> {
  const { session, checkout, client, services } = context
  const intent = paymentIntentId(session)
  // Nothing to pay (a full discount) has no PaymentIntent.
  if (intent === null) return
  await recordPayment(client, {
    paymentIntentId: intent,
    orderId: orderId(checkout),
    checkoutId: checkout.id,
    status,
    amount: session.amount_total ?? 0,
    currency: (session.currency ?? checkout.currency).toUpperCase(),
    now: services.now()
  })
}

/** How what Stripe took differs from what was verified, or undefined. */
function mismatch({ session, checkout }: SessionContext): string | undefined {
  const differences = [
    ['amount', checkout.amount, session.amount_total],
    ['currency', checkout.currency, session.currency?.toUpperCase()],
    ['mode', 'payment', session.mode],
    ['checkout', checkout.id, session.metadata?.checkoutId],
    ['order', checkout.orderId, session.metadata?.orderId]
  ].filter(([, ours, theirs]) => ours !== theirs)
  if (differences.length === 0) return undefined
  return differences.map(([what, ours, theirs]) => `${what}: expected ${ours}, Stripe has ${theirs}`).join('; ')
}

/** Money that does not fit never makes an order PAID: a person decides. What stock is still held stays held. */
async function review(
  context: SessionContext,
  name: 'payment_mismatch' | 'payment_unexpected',
  reason: string
): Promise<AppliedEvent> {
  const { client, checkout, services } = context
  const order = await lockOrder(client, orderId(checkout))
  await moveOrder(client, orderId(checkout), {
    to: 'NEEDS_REVIEW',
    now: services.now(),
    audit: { action: 'order_needs_review', status: 'FAILED', ...trail(context), before: order?.status, error: reason }
  })
  await alert(client, services.log, name, { ...trail(context), reason })
  return { status: 'PROCESSED', checkoutId: checkout.id, note: reason }
}

/** A late or repeated event: the transition table has nothing to do. */
function unchanged({ checkout }: SessionContext): AppliedEvent {
  return { status: 'PROCESSED', checkoutId: checkout.id, note: `nothing to do: the checkout is ${checkout.status}` }
}

function trail({ checkout, row }: SessionContext) {
  return {
    userId: checkout.userId,
    orderId: checkout.orderId,
    checkoutId: checkout.id,
    eventId: row.id,
    requestId: row.requestId
  }
}

function orderId(checkout: CheckoutRow): string {
  if (checkout.orderId === null) throw new TerminalError(`checkout ${checkout.id} has no order`)
  return checkout.orderId
}

function paymentIntentId(session: Stripe.Checkout.Session): string | null {
  const intent = session.payment_intent
  return typeof intent === 'object' ? (intent?.id ?? null) : intent
}

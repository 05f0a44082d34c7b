import Stripe from 'stripe'
import { alertOnce } from '../audit/alerts.js'
import { transaction } from '../database/database.js'
import { MINUTE } from '../duration.js'
import { messageOf, TerminalError } from '../errors.js'
import { Refused } from '../refused.js'
import type { CheckoutStatus } from '../rules/transitions.js'
import type { Services } from '../runtime/services.js'
import { classifyStripeError, isUnknownToStripe, keyOfEnd } from '../runtime/stripe-client.js'
import { type CheckoutRow, readCheckout, recordFailedExpiry } from '../statements/checkouts.js'
import { showEvent } from '../statements/webhook-events.js'
import { applyEvent } from './apply-event.js'
import { sessionEvent, storeSyntheticEvent, syntheticId } from './synthetic-events.js'
import { endUnknown, reportUnknownSession } from './unknown-session.js'

/** How long nobody waits for a checkout whose Session Stripe did not end. */
const PATIENCE = 10 * MINUTE

/** Stripe refuses to expire the Session, and says that it is open. */
class SessionStaysOpenError extends Refused {
  override readonly name = 'SessionStaysOpenError'
  constructor(sessionId: string) {
    super(
      'not_expirable',
      `Stripe does not expire Session ${sessionId}, which is still open. Expire it in the dashboard.`
    )
  }
}

/** The Session is over at Stripe, and its checkout is not: the event that tells so has died, or somebody has resolved it. */
class EndNotAppliedError extends Refused {
  override readonly name = 'EndNotAppliedError'
  constructor(eventId: string, reason: string) {
    super('not_expirable', `Stripe has ended the Session, and ${eventId}, which tells so, is not applied: ${reason}`)
  }
}

/**
 * Ends an open checkout by asking Stripe to expire its Session. When the customer was faster, what became of the Session
 * is applied instead; either way the checkout's row says how it ended. https://docs.stripe.com/api/checkout/sessions/expire
 */
export async function expireCheckout(services: Services, checkout: CheckoutRow): Promise<void> {
  await applySession(services, checkout, await endSession(services, checkout))
}

/** Ends a Session at Stripe without telling its checkout. What it returns is over: expired, or paid by a faster customer. */
async function endSession(services: Services, checkout: CheckoutRow): Promise<Stripe.Checkout.Session> {
  if (checkout.sessionId === null) throw notCreatedYet(checkout.id)
  return await expireOrRead(services, checkout.sessionId, checkout.id)
}

/** As endSession(), for an operator: when Stripe does not know the Session, Refused tells what ends the checkout instead. */
export async function endForOperator(services: Services, checkout: CheckoutRow): Promise<Stripe.Checkout.Session> {
  try {
    return await endSession(services, checkout)
  } catch (error) {
    if (!isUnknownToStripe(error)) throw error
    throw new Refused(
      'session_unknown_at_stripe',
      `Stripe does not know the Session of checkout ${checkout.id}. If it was deleted: ${endUnknown(checkout.id)}`
    )
  }
}

/** As expireCheckout(), for an operator. Throws Refused with what to do when Stripe does not end it. */
export async function expireForOperator(services: Services, checkout: CheckoutRow): Promise<void> {
  await applySession(services, checkout, await endForOperator(services, checkout))
}

/** Applies how a Session ended, as its event would. */
export async function applySession(
  services: Services,
  checkout: CheckoutRow,
  session: Stripe.Checkout.Session
): Promise<void> {
  const intent = typeof session.payment_intent === 'object' ? session.payment_intent : null
  const event = sessionEvent(session, intent)
  if (event === undefined) throw new SessionStaysOpenError(session.id)
  await storeSyntheticEvent(services, event, checkout.requestId)
  // Whoever has stored it before may not have applied it yet.
  const id = syntheticId(event)
  await applyEvent(services, id).catch(async error => {
    const hasDied = error instanceof TerminalError || (await showEvent(services.db, id))?.status === 'DEAD'
    throw hasDied ? new EndNotAppliedError(id, messageOf(error)) : error
  })
  if (session.status !== 'expired') return
  const after = await readCheckout(services.db.pool, checkout.id)
  if (after !== undefined && isOpenAtStripe(after.status))
    throw new EndNotAppliedError(id, `the checkout is ${after.status}`)
}

/**
 * As expireCheckout(), for who can go on without: when Stripe does not know the Session or refuses to expire it, or its end
 * cannot be applied, an alert tells so, once, and nobody waits for this checkout for a while. Throws when Stripe is away:
 * then it may be possible later.
 */
export async function endIfPossible(services: Services, checkout: CheckoutRow): Promise<void> {
  try {
    await expireCheckout(services, checkout)
  } catch (error) {
    const isOurs = error instanceof SessionStaysOpenError || error instanceof EndNotAppliedError
    const refused = isOurs || classifyStripeError(error) === 'refused'
    if (!refused) throw error
    await transaction(services.db.pool, async client => {
      // It locks the row, so that of two that fail at once only one raises the alert.
      await recordFailedExpiry(client, checkout.id, services.now())
      if (isUnknownToStripe(error)) {
        return await reportUnknownSession(client, services.log, checkout, checkout.requestId)
      }
      await alertOnce(client, services.log, 'session_not_ended', {
        orderId: checkout.orderId,
        checkoutId: checkout.id,
        requestId: checkout.requestId,
        subject: checkout.id,
        reason: `${checkout.sessionId}: ${messageOf(error)}`
      })
    })
  }
}

export function notCreatedYet(id: string): Refused {
  return new Refused(
    'session_not_created_yet',
    `The Session of checkout ${id} is still being created; it can be expired in a moment.`
  )
}

/** It has a Session that can be paid, or will have one in a moment. */
export function isOpenAtStripe(status: CheckoutStatus): boolean {
  return status === 'OPEN' || status === 'VERIFIED'
}

/** Whether Stripe did not end this checkout a moment ago. */
export function cannotEndNow({ expireFailedAt }: CheckoutRow, now: Date): boolean {
  return expireFailedAt !== null && expireFailedAt > failedSince(now)
}

/** A Session that Stripe did not end since then is not waited for. */
export function failedSince(now: Date): Date {
  return new Date(now.getTime() - PATIENCE)
}

async function expireOrRead(
  { stripe, now }: Services,
  sessionId: string,
  checkoutId: string
): Promise<Stripe.Checkout.Session> {
  const expand = ['payment_intent']
  const idempotencyKey = keyOfEnd(`${checkoutId}-expire`, now())
  try {
    return await stripe.checkout.sessions.expire(sessionId, { expand }, { idempotencyKey })
  } catch (error) {
    // Not open any more: expired by itself, or paid.
    if (!(error instanceof Stripe.errors.StripeInvalidRequestError)) throw error
    return await stripe.checkout.sessions.retrieve(sessionId, { expand })
  }
}

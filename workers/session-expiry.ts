import Stripe from 'stripe'
import { MINUTE } from '../shared/duration.js'
import type { Services } from '../shared/services.js'
import type { CheckoutRow } from '../shared/statements/checkouts.js'
import { foundSession, storeFound } from './found-events.js'
import { applyEvent } from './webhook-processing.js'

/**
 * Ends an open checkout by asking Stripe to expire its Session. When the customer was faster, what became of the Session
 * is applied instead; either way the checkout's row says how it ended. https://docs.stripe.com/api/checkout/sessions/expire
 */
export async function expireCheckout(services: Services, checkout: CheckoutRow): Promise<void> {
  await applySession(services, checkout, await endSession(services, checkout))
}

/** Ends a Session at Stripe without telling its checkout. What it returns is over: expired, or paid by a faster customer. */
export async function endSession(services: Services, checkout: CheckoutRow): Promise<Stripe.Checkout.Session> {
  if (checkout.sessionId === null) {
    throw new Error(`The Session of checkout ${checkout.id} is still being created; it can be expired in a moment`)
  }
  return await expireOrRead(services, checkout.sessionId, checkout.id)
}

/** Applies how a Session ended, as its event would. */
export async function applySession(
  services: Services,
  checkout: CheckoutRow,
  session: Stripe.Checkout.Session
): Promise<void> {
  const intent = typeof session.payment_intent === 'object' ? session.payment_intent : null
  const found = foundSession(session, intent)
  if (found === undefined) throw new Error(`Session ${session.id} is still open`)
  const eventId = await storeFound(services, found, checkout.requestId)
  if (eventId !== undefined) await applyEvent(services, eventId)
}

async function expireOrRead(
  { stripe, now }: Services,
  sessionId: string,
  checkoutId: string
): Promise<Stripe.Checkout.Session> {
  const expand = ['payment_intent']
  // A Session ends once, however often it is asked to; and Stripe answers a key that met an error of its own with that
  // error for a day: https://docs.stripe.com/api/idempotent_requests
  const idempotencyKey = `${checkoutId}-expire-${Math.floor(now().getTime() / MINUTE)}`
  try {
    return await stripe.checkout.sessions.expire(sessionId, { expand }, { idempotencyKey })
  } catch (error) {
    // Not open any more: expired by itself, or paid.
    if (!(error instanceof Stripe.errors.StripeInvalidRequestError)) throw error
    return await stripe.checkout.sessions.retrieve(sessionId, { expand })
  }
}

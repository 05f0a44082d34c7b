import type Stripe from 'stripe'
import { SECOND } from '../duration.js'
import { waitsWith } from '../rules/applied-together.js'
import type { Services } from '../runtime/services.js'
import { PINNED_API_VERSION } from '../runtime/stripe-version.js'
import { storeEvents } from '../statements/webhook-events.js'
import { applyEvent } from './apply-event.js'

/** An object of Stripe's as it was polled, in the form of the event that would have delivered it. */
export interface SyntheticEvent {
  type: string
  object: { id: string; livemode?: boolean }
  /** What of the object is news; the same news is stored once. */
  state: string
  /** When Stripe was asked, if time decides what counts of an object; else the event is of the moment that stores it. */
  polledAt?: Date
}

/** The state of a Session as an event; undefined while it is open. `intent` is its PaymentIntent, when it has one. */
export function sessionEvent(
  session: Stripe.Checkout.Session,
  intent: Stripe.PaymentIntent | null
): SyntheticEvent | undefined {
  const ended = (name: string): SyntheticEvent => ({
    type: `checkout.session.${name}`,
    object: { ...session, payment_intent: intent?.id ?? session.payment_intent } as Stripe.Checkout.Session,
    state: `${name}_${session.payment_status}`
  })
  if (session.status === 'expired') return ended('expired')
  if (session.status !== 'complete') return undefined
  const debitFailed = session.payment_status === 'unpaid' && intent?.status === 'requires_payment_method'
  return ended(debitFailed ? 'async_payment_failed' : 'completed')
}

/** The end of a PaymentIntent as an event; undefined while it has none. */
export function intentEvent(intent: Stripe.PaymentIntent): SyntheticEvent | undefined {
  if (intent.status === 'succeeded') return { type: 'payment_intent.succeeded', object: intent, state: 'succeeded' }
  if (intent.status === 'canceled') return { type: 'payment_intent.canceled', object: intent, state: 'canceled' }
  return undefined
}

/** The same news has the same id. */
export function syntheticId({ object, state }: SyntheticEvent): string {
  return `found_${object.id}_${state}`
}

/** Stores and applies it. Whoever has stored it before may not have applied it yet, or could not. */
export async function applySyntheticEvent(
  services: Services,
  synthetic: SyntheticEvent,
  requestId: string
): Promise<void> {
  await storeSyntheticEvent(services, synthetic, requestId)
  await applyEvent(services, syntheticId(synthetic))
}

/** Stores it beside what was delivered, to be applied in the same way. Undefined when it is known already. */
export async function storeSyntheticEvent(
  services: Services,
  synthetic: SyntheticEvent,
  requestId: string
): Promise<string | undefined> {
  const now = services.now()
  const created = Math.floor((synthetic.polledAt ?? now).getTime() / SECOND)
  const id = syntheticId(synthetic)
  const livemode = synthetic.object.livemode ?? services.config.stripe.livemode
  const event = {
    id,
    object: 'event',
    api_version: PINNED_API_VERSION,
    created,
    livemode,
    type: synthetic.type,
    data: { object: synthetic.object }
  }
  const stored = await storeEvents(services.db.pool, [
    {
      id,
      type: event.type,
      apiVersion: PINNED_API_VERSION,
      livemode,
      created: new Date(created * SECOND),
      payload: JSON.stringify(event),
      requestId,
      receivedAt: now,
      paymentIntentId: waitsWith(event.type, synthetic.object)
    }
  ])
  return stored.has(id) ? id : undefined
}

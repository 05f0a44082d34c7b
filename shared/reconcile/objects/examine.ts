import type Stripe from 'stripe'
import { alertOnce } from '../../audit/alerts.js'
import { messageOf } from '../../errors.js'
import { applyEvent } from '../../orders/apply-event.js'
import { type SyntheticEvent, storeSyntheticEvent } from '../../orders/synthetic-events.js'
import { ownerOf } from '../../rules/ownership.js'
import type { Services } from '../../runtime/services.js'
import { isStripeAway } from '../../runtime/stripe-client.js'
import { readInstallation } from '../../statements/installation.js'
import { type PaymentFacts, readPaymentFacts } from '../../statements/payment-facts.js'
import { findPayment } from '../../statements/payments.js'
import { type AtStripe, disputeEntriesOf, readAtStripe, readIntent, sessionAlone } from './at-stripe.js'
import { bySession, type Candidate } from './candidates.js'
import { differencesOf } from './differences.js'

/** What became of one payment, or of a Session without one. */
export type Examined =
  | { kind: 'same' | 'foreign' }
  | { kind: 'unknown'; what: string }
  | { kind: 'different'; orderId: string | null; differences: string[]; remaining: string[]; errors: string[] }

/** `id` makes the events of this run its own: what an earlier one has applied is applied again. */
export interface Run {
  id: string
  requestId: string
}

/**
 * Compares what is known with what Stripe has. What differs is stored as the events that would have told it, and they
 * are applied as delivered ones are; then the two are compared again.
 */
export async function examine(services: Services, run: Run, candidate: Candidate): Promise<Examined> {
  const found = await ask(services, candidate)
  if (found === undefined) return { kind: 'foreign' }
  const { checkoutId, at } = found
  const paymentIntentId = at.intent?.id ?? null
  const of = { checkoutId, paymentIntentId, entries: disputeEntriesOf(at.disputes) }
  const { pool } = services.db
  const known = await readPaymentFacts(pool, of)
  if (known === undefined) return await unknown(services, run, checkoutId, at)
  const differences = differencesOf(known, at)
  if (differences.length === 0) return { kind: 'same' }
  const errors: string[] = []
  for (const event of differences.flatMap(({ events }) => events)) await tell(services, run, event, errors)
  const after = differencesOf((await readPaymentFacts(pool, of)) as PaymentFacts, at)
  const orderId = known.checkout.orderId
  return { kind: 'different', orderId, differences: textOf(differences), remaining: textOf(after), errors }
}

function textOf(differences: { what: string }[]): string[] {
  return differences.map(({ what }) => what)
}

/** What Stripe has, and the checkout that it is for; undefined when it is of no checkout of this shop. */
async function ask(
  services: Services,
  candidate: Candidate
): Promise<{ checkoutId: string; at: AtStripe } | undefined> {
  const { stripe, db } = services
  const polledAt = services.now()
  const { session, intentId } = candidate
  const names = await readInstallation(db.pool)
  if (candidate.sessionId !== undefined) {
    return await ask(services, bySession(await stripe.checkout.sessions.retrieve(candidate.sessionId), names))
  }
  if (session !== undefined) {
    const checkoutId = namedBy(session, names)
    return checkoutId === undefined ? undefined : { checkoutId, at: sessionAlone(session, polledAt) }
  }
  if (intentId === undefined) return undefined
  const intent = candidate.intent ?? (await readIntent(stripe, intentId))
  const checkoutId = (await findPayment(db.pool, intentId))?.checkoutId ?? namedBy(intent, names)
  if (checkoutId === undefined) return undefined
  return { checkoutId, at: await readAtStripe(stripe, intent, polledAt) }
}

function namedBy({ metadata }: { metadata: Stripe.Metadata | null }, names: string[]): string | undefined {
  const owner = ownerOf(metadata, names)
  return owner.whose === 'another' ? undefined : owner.checkoutId
}

/** Stores an event and applies it now. One that fails stays, and its job tries again and raises the alert. */
async function tell(services: Services, run: Run, event: SyntheticEvent, errors: string[]): Promise<void> {
  const eventId = await storeSyntheticEvent(services, { ...event, state: `${event.state}_${run.id}` }, run.requestId)
  if (eventId === undefined) return
  try {
    await applyEvent(services, eventId)
  } catch (error) {
    await services.queues.offer('webhook-processing', eventId)
    if (isStripeAway(error)) throw error
    errors.push(`${eventId}: ${messageOf(error)}`)
  }
}

/** It bears our name, and is for a checkout that this database does not have: it was made after the backup. */
async function unknown(services: Services, run: Run, checkoutId: string, at: AtStripe): Promise<Examined> {
  const { intent, sessions } = at
  const what = intent === null ? openSession(sessions[0]) : unknownMoney(intent, at)
  if (what === undefined) return { kind: 'same' }
  const text = `${what} names checkout ${checkoutId}, which is not in this database`
  if (intent === null) return { kind: 'unknown', what: text }
  const { db, log } = services
  const orderId = intent.metadata.orderId ?? null
  const reason = `${text}. Refund or cancel it in the Stripe dashboard, or write the order anew`
  const context = { orderId, checkoutId, requestId: run.requestId, subject: checkoutId, reason }
  await alertOnce(db.pool, log, 'payment_for_unknown_checkout', context)
  return { kind: 'unknown', what: text }
}
function openSession(session: Stripe.Checkout.Session | undefined): string | undefined {
  if (session?.status !== 'open') return undefined
  return `Session ${session.id}, which can still be paid,`
}

/** Money that came, is held or is on its way, and that has not gone back. */
function unknownMoney(intent: Stripe.PaymentIntent, { charge, disputes }: AtStripe): string | undefined {
  const isMoney = ['succeeded', 'requires_capture', 'processing'].includes(intent.status)
  if (!isMoney || (charge?.refunded === true && disputes.length === 0)) return undefined
  return `payment ${intent.id} (${intent.status})`
}

import type Stripe from 'stripe'
import { SECOND } from '../../duration.js'
import { type MinorUnits, toDecimalString } from '../../money.js'
import { statusOf as refundStatusOf } from '../../orders/events/refund.js'
import { type SyntheticEvent, sessionEvent } from '../../orders/synthetic-events.js'
import { meaningOf } from '../../rules/released-holds.js'
import { isEnded } from '../../rules/state-groups.js'
import type { CheckoutStatus, PaymentStatus } from '../../rules/transitions.js'
import type { PaymentFacts } from '../../statements/payment-facts.js'
import { type AtStripe, disputeEntriesOf } from './at-stripe.js'

/** One thing in which our rows are not what Stripe has. */
export interface Difference {
  what: string
  /** The events that would have told it; none when no event can. */
  events: SyntheticEvent[]
}

/** Everything in which what is known of a payment differs from what Stripe has; nothing when they are the same. */
export function differencesOf(known: PaymentFacts, at: AtStripe): Difference[] {
  const all = [
    ...paymentDifferences(known, at),
    ...checkoutDifferences(known, at),
    ...refundDifferences(known, at),
    ...disputeDifferences(known, at)
  ]
  if (all.length === 0 || known.checkout.status !== 'RECEIVED') return all
  const what = `checkout ${known.checkout.id} was not verified yet at the backup: start the workers, then run this again`
  return [{ what, events: [] }]
}

/** https://docs.stripe.com/payments/paymentintents/lifecycle; undefined while nothing is paid, held or on its way. */
function paymentStatusOf(intent: Stripe.PaymentIntent, sessions: Stripe.Checkout.Session[]): PaymentStatus | undefined {
  switch (intent.status) {
    case 'succeeded':
      return 'SUCCEEDED'
    case 'canceled':
      return 'CANCELLED'
    case 'requires_capture':
      return 'AUTHORIZED'
    case 'processing':
      return 'PROCESSING'
    case 'requires_payment_method':
      // Submitted, and the bank has refused the debit: it cannot be tried again.
      return sessions.some(session => session.status === 'complete') ? 'FAILED' : undefined
    default:
      return undefined
  }
}

const INTENT_EVENTS: Partial<Record<PaymentStatus, string>> = {
  SUCCEEDED: 'payment_intent.succeeded',
  CANCELLED: 'payment_intent.canceled',
  AUTHORIZED: 'payment_intent.amount_capturable_updated',
  PROCESSING: 'payment_intent.processing'
}

function paymentDifferences({ payment }: PaymentFacts, at: AtStripe): Difference[] {
  const { intent, charge } = at
  const status = intent === null ? undefined : paymentStatusOf(intent, at.sessions)
  if (intent === null || status === undefined) return []
  const { currency } = intent
  const charged = charge?.status === 'succeeded' ? charge.id : null
  const captured = status === 'SUCCEEDED' ? intent.amount_received : 0
  const differences =
    payment === undefined
      ? [`payment ${intent.id} is missing, Stripe has it ${status} with ${money(captured, currency)} captured`]
      : unequal(`payment ${intent.id}`, [
          ['is', payment.status, status],
          ['has captured', money(payment.captured, payment.currency), money(captured, currency)],
          ['is for', money(payment.amount, payment.currency), money(intent.amount, currency)],
          ['has the charge', payment.chargeId, charged ?? payment.chargeId]
        ])
  if (differences.length === 0) return []
  const type = INTENT_EVENTS[status]
  const events = [
    ...(type === undefined ? [] : [{ type, object: intent, state: intent.status }]),
    ...(charge === null || charged === null ? [] : [chargeEvent(charge)]),
    ...sessionEvents(at)
  ]
  return differences.map((what, index) => ({ what, events: index === 0 ? events : [] }))
}

function chargeEvent(charge: Stripe.Charge): SyntheticEvent {
  return { type: charge.captured ? 'charge.captured' : 'charge.succeeded', object: charge, state: charge.status }
}

function sessionEvents({ sessions, intent }: AtStripe): SyntheticEvent[] {
  return sessions.map(session => sessionEvent(session, intent)).filter(event => event !== undefined)
}

/** What is final here stays: what came after that is told by the payment. */
function checkoutDifferences({ checkout }: PaymentFacts, { sessions, intent }: AtStripe): Difference[] {
  if (isEnded(checkout.status)) return []
  return sessions.flatMap(session => {
    if (checkout.sessionId !== null && checkout.sessionId !== session.id) return []
    const status = checkoutStatusOf(session, intent)
    const event = sessionEvent(session, intent)
    if (event === undefined || status === checkout.status) return []
    return [{ what: `checkout ${checkout.id} is ${checkout.status}, Stripe has ${status}`, events: [event] }]
  })
}

function checkoutStatusOf(session: Stripe.Checkout.Session, intent: Stripe.PaymentIntent | null): CheckoutStatus {
  if (session.status === 'open') return 'OPEN'
  if (session.status === 'expired') return 'EXPIRED'
  if (session.payment_status !== 'unpaid') return 'PAID'
  return intent?.status === 'requires_payment_method' || intent?.status === 'canceled' ? 'FAILED' : 'PROCESSING'
}

function refundDifferences({ refunds }: PaymentFacts, at: AtStripe): Difference[] {
  const known = at.refunds.flatMap(refund => {
    const known = refunds.find(row => row.stripeId === refund.id)
    const status = known?.status === 'RELEASED' || isRelease(refund, known, at) ? 'RELEASED' : refundStatusOf(refund)
    const differences =
      known === undefined
        ? [`refund ${refund.id} is missing, Stripe has it ${status}`]
        : unequal(`refund ${refund.id}`, [
            ['is', known.status, status],
            ['is of', money(known.amount, known.currency), money(refund.amount, refund.currency)]
          ])
    const events = [{ type: 'refund.updated', object: refund, state: refund.status ?? 'pending' }]
    return differences.map((what, index) => ({ what, events: index === 0 ? events : [] }))
  })
  const isMade = (id: string) => at.refunds.some(refund => refund.id === id)
  const unknown = refunds.filter(({ stripeId }) => stripeId !== null && !isMade(stripeId))
  return [...known, ...unknown.map(({ stripeId }) => ({ what: `Stripe has no refund ${stripeId}`, events: [] }))]
}

/** What needs no call to be told apart; what does, its event tells. */
function isRelease(refund: Stripe.Refund, known: { requestKey: string | null } | undefined, at: AtStripe): boolean {
  const status = at.intent === null ? undefined : paymentStatusOf(at.intent, at.sessions)
  if (at.intent === null || status === undefined) return false
  const hold = { status, amount: at.intent.amount, captured: at.intent.amount_received }
  const isOurs = known !== undefined && known.requestKey !== null
  return meaningOf({ amount: refund.amount, reason: refund.reason, isOurs }, hold) === 'release'
}

function disputeDifferences({ disputes, entries }: PaymentFacts, at: AtStripe): Difference[] {
  return at.disputes.flatMap(dispute => {
    const known = disputes.find(row => row.id === dispute.id)
    const dueBy = dispute.evidence_details?.due_by
    const differences =
      known === undefined
        ? [`dispute ${dispute.id} is missing, Stripe has it ${dispute.status}`]
        : unequal(`dispute ${dispute.id}`, [
            ['is', known.status, dispute.status],
            ['is of', money(known.amount, known.currency), money(dispute.amount, dispute.currency)],
            ['is for', known.reason, dispute.reason],
            ['wants evidence by', known.evidenceDueBy?.toISOString(), dueBy ? isoOf(dueBy) : undefined]
          ])
    const unbooked = disputeEntriesOf([dispute]).filter(entry => !entries.has(entry))
    const all = [...differences, ...unbooked.map(entry => `the ledger misses ${entry} of dispute ${dispute.id}`)]
    const { status, id } = dispute
    const events = [
      { type: 'charge.dispute.updated', object: { ...dispute, id }, state: status, polledAt: at.polledAt }
    ]
    return all.map((what, index) => ({ what, events: index === 0 ? events : [] }))
  })
}

function money(amount: number, currency: string): string {
  return `${toDecimalString(amount as MinorUnits, currency)} ${currency.toUpperCase()}`
}

function isoOf(seconds: number): string {
  return new Date(seconds * SECOND).toISOString()
}

function unequal(whose: string, all: [says: string, ours: unknown, theirs: unknown][]): string[] {
  return all
    .filter(([, ours, theirs]) => ours !== theirs)
    .map(([says, ours, theirs]) => `${whose} ${says} ${ours ?? 'nothing'}, Stripe has ${theirs ?? 'nothing'}`)
}

import type Stripe from 'stripe'
import { listRefunds } from '../../runtime/stripe-client.js'

/** What Stripe has about one payment of ours, or about a Session that has none. */
export interface AtStripe {
  /** Before Stripe was asked: what it tells is not older. */
  polledAt: Date
  intent: Stripe.PaymentIntent | null
  /** The newest charge of the intent. */
  charge: Stripe.Charge | null
  refunds: Stripe.Refund[]
  disputes: Stripe.Dispute[]
  sessions: Stripe.Checkout.Session[]
}

const ALL = { limit: 1_000 }

export async function readIntent(stripe: Stripe, id: string): Promise<Stripe.PaymentIntent> {
  return await stripe.paymentIntents.retrieve(id, { expand: ['latest_charge'] })
}

/** `intent` with its latest charge expanded. */
export async function readAtStripe(stripe: Stripe, intent: Stripe.PaymentIntent, polledAt: Date): Promise<AtStripe> {
  const of = { payment_intent: intent.id, limit: 100 }
  // One after another: reconcile asks about several payments at once, and Stripe counts requests.
  const refunds = await listRefunds(stripe, intent.id)
  const disputes = await stripe.disputes.list(of).autoPagingToArray(ALL)
  const sessions = await stripe.checkout.sessions.list(of).autoPagingToArray(ALL)
  const charge = typeof intent.latest_charge === 'object' ? intent.latest_charge : null
  return { polledAt, intent: { ...intent, latest_charge: charge?.id ?? null }, charge, refunds, disputes, sessions }
}

/** A Session that has no PaymentIntent: it is open, it expired, or there was nothing to pay. */
export function sessionAlone(session: Stripe.Checkout.Session, polledAt: Date): AtStripe {
  return { polledAt, intent: null, charge: null, refunds: [], disputes: [], sessions: [session] }
}

/** The entries that the ledger has once everything that these disputes moved is booked. */
export function disputeEntriesOf(disputes: Stripe.Dispute[]): string[] {
  return disputes.flatMap(({ balance_transactions: moved }) =>
    (moved ?? []).flatMap(({ id, amount, fee }) => [
      ...(amount === 0 ? [] : [`dispute:${id}`]),
      ...(fee === 0 ? [] : [`fee:${id}`])
    ])
  )
}

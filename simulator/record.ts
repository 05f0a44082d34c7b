import type Stripe from 'stripe'
import type { Store } from './store.js'

/** Part of what an object's metadata says. */
export type Owner = Record<string, string>

/** What the account has on record, for whoever runs it: read without a request. Lists begin with the oldest. */
export interface AccountRecord {
  session(id: string): Stripe.Checkout.Session | undefined
  sessions(): Stripe.Checkout.Session[]
  sessionsOf(owner: Owner): Stripe.Checkout.Session[]
  lineItemsOf(sessionId: string): Stripe.LineItem[]
  intent(id: string): Stripe.PaymentIntent | undefined
  intents(): Stripe.PaymentIntent[]
  intentsOf(owner: Owner): Stripe.PaymentIntent[]
  charges(): Stripe.Charge[]
  chargesOf(owner: Owner): Stripe.Charge[]
  refunds(): Stripe.Refund[]
  dispute(id: string): Stripe.Dispute | undefined
  disputes(): Stripe.Dispute[]
  /** The disputes of what a PaymentIntent took. */
  disputesOf(intentId: string): Stripe.Dispute[]
  balanceTransactions(): Stripe.BalanceTransaction[]
  events(): Stripe.Event[]
  /** The events that the endpoint has not answered with 2xx. */
  undelivered(): Stripe.Event[]
  /** The keys of requests that were answered, or are under way. */
  idempotencyKeys(): string[]
  /** Puts a product and its prices on the record, as whoever makes them in the dashboard. */
  addProduct(product: Stripe.Product, prices: Stripe.Price[]): void
  /** Takes a Session or a PaymentIntent off the record, as when Stripe has deleted it; returns how to bring it back. */
  forget(id: string): () => void
  /** Takes all events off the record, as after the thirty days that Stripe lists them. */
  forgetEvents(): void
  /** Takes a key out of the metadata of a Session, and of its payment when there is one, as if it had been made without. */
  forgetMetadata(sessionId: string, key: string): void
}

export function recordOf(store: Store): AccountRecord {
  const sessions = store.table('checkout.session')
  const intents = store.table('payment_intent')
  const charges = store.table('charge')
  const disputes = store.table('dispute')
  const events = store.table('event')
  return {
    session: id => sessions.get(id),
    sessions: () => [...sessions.values()],
    sessionsOf: owner => [...sessions.values()].filter(isOf(owner)),
    lineItemsOf: sessionId => store.lineItems.get(sessionId) ?? [],
    intent: id => intents.get(id),
    intents: () => [...intents.values()],
    intentsOf: owner => [...intents.values()].filter(isOf(owner)),
    charges: () => [...charges.values()],
    chargesOf: owner => [...charges.values()].filter(isOf(owner)),
    refunds: () => [...store.table('refund').values()],
    dispute: id => disputes.get(id),
    disputes: () => [...disputes.values()],
    disputesOf: intentId => [...disputes.values()].filter(dispute => dispute.payment_intent === intentId),
    balanceTransactions: () => [...store.table('balance_transaction').values()],
    events: () => [...events.values()],
    undelivered: () =>
      [...store.deliveries.values()].flatMap(({ delivered, eventId }) => {
        const event = events.get(eventId)
        return delivered || event === undefined ? [] : [event]
      }),
    idempotencyKeys: () => [...store.answers.keys()],
    addProduct: (product, prices) => {
      store.put('product', product)
      for (const price of prices) store.put('price', price)
    },
    forget: id => takeOut(sessions, id) ?? takeOut(intents, id) ?? refuse(id),
    forgetEvents: () => events.clear(),
    forgetMetadata: (sessionId, key) => {
      for (const metadata of [sessions.get(sessionId)?.metadata, store.intentData.get(sessionId)?.metadata]) {
        if (metadata) delete metadata[key]
      }
    }
  }
}

function isOf(owner: Owner): (object: { metadata: Stripe.Metadata | null }) => boolean {
  return ({ metadata }) => Object.entries(owner).every(([key, value]) => metadata?.[key] === value)
}

function takeOut<T>(table: Map<string, T>, id: string): (() => void) | undefined {
  const kept = table.get(id)
  if (kept === undefined) return undefined
  table.delete(id)
  return () => table.set(id, kept)
}

function refuse(id: string): never {
  throw new Error(`The account has no Session or PaymentIntent ${id}.`)
}

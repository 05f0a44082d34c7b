import type Stripe from 'stripe'
import { isUnknownToStripe, listRefunds } from '../../runtime/stripe-client.js'

type Kind = 'intent' | 'charge' | 'refunds'

/** Something has to be asked of Stripe before the event can be applied; thrown to leave the transaction first. */
export class LookupNeeded extends Error {
  override readonly name = 'LookupNeeded'
  constructor(
    readonly kind: Kind,
    readonly id: string
  ) {
    super(`Stripe has to be asked for the ${kind} of ${id}`)
  }
}

/**
 * What Stripe was asked while an event is applied. A handler that needs an object which is not here yet throws
 * LookupNeeded: its transaction ends, the object is fetched, and the handler starts again (docs/golden-rules.md#rule-6).
 */
export class Lookups {
  readonly #found = new Map<string, unknown>()

  /** Null when Stripe has no such object. */
  intent(id: string): Stripe.PaymentIntent | null {
    return this.#get('intent', id)
  }

  /** With its balance transaction. */
  charge(id: string): Stripe.Charge | null {
    return this.#get('charge', id)
  }

  /** All refunds of a PaymentIntent. */
  refunds(paymentIntentId: string): Stripe.Refund[] {
    return this.#get('refunds', paymentIntentId) ?? []
  }

  /** It was asked for already. */
  has(id: string): boolean {
    return this.#found.has(`intent:${id}`) || this.#found.has(`charge:${id}`)
  }

  async fetch(stripe: Stripe, { kind, id }: LookupNeeded): Promise<void> {
    this.#found.set(`${kind}:${id}`, await fetchObject(stripe, kind, id))
  }

  #get<T>(kind: Kind, id: string): T | null {
    const key = `${kind}:${id}`
    if (!this.#found.has(key)) throw new LookupNeeded(kind, id)
    return this.#found.get(key) as T | null
  }
}

async function fetchObject(stripe: Stripe, kind: Kind, id: string): Promise<unknown> {
  try {
    switch (kind) {
      case 'intent':
        return await stripe.paymentIntents.retrieve(id)
      case 'charge':
        return await stripe.charges.retrieve(id, { expand: ['balance_transaction'] })
      case 'refunds':
        return await listRefunds(stripe, id)
    }
  } catch (error) {
    if (isUnknownToStripe(error)) return null
    throw error
  }
}

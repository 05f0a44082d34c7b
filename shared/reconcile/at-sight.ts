import type Stripe from 'stripe'
import { elsewhere } from '../rules/event-origin.js'
import { ownerOf } from '../rules/ownership.js'

/** What we make at Stripe, and what copies its metadata from that. */
const LABELLED = ['checkout.session', 'payment_intent', 'charge']

/** An event of a neighbour on the same account, as it says itself: it need not be kept. `names` are ours. */
export function isNeighbours(event: Stripe.Event, names: string[]): boolean {
  if (elsewhere(event) !== undefined) return true
  const { object, metadata } = event.data.object as { object?: string; metadata?: Stripe.Metadata | null }
  if (object === undefined || !LABELLED.includes(object)) return false
  const { whose } = ownerOf(metadata, names)
  return whose === 'another' || whose === 'silent'
}

/**
 * The events that a payment sends while it is made, and that only add to what is known of it. Those of them that wait together are
 * applied in one transaction (docs/decisions/0057). Left out are the ones that take locks of their own before the checkout's
 * (declines), and those of which each is news for the shop (refunds, disputes, ends without money).
 * https://docs.stripe.com/payments/paymentintents/lifecycle, https://docs.stripe.com/checkout/fulfillment
 */
const TOGETHER: readonly string[] = [
  'payment_intent.created',
  'payment_intent.processing',
  'payment_intent.amount_capturable_updated',
  'payment_intent.succeeded',
  'charge.succeeded',
  'charge.captured',
  'charge.updated',
  'checkout.session.completed',
  'checkout.session.async_payment_succeeded'
]

/** The PaymentIntent by whose id such an event waits with others; null for an event that is applied alone. */
export function waitsWith(type: string, object: unknown): string | null {
  if (!TOGETHER.includes(type) || typeof object !== 'object' || object === null) return null
  const { id, payment_intent: intent } = object as { id?: unknown; payment_intent?: unknown }
  if (type.startsWith('payment_intent.')) return intentId(id)
  return intentId(typeof intent === 'object' ? (intent as { id?: unknown } | null)?.id : intent)
}

function intentId(id: unknown): string | null {
  return typeof id === 'string' && /^pi_\w{1,250}$/.test(id) ? id : null
}

/** A Session comes last: what Stripe would have to be asked for its sake the others tell. */
export function inOrder<T extends { type: string }>(events: readonly T[]): T[] {
  const isSession = ({ type }: T) => type.startsWith('checkout.session.')
  return [...events.filter(event => !isSession(event)), ...events.filter(isSession)]
}

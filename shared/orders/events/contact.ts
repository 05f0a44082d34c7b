import type Stripe from 'stripe'
import { isStorable } from '../../database/storable.js'
import type { Contact } from '../../statements/orders.js'

/** Longer than what Stripe's page takes. */
const MAX_LENGTH = 800

/**
 * What the customer gave at Stripe's page, or undefined. A text that no column holds counts as not given: no payment
 * fails for it. https://docs.stripe.com/api/checkout/sessions/object#checkout_session_object-customer_details
 */
export function contactOf({ customer_details: details }: Stripe.Checkout.Session): Contact | undefined {
  if (typeof details !== 'object' || details === null) return undefined
  const contact = { email: textOf(details.email), name: textOf(details.name), phone: textOf(details.phone) }
  return Object.values(contact).every(text => text === null) ? undefined : contact
}

function textOf(value: unknown): string | null {
  if (typeof value !== 'string' || value === '' || value.length > MAX_LENGTH) return null
  return isStorable(value) ? value : null
}

import type Stripe from 'stripe'
import { fitting, stripeLimits } from './stripe-limits.js'

/** Where an order goes, as the customer gave it. */
export interface PostalAddress {
  firstName: string
  lastName: string
  email: string
  phone?: string
  street: string
  apartment?: string
  city: string
  state?: string
  postalCode?: string
  /** ISO 3166-1 alpha-2. */
  country: string
}

/**
 * The address as a payment has it at Stripe, where Radar and some payment methods look at it; undefined when what Stripe
 * requires of it is blank. A telephone number that is too long is left out: its beginning is another number.
 * https://docs.stripe.com/api/payment_intents/create#create_payment_intent-shipping
 */
export function stripeShipping(
  address: PostalAddress
): Stripe.Checkout.SessionCreateParams.PaymentIntentData.Shipping | undefined {
  const part = (text: string | undefined) => fitting(text, stripeLimits.addressPart)
  const name = part(`${address.firstName} ${address.lastName}`.trim())
  const line1 = part(address.street)
  if (name === undefined || line1 === undefined) return undefined
  const phone = fitting(address.phone, Number.POSITIVE_INFINITY)?.trim()
  return withoutMissing({
    name,
    phone: phone !== undefined && phone.length <= stripeLimits.phone ? phone : undefined,
    address: withoutMissing({
      line1,
      line2: part(address.apartment),
      city: part(address.city),
      state: part(address.state),
      postal_code: part(address.postalCode),
      country: address.country
    })
  })
}

function withoutMissing<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T
}

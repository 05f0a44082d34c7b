import type Stripe from 'stripe'

/** What a Checkout Session was made with, as far as it decides how its payment is judged. */
export interface SessionTerms {
  captureMethod: 'automatic' | 'manual'
  promotionCodes: boolean
  automaticTax: boolean
  taxBehavior: 'exclusive' | 'inclusive'
  adaptivePricing: boolean
}

/**
 * The terms of a checkout: those that stand in what its Session was made with, whatever the settings are by now. A
 * checkout from a release that did not keep them has those of today's settings.
 */
export function termsOf(
  { sessionParams }: { sessionParams: Stripe.Checkout.SessionCreateParams | null },
  today: SessionTerms
): SessionTerms {
  if (sessionParams === null) return today
  const taxed = sessionParams.line_items?.[0]?.price_data?.tax_behavior
  return {
    captureMethod: sessionParams.payment_intent_data?.capture_method === 'manual' ? 'manual' : 'automatic',
    promotionCodes: sessionParams.allow_promotion_codes === true,
    automaticTax: sessionParams.automatic_tax?.enabled === true,
    taxBehavior: taxed === 'inclusive' ? 'inclusive' : 'exclusive',
    adaptivePricing: sessionParams.adaptive_pricing?.enabled === true
  }
}

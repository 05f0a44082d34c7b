import type Stripe from 'stripe'
import type { SessionTerms } from '../../shared/session-terms.js'
import type { OwnCheckout } from './context.js'

type Difference = [what: string, ours: unknown, theirs: unknown]

/**
 * How what Stripe took differs from what was verified, or undefined. Discount codes, tax and adaptive pricing may change
 * the total, each only if the Session was made with it, and the parts have to add up.
 * https://docs.stripe.com/api/checkout/sessions/object#checkout_session_object-total_details
 */
export function sessionDifference(
  terms: SessionTerms,
  checkout: OwnCheckout,
  session: Stripe.Checkout.Session
): string | undefined {
  const differences = [
    ...identityDifferences(checkout, session),
    ...currencyDifferences(terms, checkout, session),
    ...amountDifferences(terms, checkout, session)
  ]
  if (differences.length === 0) return undefined
  return differences.map(([what, ours, theirs]) => `${what}: expected ${ours}, Stripe has ${theirs}`).join('; ')
}

function identityDifferences(checkout: OwnCheckout, session: Stripe.Checkout.Session): Difference[] {
  return different([
    ['mode', 'payment', session.mode],
    ['checkout', checkout.id, session.metadata?.checkoutId],
    ['order', checkout.orderId, session.metadata?.orderId]
  ])
}

/** https://docs.stripe.com/payments/currencies/localize-prices/adaptive-pricing */
function currencyDifferences(
  terms: SessionTerms,
  checkout: OwnCheckout,
  session: Stripe.Checkout.Session
): Difference[] {
  const source = session.currency_conversion?.source_currency ?? session.currency
  const localized = session.currency_conversion ?? session.presentment_details ?? null
  return different([
    ['currency', checkout.currency, source?.toUpperCase()],
    ['localized price', 'none', localized === null || terms.adaptivePricing ? 'none' : 'one']
  ])
}

function amountDifferences(terms: SessionTerms, checkout: OwnCheckout, session: Stripe.Checkout.Session): Difference[] {
  const expected = checkout.amount ?? 0
  const discount = session.total_details?.amount_discount ?? 0
  const tax = session.total_details?.amount_tax ?? 0
  const allowed = different([
    ['discount', 0, terms.promotionCodes ? 0 : discount],
    ['tax', 0, terms.automaticTax ? 0 : tax]
  ])
  // In the source currency Stripe tells two sums and no parts.
  if (session.currency_conversion) {
    const { amount_subtotal: goods, amount_total: total } = session.currency_conversion
    if (discount === 0 && tax === 0) return [...allowed, ...different([['amount', expected, total]])]
    return goods > expected ? [...allowed, ['goods', expected, goods]] : allowed
  }
  const shipping = session.total_details?.amount_shipping ?? 0
  const added = terms.taxBehavior === 'exclusive' ? tax : 0
  return [
    ...allowed,
    ...different([
      // What was verified, before discount and tax.
      ['amount', expected, (session.amount_subtotal ?? 0) + shipping],
      ['total', expected - discount + added, session.amount_total]
    ])
  ]
}

function different(all: Difference[]): Difference[] {
  return all.filter(([, ours, theirs]) => ours !== theirs)
}

import type Stripe from 'stripe'
import type { SessionTerms } from '../../rules/session-terms.js'
import { amountOf, currencyOf, described, type OwnCheckout, optional } from './context.js'

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
  return differences.map(([what, ours, theirs]) => `${what}: expected ${ours}, Stripe has ${shown(theirs)}`).join('; ')
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
  const source = optional(currencyOf, session.currency_conversion?.source_currency ?? session.currency, 'currency')
  const localized = session.currency_conversion ?? session.presentment_details ?? null
  return different([
    ['currency', checkout.currency, source],
    ['localized price', 'none', localized === null || terms.adaptivePricing ? 'none' : 'one']
  ])
}

function amountDifferences(terms: SessionTerms, checkout: OwnCheckout, session: Stripe.Checkout.Session): Difference[] {
  const expected = checkout.amount ?? 0
  const totals = session.total_details
  const discount = optional(amountOf, totals?.amount_discount, 'total_details.amount_discount') ?? 0
  const tax = optional(amountOf, totals?.amount_tax, 'total_details.amount_tax') ?? 0
  const allowed = different([
    ['discount', 0, terms.promotionCodes ? 0 : discount],
    ['tax', 0, terms.automaticTax ? 0 : tax]
  ])
  // In the source currency Stripe tells two sums and no parts.
  if (session.currency_conversion) {
    const goods = amountOf(session.currency_conversion.amount_subtotal, 'currency_conversion.amount_subtotal')
    const total = amountOf(session.currency_conversion.amount_total, 'currency_conversion.amount_total')
    if (discount === 0 && tax === 0) return [...allowed, ...different([['amount', expected, total]])]
    return goods > expected ? [...allowed, ['goods', expected, goods]] : allowed
  }
  const shipping = optional(amountOf, totals?.amount_shipping, 'total_details.amount_shipping') ?? 0
  const subtotal = optional(amountOf, session.amount_subtotal, 'amount_subtotal') ?? 0
  const added = terms.taxBehavior === 'exclusive' ? tax : 0
  return [
    ...allowed,
    ...different([
      // What was verified, before discount and tax.
      ['amount', expected, subtotal + shipping],
      ['total', expected - discount + added, session.amount_total]
    ])
  ]
}

function different(all: Difference[]): Difference[] {
  return all.filter(([, ours, theirs]) => ours !== theirs)
}

/** As it was, where it is a plain word; a text without quotes. */
function shown(theirs: unknown): string {
  return described(theirs).replace(/^"(.*)"$/, '$1')
}

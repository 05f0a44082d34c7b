import type { SessionTerms } from './session-terms.js'

/** A completed Session as far as it is compared; amounts in minor units. Words that are not ours are as they are shown. */
export interface SessionFacts {
  mode: string
  checkoutId: string
  orderId: string
  /** That of the shop's prices, in upper case; undefined when the Session names none. */
  currency: string | undefined
  /** The customer was shown prices in a currency of their own. */
  isLocalized: boolean
  discount: number
  tax: number
  amounts: ChargedAmounts | ConvertedAmounts
}

export interface ChargedAmounts {
  of: 'charge'
  /** Goods and delivery before discount and tax. */
  subtotal: number
  shipping: number
  /** As the Session has it: undefined when it has none. */
  total: number | undefined
}

/** With adaptive pricing Stripe tells two sums in the shop's currency, and no parts. */
export interface ConvertedAmounts {
  of: 'conversion'
  goods: number
  total: number
}

export interface VerifiedFacts {
  id: string
  orderId: string
  currency: string
  amount: number | null
}

type Difference = [what: string, ours: string | number, theirs: string | number | undefined]

/**
 * How what Stripe took differs from what was verified, or undefined. Discount codes, tax and adaptive pricing may change
 * the total, each only if the Session was made with it, and the parts have to add up.
 * https://docs.stripe.com/api/checkout/sessions/object#checkout_session_object-total_details
 */
export function sessionDifference(
  terms: SessionTerms,
  checkout: VerifiedFacts,
  session: SessionFacts
): string | undefined {
  const differences = [
    ...identityDifferences(checkout, session),
    ...currencyDifferences(terms, checkout, session),
    ...amountDifferences(terms, checkout.amount ?? 0, session)
  ]
  if (differences.length === 0) return undefined
  return differences
    .map(([what, ours, theirs]) => `${what}: expected ${ours}, Stripe has ${theirs ?? 'missing'}`)
    .join('; ')
}

function identityDifferences(checkout: VerifiedFacts, session: SessionFacts): Difference[] {
  return different([
    ['mode', 'payment', session.mode],
    ['checkout', checkout.id, session.checkoutId],
    ['order', checkout.orderId, session.orderId]
  ])
}

/** https://docs.stripe.com/payments/currencies/localize-prices/adaptive-pricing */
function currencyDifferences(terms: SessionTerms, checkout: VerifiedFacts, session: SessionFacts): Difference[] {
  return different([
    ['currency', checkout.currency, session.currency],
    ['localized price', 'none', !session.isLocalized || terms.adaptivePricing ? 'none' : 'one']
  ])
}

function amountDifferences(terms: SessionTerms, expected: number, session: SessionFacts): Difference[] {
  const { discount, tax, amounts } = session
  const allowed = different([
    ['discount', 0, terms.promotionCodes ? 0 : discount],
    ['tax', 0, terms.automaticTax ? 0 : tax]
  ])
  if (amounts.of === 'conversion') {
    const { goods, total } = amounts
    if (discount === 0 && tax === 0) return [...allowed, ...different([['amount', expected, total]])]
    return goods > expected ? [...allowed, ['goods', expected, goods]] : allowed
  }
  const added = terms.taxBehavior === 'exclusive' ? tax : 0
  return [
    ...allowed,
    ...different([
      // What was verified, before discount and tax.
      ['amount', expected, amounts.subtotal + amounts.shipping],
      ['total', expected - discount + added, amounts.total]
    ])
  ]
}

function different(all: Difference[]): Difference[] {
  return all.filter(([, ours, theirs]) => ours !== theirs)
}

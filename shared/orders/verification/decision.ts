import type { AlertName } from '../../audit/alerts.js'
import type { ProblemCode, ProblemExtras } from '../../errors.js'
import type { Refusal } from '../../rules/checkout-outcome.js'
import type { PostalAddress } from '../../rules/postal-address.js'
import type { PricedCart } from '../../rules/price-cart.js'
import type { CheckoutRow } from '../../statements/checkouts.js'

/** What becomes of a checkout that was received. */
export type Decision = Acceptance | Rejection | Wait

export interface Acceptance {
  outcome: 'accept'
  orderId: string
  /** Where the order goes, when it says so. */
  address: PostalAddress | null
  /** The order takes the cart's lines: it came with this cart, or with an earlier one that was not paid. */
  fillsOrder: boolean
  cart: PricedCart
  /** Why the customer's bank has to authenticate; empty when it need not. */
  challenge: string[]
}

export interface Rejection {
  outcome: 'reject'
  refusal: Refusal
  /** The reason for the audit trail when the customer is told another one. */
  internal?: string
  alert?: { name: AlertName; orderId: string; reason: string }
}

/** An open checkout has to end at Stripe first; then it is decided again. */
export interface Wait {
  outcome: 'wait'
  endsFirst: CheckoutRow
}

export function rejection(
  code: ProblemCode,
  extras: ProblemExtras,
  also: Pick<Rejection, 'internal' | 'alert'> = {}
): Rejection {
  return { outcome: 'reject', refusal: { code, extras }, ...also }
}

// The only tables of how states move: each state with those that may follow it.

export type CheckoutStatus =
  | 'RECEIVED'
  | 'VERIFIED'
  | 'OPEN'
  | 'PROCESSING'
  | 'PAID'
  | 'EXPIRED'
  | 'REJECTED'
  | 'FAILED'

export type OrderStatus =
  | 'PENDING'
  | 'PROCESSING'
  | 'AUTHORIZED'
  | 'PAID'
  | 'PARTIALLY_REFUNDED'
  | 'REFUNDED'
  | 'DISPUTED'
  | 'CANCELLED'
  | 'NEEDS_REVIEW'

type Table<S extends string> = Record<S, readonly S[]>

/**
 * A webhook can overtake the commit that stores the Session, so what moves OPEN forward moves VERIFIED too; and the
 * failure of a bank debit can overtake its `completed`, so OPEN may become FAILED.
 * https://docs.stripe.com/api/checkout/sessions/object#checkout_session_object-status
 * https://docs.stripe.com/payments/checkout/fulfill-orders#delayed-notification
 */
export const checkoutTransitions = {
  RECEIVED: ['VERIFIED', 'REJECTED', 'FAILED'],
  VERIFIED: ['OPEN', 'FAILED', 'PROCESSING', 'PAID', 'EXPIRED'],
  OPEN: ['PROCESSING', 'PAID', 'EXPIRED', 'FAILED'],
  PROCESSING: ['PAID', 'FAILED'],
  PAID: [],
  EXPIRED: [],
  REJECTED: [],
  FAILED: []
} as const satisfies Table<CheckoutStatus>

/**
 * PENDING → CANCELLED is the order that a refused cart brought with it (docs/decisions/0004-order-of-a-refused-cart.md).
 * PROCESSING → PENDING is the bank debit that failed: the order can be paid again.
 */
export const orderTransitions = {
  PENDING: ['PROCESSING', 'AUTHORIZED', 'PAID', 'CANCELLED', 'NEEDS_REVIEW'],
  PROCESSING: ['PAID', 'PENDING', 'NEEDS_REVIEW'],
  AUTHORIZED: ['PAID', 'CANCELLED', 'NEEDS_REVIEW'],
  PAID: ['PARTIALLY_REFUNDED', 'REFUNDED', 'DISPUTED', 'NEEDS_REVIEW'],
  PARTIALLY_REFUNDED: ['REFUNDED', 'DISPUTED', 'NEEDS_REVIEW'],
  REFUNDED: ['NEEDS_REVIEW'],
  DISPUTED: ['PAID', 'NEEDS_REVIEW'],
  CANCELLED: ['NEEDS_REVIEW'],
  NEEDS_REVIEW: []
} as const satisfies Table<OrderStatus>

/** Every state that may become `to`, for the WHERE of a compare-and-set. */
export function sourcesOf<S extends string>(table: Table<S>, to: S): S[] {
  return (Object.keys(table) as S[]).filter(from => table[from].includes(to))
}

/** The customer can still pay through this checkout, now or once its Session exists. */
export function isPayable(status: CheckoutStatus): boolean {
  return status === 'RECEIVED' || status === 'VERIFIED' || status === 'OPEN'
}

/** The workers still have something to do before the customer can be answered. */
export function isInFlight(status: CheckoutStatus): boolean {
  return status === 'RECEIVED' || status === 'VERIFIED'
}

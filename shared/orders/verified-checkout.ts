import { TerminalError } from '../errors.js'
import type { CheckoutRow } from '../statements/checkouts.js'

/** A checkout whose prices are verified: which order it pays, how much (minor units), and until when. */
export interface VerifiedCheckout extends CheckoutRow {
  orderId: string
  amount: number
  sessionExpiresAt: Date
}

/** The row of a checkout that is VERIFIED or was. Throws a TerminalError when it lacks what verification writes. */
export function verifiedCheckout(checkout: CheckoutRow): VerifiedCheckout {
  const { amount, sessionExpiresAt } = checkout
  const orderId = orderIdOf(checkout)
  if (amount === null || sessionExpiresAt === null) throw new TerminalError(`checkout ${checkout.id} is not verified`)
  return { ...checkout, orderId, amount, sessionExpiresAt }
}

/** The order that a checkout pays: before it is verified, the one that its cart names or that came with it. */
export function orderIdOf({ id, orderId, cart }: Pick<CheckoutRow, 'id' | 'orderId' | 'cart'>): string {
  const order = orderId ?? cart.orderId
  if (order === undefined) throw new TerminalError(`checkout ${id} has no order`)
  return order
}

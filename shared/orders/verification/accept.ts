import { together } from '../../database/together.js'
import { MINUTE } from '../../duration.js'
import { quantitiesOf } from '../../rules/order-line.js'
import { type CheckoutMove, type CheckoutRow, moveCheckout } from '../../statements/checkouts.js'
import { fillOrder } from '../../statements/orders.js'
import { reserveStock } from '../../statements/stock.js'
import { type Change, trailOf } from '../change.js'
import { sessionParams } from '../session-params.js'
import type { VerifiedCheckout } from '../verified-checkout.js'
import type { Acceptance } from './decision.js'

/** RECEIVED → VERIFIED: the stock is reserved, the order has its lines, and what its Session is made of is kept. The row as it is then. */
export async function accept(
  { services, client }: Change,
  checkout: CheckoutRow,
  { orderId, address, fillsOrder, cart, challenge }: Acceptance,
  installation: string
): Promise<VerifiedCheckout> {
  const now = services.now()
  const verified: VerifiedCheckout = {
    ...checkout,
    orderId,
    amount: cart.total,
    risk: challenge.length > 0 ? 'CHALLENGE' : null,
    sessionExpiresAt: new Date(now.getTime() + services.config.payment.sessionMinutes * MINUTE)
  }
  const move: CheckoutMove = {
    to: 'VERIFIED',
    now,
    orderId,
    amount: verified.amount,
    risk: verified.risk,
    sessionExpiresAt: verified.sessionExpiresAt,
    sessionParams: sessionParams(services.config, installation, verified, cart.lines, address),
    audit: [
      {
        action: 'checkout_verified',
        status: 'SUCCESS',
        ...trailOf(verified),
        amount: verified.amount,
        currency: checkout.currency,
        before: checkout.status,
        after: 'VERIFIED',
        metadata: challenge.length > 0 ? { fraud: 'challenge', reasons: challenge } : null
      }
    ]
  }
  const [isReserved, moved] = await together(client, [
    () => reserveStock(client, checkout.id, quantitiesOf(cart.lines), now),
    () => moveCheckout(client, checkout.id, move),
    ...(fillsOrder ? [() => fillOrder(client, { id: orderId, ...cart, now })] : [])
  ])
  // The transaction ends, and with it whatever the others have written.
  if (!isReserved) throw new Error('Stock that was just seen could not be reserved')
  if (moved === undefined) throw new Error(`Checkout ${checkout.id} is not what it was when it was locked`)
  return { ...verified, status: 'VERIFIED', sessionParams: moved.sessionParams }
}

import { alertOnce } from '../../audit/alerts.js'
import { onCommit } from '../../database/on-commit.js'
import { countCartErrors } from '../../metrics/checkouts.js'
import { cartErrorKind, withoutSentName } from '../../rules/cart-errors.js'
import { checkoutOutcome } from '../../rules/checkout-outcome.js'
import { type CheckoutRow, moveCheckout } from '../../statements/checkouts.js'
import { cancelOrder } from '../advance.js'
import { type Change, trailOf } from '../change.js'
import { orderIdOf } from '../verified-checkout.js'
import type { Rejection } from './decision.js'

/** RECEIVED → REJECTED, with the answer that the customer gets; the order that came with the cart ends with it. */
export async function reject(change: Change, checkout: CheckoutRow, rejection: Rejection): Promise<void> {
  const { services, client } = change
  const { refusal } = rejection
  const orderId = orderIdOf(checkout)
  const trail = trailOf({ ...checkout, orderId })
  await raise(change, checkout, rejection)
  const kinds = (refusal.extras.details ?? []).map(cartErrorKind).filter(kind => kind !== undefined)
  onCommit(client, () => countCartErrors(kinds))
  await moveCheckout(client, checkout.id, {
    to: 'REJECTED',
    now: services.now(),
    refusal,
    outcome: checkoutOutcome({ ...checkout, status: 'REJECTED', refusal }),
    audit: [
      {
        action: `checkout_${refusal.code}`,
        status: 'FAILED',
        ...trail,
        before: checkout.status,
        after: 'REJECTED',
        error: reasonOf(rejection)
      }
    ]
  })
  if (checkout.ownsOrder) await cancelOrder({ ...change, trail }, orderId, 'its cart was refused')
  services.log.info({ requestId: checkout.requestId, checkoutId: checkout.id, code: refusal.code }, 'checkout rejected')
}

async function raise({ services, client }: Change, checkout: CheckoutRow, { alert }: Rejection): Promise<void> {
  if (alert === undefined) return
  const { userId, id: checkoutId, requestId, ipAddress, userAgent } = checkout
  const { name, ...what } = alert
  await alertOnce(client, services.log, name, {
    userId,
    checkoutId,
    requestId,
    from: { ipAddress, userAgent },
    ...what
  })
}

function reasonOf({ internal, refusal: { extras } }: Rejection): string | undefined {
  return internal ?? extras.details?.map(withoutSentName).join('; ') ?? extras.detail
}

import { alertOfCheckout } from '../audit/alerts.js'
import type { Client } from '../database/database.js'
import type { Logger } from '../logger.js'
import type { CheckoutRow } from '../statements/checkouts.js'

type UnknownCheckout = Pick<CheckoutRow, 'id' | 'orderId' | 'sessionId' | 'status'>

/**
 * Stripe has no Session of a checkout that is not over. Its stock stays held: only a person can tell a deleted Session from
 * a key of another account. That is another cause once there are several: they share one alert, and the trail and
 * `ops attention` have each.
 */
export async function reportUnknownSession(
  client: Client,
  log: Logger,
  checkout: UnknownCheckout,
  requestId: string
): Promise<void> {
  const { id: checkoutId, orderId, sessionId, status } = checkout
  const reason = `Stripe has no Session ${sessionId} of a checkout that is ${status}. Suggested: ${endUnknown(checkoutId)}`
  await alertOfCheckout(client, log, 'session_unknown', {
    orderId,
    checkoutId,
    requestId,
    reason
  })
}

/** The command by which a person ends a checkout whose Session was deleted at Stripe. */
export function endUnknown(checkoutId: string): string {
  return `npm run ops -- checkout expire ${checkoutId} --unknown-to-stripe --reason "…"`
}

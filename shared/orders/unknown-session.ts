import { alertOnce } from '../audit/alerts.js'
import type { Queryable } from '../database/database.js'
import type { Logger } from '../logger.js'
import type { CheckoutRow } from '../statements/checkouts.js'

/**
 * Stripe has no Session of a checkout that is not over. Its stock stays held: only a person can tell a deleted Session from
 * a key of another account.
 */
export async function reportUnknownSession(
  db: Queryable,
  log: Logger,
  checkout: Pick<CheckoutRow, 'id' | 'orderId' | 'sessionId' | 'status'>,
  requestId: string
): Promise<void> {
  const { id: checkoutId, orderId, sessionId, status } = checkout
  const command = `npm run ops -- checkout expire ${checkoutId} --unknown-to-stripe --reason "…"`
  const reason = `Stripe has no Session ${sessionId} of a checkout that is ${status}. Suggested: ${command}`
  await alertOnce(db, log, 'session_unknown', { orderId, checkoutId, requestId, reason })
}

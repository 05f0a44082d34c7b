import { alertOnce } from '../audit/alerts.js'
import type { Client } from '../database/database.js'
import type { Logger } from '../logger.js'
import { findOpenSubjects, lockAlertName } from '../statements/alerts.js'
import type { CheckoutRow } from '../statements/checkouts.js'

/** The subject of the one alert for all the checkouts beyond the first. */
export const SEVERAL = 'several checkouts'

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
  // Of several that are seen at once all but one see another.
  await lockAlertName(client, 'session_unknown')
  const open = await findOpenSubjects(client, 'session_unknown')
  const isOneOfSeveral = open.length > 0 && !open.includes(checkoutId)
  const reason = `Stripe has no Session ${sessionId} of a checkout that is ${status}. Suggested: ${endUnknown(checkoutId)}`
  await alertOnce(client, log, 'session_unknown', {
    orderId,
    checkoutId,
    requestId,
    subject: isOneOfSeveral ? SEVERAL : checkoutId,
    reason
  })
}

/** The command by which a person ends a checkout whose Session was deleted at Stripe. */
export function endUnknown(checkoutId: string): string {
  return `npm run ops -- checkout expire ${checkoutId} --unknown-to-stripe --reason "…"`
}

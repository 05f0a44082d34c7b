import type { Queryable } from '../database/database.js'
import { checkoutStates, eventStates, notificationStates, orderStates } from '../rules/state-groups.js'
import { oneOf } from './states.js'

/** Rows that wait for somebody or something, or tell of the last day, under the names that the metrics give them. */
export async function countRows(db: Queryable): Promise<{ what: string; count: number }[]> {
  const { rows } = await db.query<{ what: string; count: number }>(
    `SELECT 'open alerts' AS what, count(*)::int FROM "Alert" WHERE "resolvedAt" IS NULL
     UNION ALL SELECT 'dead events', count(*)::int FROM "WebhookEvent" WHERE "status" ${oneOf(eventStates.dead)}
     UNION ALL SELECT 'events to apply', count(*)::int FROM "WebhookEvent" WHERE "status" ${oneOf(eventStates.received)}
     UNION ALL SELECT 'checkouts under way', count(*)::int FROM "Checkout" WHERE "status" ${oneOf(checkoutStates.inFlight)}
     UNION ALL SELECT 'orders in review', count(*)::int FROM "Order" WHERE "status" ${oneOf(orderStates.inReview)}
     UNION ALL SELECT 'notifications to send', count(*)::int FROM "Notification" WHERE "status" ${oneOf(notificationStates.pending)}
     UNION ALL SELECT 'failed notifications', count(*)::int FROM "Notification" WHERE "status" ${oneOf(notificationStates.failed)}
     UNION ALL SELECT 'checkouts challenged in a day', count(*)::int FROM "PaymentAuditLog"
       WHERE "createdAt" > now() - interval '1 day' AND "action" = 'checkout_verified' AND "metadata"->>'fraud' = 'challenge'
     UNION ALL SELECT 'checkouts blocked in a day', count(*)::int FROM "PaymentAuditLog"
       WHERE "createdAt" > now() - interval '1 day' AND "action" = 'checkout_payment_blocked'`
  )
  return rows
}

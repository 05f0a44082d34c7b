import type { Queryable } from '../database/database.js'
import { checkoutStates } from '../rules/state-groups.js'
import { oneOf } from './states.js'

/** How much went through since a moment. */
export interface Pulse {
  checkouts: number
  /** Stripe's pages that were made to pay at. */
  sessions: number
  /** Checkouts that were refused or failed. */
  refusals: number
  payments: number
  events: number
}

/** Each from the rows of the time asked about, by an index. */
export async function readPulse(db: Queryable, since: Date): Promise<Pulse> {
  const { rows } = await db.query<Pulse>({
    name: 'read-pulse',
    text: `
    SELECT trail.checkouts, trail.sessions,
      (SELECT count(*)::int FROM "Checkout" WHERE "status" ${oneOf(checkoutStates.refused)} AND "updatedAt" >= $1) AS refusals,
      (SELECT count(*)::int FROM "LedgerPosting" WHERE "createdAt" >= $1 AND "account" = 'SALES' AND "amount" < 0 AND "entry" LIKE 'capture:%') AS payments,
      (SELECT count(*)::int FROM "WebhookEvent" WHERE "receivedAt" >= $1) AS events
    FROM (
      SELECT count(*) FILTER (WHERE "action" = 'checkout_received')::int AS checkouts,
        count(*) FILTER (WHERE "action" = 'checkout_session_created')::int AS sessions
      FROM "PaymentAuditLog" WHERE "createdAt" >= $1
    ) trail`,
    values: [since]
  })
  return rows[0] ?? { checkouts: 0, sessions: 0, refusals: 0, payments: 0, events: 0 }
}

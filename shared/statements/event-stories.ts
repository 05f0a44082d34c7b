import type { Queryable } from '../database/database.js'
import { eventStates } from '../rules/state-groups.js'
import { oneOf } from './states.js'
import type { WebhookEventRow } from './webhook-events.js'

export interface ToldEvent extends WebhookEventRow {
  resolvedBy: string | null
  note: string | null
}

const OPEN = `("status" ${oneOf(eventStates.dead)} OR "status" ${oneOf(eventStates.received)})`

/**
 * The events of these checkouts, oldest first, with their payloads; and of what is not applied, and so belongs to no checkout
 * yet, whatever names one of `ids`: a Session, a PaymentIntent.
 */
export async function findEventsAbout(
  db: Queryable,
  checkoutIds: string[],
  ids: string[],
  limit: number
): Promise<ToldEvent[]> {
  const { rows } = await db.query<ToldEvent>(
    `SELECT * FROM "WebhookEvent" WHERE "checkoutId" = ANY($1)
       OR (${OPEN} AND EXISTS (SELECT FROM unnest($2::text[]) AS id WHERE strpos("payload", '"' || id || '"') > 0))
     ORDER BY "receivedAt", "created", "id" LIMIT $3`,
    [checkoutIds, ids, limit]
  )
  return rows
}

import type { QueryConfig } from 'pg'
import type { Queryable } from '../database/database.js'
import { checkoutStates, eventStates, refundStates } from '../rules/state-groups.js'
import { oneOf } from './states.js'

/** New checkouts and orders are refused until it is switched off, or until `until`. */
export interface Maintenance {
  on: boolean
  message: string
  /** ISO 8601; null for until it is switched off. */
  until: string | null
}

/** Waits `withinMs` milliseconds for an answer; without it, as long as for other statements. */
export async function readMaintenance(db: Queryable, withinMs?: number): Promise<Maintenance | undefined> {
  const statement: QueryConfig & { query_timeout?: number } = {
    name: 'read-maintenance',
    text: `SELECT "value" FROM "Switch" WHERE "name" = 'maintenance'`,
    query_timeout: withinMs
  }
  const { rows } = await db.query<{ value: Maintenance }>(statement)
  return rows[0]?.value
}

export async function switchMaintenance(db: Queryable, value: Maintenance, by: string, now: Date): Promise<void> {
  await db.query(
    `INSERT INTO "Switch" ("name", "value", "updatedAt", "updatedBy") VALUES ('maintenance', $1, $2, $3)
     ON CONFLICT ("name") DO UPDATE SET "value" = EXCLUDED."value", "updatedAt" = EXCLUDED."updatedAt", "updatedBy" = EXCLUDED."updatedBy"`,
    [JSON.stringify(value), now, by]
  )
}

/**
 * Whether the shop is told of its orders, as the workers' settings say: a command in a shell without them moves orders,
 * too. True when that is news: it was otherwise before, or is on for the first time.
 */
export async function switchNotifications(db: Queryable, on: boolean, now: Date): Promise<boolean> {
  const { rows } = await db.query<{ isFirst: boolean }>(
    `INSERT INTO "Switch" AS s ("name", "value", "updatedAt", "updatedBy") VALUES ('notifications', $1, $2, 'workers')
     ON CONFLICT ("name") DO UPDATE SET "value" = EXCLUDED."value", "updatedAt" = EXCLUDED."updatedAt", "updatedBy" = EXCLUDED."updatedBy"
     WHERE s."value" <> EXCLUDED."value" RETURNING xmax = 0 AS "isFirst"`,
    [JSON.stringify({ on }), now]
  )
  return rows.some(({ isFirst }) => on || !isFirst)
}

/** What a deploy should wait for: rows that a job is working off. */
export async function countUnderWay(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `SELECT ((SELECT count(*) FROM "Checkout" WHERE "status" ${oneOf(checkoutStates.inFlight)})
       + (SELECT count(*) FROM "WebhookEvent" WHERE "status" ${oneOf(eventStates.received)})
       + (SELECT count(*) FROM "Refund" WHERE "status" ${oneOf(refundStates.requested)}))::int AS count`
  )
  return rows[0]?.count ?? 0
}

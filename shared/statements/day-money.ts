import type { Queryable } from '../database/database.js'

/** What the ledger has booked on one day (UTC) in one currency, in minor units; what went out is below zero. */
export interface DayMoney {
  /** YYYY-MM-DD */
  day: string
  currency: string
  captured: number
  refunded: number
  disputed: number
  fees: number
  /** How many captures there were. */
  payments: number
}

/** Days on which money moved, since a moment, oldest first. The credited side of SALES is what was taken. */
export async function readDayMoney(db: Queryable, since: Date): Promise<DayMoney[]> {
  const { rows } = await db.query<DayMoney>(
    `SELECT to_char("createdAt" AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, "currency",
       (-COALESCE(sum("amount") FILTER (WHERE "account" = 'SALES'), 0))::bigint AS captured,
       (-COALESCE(sum("amount") FILTER (WHERE "account" = 'REFUNDS'), 0))::bigint AS refunded,
       (-COALESCE(sum("amount") FILTER (WHERE "account" = 'DISPUTES'), 0))::bigint AS disputed,
       (-COALESCE(sum("amount") FILTER (WHERE "account" = 'FEES'), 0))::bigint AS fees,
       (count(*) FILTER (WHERE "account" = 'SALES' AND "amount" < 0 AND "entry" LIKE 'capture:%'))::int AS payments
     FROM "LedgerPosting" WHERE "createdAt" >= $1 GROUP BY 1, 2 ORDER BY 2, 1`,
    [since]
  )
  return rows
}

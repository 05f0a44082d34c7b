import type { Queryable } from '../database/database.js'

export interface DisputeRecord {
  id: string
  paymentIntentId: string
  orderId: string
  status: string
  reason: string
  amount: number
  currency: string
  evidenceDueBy: Date | null
  eventTime: Date
  eventRank: number
  now: Date
}

/**
 * Keeps a dispute as the newest event has it. Returns the status that it had before (null when it is new), and whether
 * this is the newest event.
 */
export async function recordDispute(
  db: Queryable,
  d: DisputeRecord
): Promise<{ before: string | null; isNewest: boolean }> {
  const { rows } = await db.query<{ before: string | null; isNewest: boolean }>(
    `WITH known AS (SELECT "status" FROM "Dispute" WHERE "id" = $1), written AS (
       INSERT INTO "Dispute" AS d ("id", "paymentIntentId", "orderId", "status", "reason", "amount", "currency", "evidenceDueBy",
         "toldAt", "toldRank", "createdAt", "updatedAt") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
       ON CONFLICT ("id") DO UPDATE SET "status" = EXCLUDED."status", "reason" = EXCLUDED."reason", "amount" = EXCLUDED."amount",
         "evidenceDueBy" = EXCLUDED."evidenceDueBy", "toldAt" = EXCLUDED."toldAt", "toldRank" = EXCLUDED."toldRank",
         "updatedAt" = EXCLUDED."updatedAt"
       WHERE (EXCLUDED."toldAt", EXCLUDED."toldRank") > (d."toldAt", d."toldRank") RETURNING "id")
     SELECT (SELECT "status" FROM known) AS before, EXISTS (SELECT FROM written) AS "isNewest"`,
    [
      d.id,
      d.paymentIntentId,
      d.orderId,
      d.status,
      d.reason,
      d.amount,
      d.currency,
      d.evidenceDueBy,
      d.eventTime,
      d.eventRank,
      d.now
    ]
  )
  return rows[0] ?? { before: null, isNewest: false }
}

export async function findDisputesOf(
  db: Queryable,
  paymentIntentIds: string[]
): Promise<Pick<DisputeRecord, 'id' | 'paymentIntentId' | 'status'>[]> {
  const { rows } = await db.query<Pick<DisputeRecord, 'id' | 'paymentIntentId' | 'status'>>(
    'SELECT "id", "paymentIntentId", "status" FROM "Dispute" WHERE "paymentIntentId" = ANY($1)',
    [paymentIntentIds]
  )
  return rows
}

/**
 * Until when the next dispute wants to be answered; null when none does.
 * https://docs.stripe.com/api/disputes/object#dispute_object-status
 */
export async function nextEvidenceDue(db: Queryable, now: Date): Promise<Date | null> {
  const { rows } = await db.query<{ at: Date | null }>(
    `SELECT min("evidenceDueBy") AS at FROM "Dispute"
     WHERE "status" IN ('needs_response', 'warning_needs_response', 'appeal_needs_response') AND "evidenceDueBy" > $1`,
    [now]
  )
  return rows[0]?.at ?? null
}

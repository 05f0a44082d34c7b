import type { Queryable } from '../database/database.js'

const COLUMNS =
  '"action", "status", "userId", "orderId", "checkoutId", "eventId", "amount", "currency", "before", "after", "error", "ipAddress", "userAgent", "requestId", "metadata"'

/**
 * The audit insert as a part of a larger statement, so that the effect and its audit row are one statement.
 * `parameter` is the number of the JSON parameter that auditParameter() makes.
 */
export function auditInsert(parameter: number, onlyIf = 'true'): string {
  return `INSERT INTO "PaymentAuditLog" (${COLUMNS})
    SELECT ${COLUMNS} FROM jsonb_to_recordset($${parameter}::jsonb) AS entry(
      "action" text, "status" "AuditStatus", "userId" text, "orderId" text, "checkoutId" text, "eventId" text,
      "amount" bigint, "currency" text, "before" text, "after" text, "error" text, "ipAddress" text, "userAgent" text,
      "requestId" text, "metadata" jsonb)
    WHERE ${onlyIf}`
}

/** `rows` as auditParameter() makes them. */
export async function insertAuditRows(db: Queryable, rows: string): Promise<void> {
  await db.query(auditInsert(1), [rows])
}

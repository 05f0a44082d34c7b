import type { Queryable } from '../database/database.js'
import { maskText, maskValue } from '../identity/masking.js'

/** One line of the audit trail; amounts in minor units. */
export interface AuditEntry {
  action: string
  status: 'SUCCESS' | 'FAILED' | 'PROCESSING'
  userId?: string | null
  orderId?: string | null
  checkoutId?: string | null
  eventId?: string | null
  amount?: number | null
  currency?: string | null
  /** The state before and after, where one changed. */
  before?: string | null
  after?: string | null
  error?: string | null
  ipAddress?: string | null
  userAgent?: string | null
  requestId?: string | null
  metadata?: Record<string, unknown> | null
}

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

/** Nobody can change what is in the trail: what tells who somebody is, beyond the user's id, does not come into it. */
export function auditParameter(...entries: AuditEntry[]): string {
  return JSON.stringify(
    entries.map(entry => ({
      ...entry,
      error: entry.error && maskText(entry.error).slice(0, 255),
      metadata: maskValue(entry.metadata)
    }))
  )
}

/** Writes audit rows by themselves, within the caller's transaction when `db` is its client. */
export async function writeAudit(db: Queryable, ...entries: AuditEntry[]): Promise<void> {
  await db.query(auditInsert(1), [auditParameter(...entries)])
}

import type { Queryable } from '../database/database.js'
import { storableJson } from '../database/storable.js'
import { maskText, maskValue } from '../identity/masking.js'
import { insertAuditRows } from '../statements/audit-rows.js'

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

/** Nobody can change what is in the trail: what tells who somebody is, beyond the user's id, does not come into it. */
export function auditParameter(...entries: AuditEntry[]): string {
  return storableJson(
    entries.map(entry => ({
      ...entry,
      error: entry.error && maskText(entry.error).slice(0, 255),
      metadata: maskValue(entry.metadata)
    }))
  )
}

/** Writes audit rows by themselves, within the caller's transaction when `db` is its client. */
export async function writeAudit(db: Queryable, ...entries: AuditEntry[]): Promise<void> {
  await insertAuditRows(db, auditParameter(...entries))
}

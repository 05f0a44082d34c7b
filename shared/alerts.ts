import { type AuditEntry, writeAudit } from './audit.js'
import type { Queryable } from './database.js'
import { newId } from './ids.js'
import type { Logger } from './logger.js'
import { maskText } from './masking.js'

/** Every alert there is, with what an operator should do about it. */
export const alerts = {
  payment_mismatch: 'Stripe took another amount, currency or order than ours. Compare the two, then refund or accept.',
  payment_unexpected:
    'A payment arrived for an order that could not take it. Refund it, or accept it: the reason says how.',
  payment_for_unknown_checkout:
    'Stripe reports a payment for a checkout that this database does not have. Check for a restored backup.',
  refund_failed: 'A refund did not reach the customer. Pay it back another way, or ask for another refund.',
  refund_refused: 'Stripe refused to make a refund. Read its reason; nothing was paid back.',
  dispute_open: 'The customer’s bank asks for the money back. Answer with evidence in the Stripe dashboard in time.',
  dispute_lost: 'A dispute was lost: the money is gone. Do not refund it as well.',
  early_fraud_warning: 'The card’s bank suspects fraud. Consider a refund now: it avoids the dispute and its fee.',
  payment_in_review: 'Stripe Radar wants a person to look at this payment before the goods are sent.',
  authorization_lapses: 'An authorization lapses soon. Capture it or cancel it: npm run ops -- order capture|cancel ID',
  notification_failed: 'The shop did not take a notification. Mend it, then: npm run ops -- notifications replay ID',
  dead_event: 'An event could not be applied. Read its error, mend the cause, then: npm run ops -- events replay ID',
  session_refused: 'Stripe refused to create a Session. Read the message; it is often a key or an account setting.',
  order_of_another_user: 'A customer asked for, or tried to pay, the order of another one.',
  session_unknown:
    'Stripe does not know the Session of an open checkout. Is STRIPE_SECRET_KEY of the account that made it? If the Session was deleted, expire the checkout.',
  stuck_event:
    'An event could not be applied for long because Stripe or the database was away. It will be, once both are back.',
  stuck_checkout: 'A checkout could not be settled after many tries. Look at Stripe’s status page and at the log.'
} as const satisfies Record<string, string>

export type AlertName = keyof typeof alerts

export interface AlertContext {
  userId?: string | null
  orderId?: string | null
  checkoutId?: string | null
  eventId?: string | null
  requestId?: string | null
  /** Who was at it, for the audit trail alone. */
  from?: { ipAddress: string | null; userAgent: string | null }
  reason: string
}

function auditOf(name: AlertName, { reason, from, ...ids }: AlertContext): AuditEntry {
  return { action: `alert_${name}`, status: 'FAILED', error: reason, ...ids, ...from }
}

/** As alert(), but what is open already for the same user and order is only written into the audit trail again. */
export async function alertOnce(db: Queryable, log: Logger, name: AlertName, context: AlertContext): Promise<void> {
  const { rowCount } = await db.query(
    `SELECT FROM "Alert" WHERE "name" = $1 AND "resolvedAt" IS NULL AND "context"->>'userId' IS NOT DISTINCT FROM $2
       AND "context"->>'orderId' IS NOT DISTINCT FROM $3 LIMIT 1`,
    [name, context.userId ?? null, context.orderId ?? null]
  )
  if (rowCount === 0) return await alert(db, log, name, context)
  await writeAudit(db, auditOf(name, context))
}

/** Raises an alert: an audit row, an error line, and an entry that `ops attention` lists until it is resolved. */
export async function alert(db: Queryable, log: Logger, name: AlertName, context: AlertContext): Promise<void> {
  const { from: _private, ...told } = context
  const known = { ...told, reason: maskText(told.reason) }
  await db.query('INSERT INTO "Alert" ("id", "name", "context") VALUES ($1, $2, $3)', [
    newId(),
    name,
    JSON.stringify(known)
  ])
  await writeAudit(db, auditOf(name, context))
  log.error({ alert: name, ...known }, alerts[name])
}

/** Resolves an alert, audited. False when it is not open. Call it in a transaction. */
export async function resolveAlert(
  db: Queryable,
  id: string,
  end: { by: string; note: string; now: Date }
): Promise<boolean> {
  const { rowCount } = await db.query(
    'UPDATE "Alert" SET "resolvedAt" = $2, "resolvedBy" = $3, "note" = $4 WHERE "id" = $1 AND "resolvedAt" IS NULL',
    [id, end.now, end.by, maskText(end.note)]
  )
  if (rowCount === 0) return false
  await writeAudit(db, {
    action: 'alert_resolved',
    status: 'SUCCESS',
    metadata: { alert: id, operator: end.by, note: end.note }
  })
  return true
}

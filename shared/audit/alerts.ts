import { createHash } from 'node:crypto'
import type { Queryable } from '../database/database.js'
import { storableJson, storableText } from '../database/storable.js'
import { maskText } from '../identity/masking.js'
import { newId } from '../ids.js'
import type { Logger } from '../logger.js'
import { closeAlert, raiseAlert } from '../statements/alerts.js'
import { type AuditEntry, auditParameter, writeAudit } from './audit.js'

/** Every alert there is, with what an operator should do about it. */
export const alerts = {
  payment_mismatch: 'Stripe took another amount, currency or order than ours. Compare the two, then refund or accept.',
  payment_unexpected:
    'A payment arrived for an order that could not take it. Refund it, or accept it: the reason says how.',
  payment_for_unknown_checkout:
    'Stripe reports a payment for a checkout that this database does not have. Check for a restored backup.',
  installation_name_lost:
    'Stripe tells of a checkout of this database under the name of another installation. If that is what this one was called before a restore: npm run ops -- shop --name NAME, then reconcile --objects. If this is a copy of its database: nothing.',
  thin_events:
    'Stripe delivers thin events of a type that this shop needs; they tell nothing of the payment. Set the destination to the payload style "snapshot".',
  refund_failed: 'A refund did not reach the customer. Pay it back another way, or ask for another refund.',
  refund_refused: 'Stripe refused to make a refund. Read its reason; nothing was paid back.',
  dispute_open: 'The customer’s bank asks for the money back. Answer with evidence in the Stripe dashboard in time.',
  dispute_lost: 'A dispute was lost: the money is gone. Do not refund it as well.',
  early_fraud_warning: 'The card’s bank suspects fraud. Consider a refund now: it avoids the dispute and its fee.',
  payment_in_review: 'Stripe Radar wants a person to look at this payment before the goods are sent.',
  authorization_lapses: 'An authorization lapses soon. Capture it or cancel it: npm run ops -- order capture|cancel ID',
  notification_failed: 'The shop did not take a notification. Mend it, then: npm run ops -- notifications replay ID',
  shop_away:
    'The shop takes no notifications (ORDER_WEBHOOK_URL). Mend it; they are sent again for about a day. Those that failed by then: npm run ops -- notifications list --status failed',
  dead_event:
    'An event could not be applied; others may have died of the same (npm run ops -- events list --status dead). Read its error, mend the cause, then: npm run ops -- events replay ID',
  session_refused: 'Stripe refused to create a Session. Read the message; it is often an account setting.',
  stripe_key_refused:
    'Stripe does not take STRIPE_SECRET_KEY, or the key lacks a permission: the message says which. Mend it; everything that waits goes on by itself.',
  payment_unknown:
    'Stripe does not know a payment that is to be paid back. Is STRIPE_SECRET_KEY of the account that took it? Mend it; the refunds that wait go on by themselves.',
  refund_made_late:
    'Stripe has made a refund that we had recorded as refused. Check that the customer was not paid back twice.',
  order_of_another_user: 'A customer asked for, or tried to pay, the order of another one.',
  card_testing:
    'Many declined cards: the open Sessions of the customer, or of the address, are being expired. Look at its checkouts; once it is cleared: npm run ops -- fraud unblock',
  session_not_ended:
    'Stripe refuses to expire a Session that has to end. Read its reason; until then it can be paid and holds its goods.',
  session_unknown:
    'Stripe does not know the Session of an open checkout. Is STRIPE_SECRET_KEY of the account that made it? If the Session was deleted, expire the checkout.',
  stuck_event:
    'Events could not be applied for long because the database was away or busy. They will be, once it is not.',
  stuck_checkout: 'Checkouts could not be worked off after many tries; the trail has each. Look at the log.',
  stripe_away:
    'Stripe cannot be reached, or fails. Look at Stripe’s status page and at this host’s network. What waits goes on by itself.',
  signatures_refused:
    'Deliveries to the webhook endpoint are refused. Until this is mended Stripe delivers again for three days at most; the reason says what to mend.',
  audit_broken:
    'Rows of the audit trail were changed, removed or moved. See which: npm run ops -- audit verify. Keep the database as it is; nobody of the application can do that.',
  ledger_mismatch:
    'The ledger differs from what Stripe has booked. See where: npm run ops -- ledger verify; what is wrong is corrected beside it: npm run ops -- ledger correct',
  schedule_failed: 'A scheduled job failed. Read its reason, mend the cause; the next run tries again.',
  schedule_late:
    'A scheduled job has not ended well for longer than it should. Do the workers run, and do they reach the queue store?'
} as const satisfies Record<string, string>

export type AlertName = keyof typeof alerts

export interface AlertContext {
  userId?: string | null
  orderId?: string | null
  checkoutId?: string | null
  eventId?: string | null
  requestId?: string | null
  /** What it is about, for an alert that is raised once while it is open: without it, its user and its order. */
  subject?: string
  /** In place of it, what the alert comes of, in words that are equal, but for ids and numbers, for equal causes; only a digest of them is kept. */
  cause?: string
  /** Who was at it, for the audit trail alone. */
  from?: { ipAddress: string | null; userAgent: string | null }
  reason: string
}

function auditOf(name: AlertName, { reason, from, subject, cause: _key, ...ids }: AlertContext): AuditEntry {
  const metadata = subject === undefined ? undefined : { subject }
  return { action: `alert_${name}`, status: 'FAILED', error: reason, ...ids, ...from, metadata }
}

/** As alert(), but what is open already for the same user and order, or the same subject, is only written into the trail. */
export async function alertOnce(db: Queryable, log: Logger, name: AlertName, context: AlertContext): Promise<void> {
  await raise(db, log, name, context, { onceKey: onceKeyOf(context), auditsEach: true })
}

/** As alert(), but nothing happens, and it is false, while one for the same user and order, or the same subject, is open. */
export async function alertUnlessOpen(
  db: Queryable,
  log: Logger,
  name: AlertName,
  context: AlertContext
): Promise<boolean> {
  return await raise(db, log, name, context, { onceKey: onceKeyOf(context), auditsEach: false })
}

/** Raises an alert: an audit row, an error line, and an entry that `ops attention` lists until it is resolved. */
export async function alert(db: Queryable, log: Logger, name: AlertName, context: AlertContext): Promise<void> {
  await raise(db, log, name, context, { onceKey: null, auditsEach: false })
}

/** Words with digits are ids, amounts and times, which differ where the cause is one. */
function withoutIds(text: string): string {
  return text.replace(/[\w.:-]*\d[\w.:-]*/g, '#')
}

function onceKeyOf({ userId, orderId, subject, cause }: AlertContext): string {
  if (cause !== undefined) return `cause|${createHash('sha256').update(withoutIds(cause)).digest('hex')}`
  return storableText(subject === undefined ? `${userId ?? ''}|${orderId ?? ''}|` : `||${subject}`)
}

/** False when one with this name and key is open: then only the trail has it, and that only when each is audited. */
async function raise(
  db: Queryable,
  log: Logger,
  name: AlertName,
  context: AlertContext,
  once: { onceKey: string | null; auditsEach: boolean }
): Promise<boolean> {
  const { from: _private, cause: _key, ...open } = context
  const known = { ...open, reason: maskText(open.reason) }
  const audit = auditParameter(auditOf(name, context))
  if (!(await raiseAlert(db, { id: newId(), name, context: storableJson(known), audit, ...once }))) return false
  log.error({ alert: name, ...known }, alerts[name])
  return true
}

/** Resolves an alert, audited. False when it is not open. Call it in a transaction. */
export async function resolveAlert(
  db: Queryable,
  id: string,
  end: { by: string; note: string; now: Date }
): Promise<boolean> {
  if (!(await closeAlert(db, id, end))) return false
  await writeAudit(db, {
    action: 'alert_resolved',
    status: 'SUCCESS',
    metadata: { alert: id, operator: end.by, note: end.note }
  })
  return true
}

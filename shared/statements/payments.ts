import type { Queryable } from '../database/database.js'
import { onCommit } from '../database/on-commit.js'
import { maskText, maskValue } from '../identity/masking.js'
import { countAttempt, countPaymentMove } from '../metrics/payments.js'
import { decidedFields, isFinalCapture, type PaymentRecord } from '../rules/payment-authority.js'
import { paymentStates } from '../rules/state-groups.js'
import { type PaymentStatus, paymentRules, sourcesOf } from '../rules/transitions.js'
import { move, oneOf } from './states.js'

const AUTHORIZED = oneOf(paymentStates.authorized)
const SUCCEEDED = oneOf(paymentStates.succeeded)
/** Only an operator says that Stripe does not know it any more. */
const ABANDON = move(paymentRules, 'CANCELLED', { operator: true })

/**
 * Adds what is decided to what is known: the status moves forward only, and each field follows its authority
 * (shared/rules/payment-authority.ts). What is captured is booked in the same statement: by the difference to
 * what is booked and corrected already, at first whole. Returns whether the order can follow (its status or what was captured has
 * changed), and what is known to be captured.
 */
export async function recordPayment(
  db: Queryable,
  payment: PaymentRecord
): Promise<{ changed: boolean; captured: number }> {
  const decided = decidedFields(payment)
  const { rows } = await db.query<{
    changed: boolean
    captured: number
    before: PaymentStatus | null
    after: PaymentStatus
  }>({
    name: 'record-payment',
    text: `
    WITH before AS (
      SELECT "status", "captured" FROM "Payment" WHERE "paymentIntentId" = $1
    ), known AS (
      INSERT INTO "Payment" AS p ("paymentIntentId", "orderId", "checkoutId", "status", "amount", "currency", "captured", "discount",
        "tax", "chargeId", "captureBefore", "sessionId", "mismatch", "createdAt", "updatedAt")
      VALUES ($1, $2, $3, $4, $5, $6, COALESCE($7::bigint, 0), $8, $9, $10, $11, $12, $13, $14, $14)
      ON CONFLICT ("paymentIntentId") DO UPDATE SET
        "status" = CASE WHEN p."status" = ANY($15::"PaymentStatus"[]) THEN EXCLUDED."status" ELSE p."status" END,
        "amount" = CASE WHEN $18 OR NOT p."status" ${SUCCEEDED} THEN COALESCE($16, p."amount") ELSE p."amount" END,
        "currency" = CASE WHEN $18 OR NOT p."status" ${SUCCEEDED} THEN COALESCE($17, p."currency") ELSE p."currency" END,
        "captured" = CASE WHEN $18 THEN EXCLUDED."captured" ELSE GREATEST(p."captured", EXCLUDED."captured") END,
        "discount" = COALESCE(EXCLUDED."discount", p."discount"), "tax" = COALESCE(EXCLUDED."tax", p."tax"),
        "chargeId" = COALESCE(EXCLUDED."chargeId", p."chargeId"),
        "captureBefore" = COALESCE(EXCLUDED."captureBefore", p."captureBefore"),
        "sessionId" = COALESCE(EXCLUDED."sessionId", p."sessionId"), "mismatch" = COALESCE(EXCLUDED."mismatch", p."mismatch"),
        "updatedAt" = EXCLUDED."updatedAt"
      RETURNING *
    ), booked AS (
      INSERT INTO "LedgerPosting" ("entry", "account", "currency", "orderId", "amount", "source", "createdAt")
      SELECT 'capture:' || "paymentIntentId" || CASE WHEN earlier.entries = 0 THEN '' ELSE ':' || (earlier.entries + 1) END,
        account::"LedgerAccount", "currency", "orderId", sign * ("captured" - earlier.amount), "paymentIntentId", $14
      FROM known, LATERAL (
        SELECT count(*) FILTER (WHERE l."entry" LIKE 'capture:%') AS entries, COALESCE(sum(l."amount"), 0) AS amount FROM "LedgerPosting" l
        WHERE l."source" IN (known."paymentIntentId", 'capture:' || known."paymentIntentId") AND l."account" = 'STRIPE'
      ) earlier, (VALUES ('STRIPE', 1), ('SALES', -1)) AS side(account, sign)
      WHERE "status" ${SUCCEEDED} AND "captured" <> earlier.amount
      ON CONFLICT DO NOTHING
    )
    SELECT (before."status", before."captured") IS DISTINCT FROM (known."status", known."captured") AS changed, known."captured",
      before."status" AS before, known."status" AS after
    FROM known LEFT JOIN before ON true`,
    values: [
      payment.paymentIntentId,
      payment.orderId,
      payment.checkoutId,
      payment.status,
      payment.amount,
      payment.currency,
      decided.captured,
      decided.discount,
      decided.tax,
      decided.chargeId,
      decided.captureBefore,
      decided.sessionId,
      decided.mismatch,
      payment.now,
      sourcesOf(paymentRules, payment.status),
      decided.amount,
      decided.currency,
      isFinalCapture(payment)
    ]
  })
  const [known] = rows
  if (known === undefined) return { changed: false, captured: 0 }
  onCommit(db, () => countPaymentMove(known.before, known.after))
  return { changed: known.changed, captured: known.captured }
}

export interface PaymentRow {
  paymentIntentId: string
  orderId: string
  checkoutId: string
  status: PaymentStatus
  amount: number
  currency: string
  captured: number
  chargeId: string | null
  captureBefore: Date | null
  sessionId: string | null
  reviewReason: string | null
  reviewAction: string | null
  acceptedAt: Date | null
}

export async function findPayment(db: Queryable, paymentIntentId: string): Promise<PaymentRow | undefined> {
  const { rows } = await db.query<PaymentRow>({
    name: 'find-payment',
    text: 'SELECT * FROM "Payment" WHERE "paymentIntentId" = $1',
    values: [paymentIntentId]
  })
  return rows[0]
}

export async function findPaymentOfCharge(db: Queryable, chargeId: string): Promise<PaymentRow | undefined> {
  const { rows } = await db.query<PaymentRow>({
    name: 'find-payment-of-charge',
    text: 'SELECT * FROM "Payment" WHERE "chargeId" = $1',
    values: [chargeId]
  })
  return rows[0]
}

/** Oldest first. */
export async function findPaymentsOf(db: Queryable, orderId: string): Promise<PaymentRow[]> {
  const { rows } = await db.query<PaymentRow>(
    'SELECT * FROM "Payment" WHERE "orderId" = $1 ORDER BY "createdAt", "paymentIntentId"',
    [orderId]
  )
  return rows
}

/** Puts a payment in review, or says better why it is. Nothing happens once an operator has accepted it. */
export async function reviewPayment(
  db: Queryable,
  paymentIntentId: string,
  review: { reason: string; action: string; now: Date }
): Promise<void> {
  await db.query(
    `UPDATE "Payment" SET "reviewReason" = $2, "reviewAction" = $3, "updatedAt" = $4
     WHERE "paymentIntentId" = $1 AND "acceptedAt" IS NULL`,
    [paymentIntentId, maskText(review.reason), review.action, review.now]
  )
}

/** An operator lets a payment in review count. False when it is not in review. */
export async function acceptPayment(db: Queryable, paymentIntentId: string, by: string, now: Date): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE "Payment" SET "acceptedAt" = $2, "acceptedBy" = $3, "updatedAt" = $2
     WHERE "paymentIntentId" = $1 AND "reviewReason" IS NOT NULL AND "acceptedAt" IS NULL`,
    [paymentIntentId, now, by]
  )
  return rowCount === 1
}

/** An operator gives up what Stripe does not know any more. Call it with the checkout locked. Returns what was given up. */
export async function abandonPayments(db: Queryable, checkoutId: string, now: Date): Promise<PaymentRow[]> {
  const { rows } = await db.query<PaymentRow>(
    `UPDATE "Payment" SET "status" = ${ABANDON.to}, "updatedAt" = $2
     WHERE "checkoutId" = $1 AND "status" ${ABANDON.from} RETURNING *`,
    [checkoutId, now]
  )
  return rows
}

const LAPSES_AT = `COALESCE(p."captureBefore", p."createdAt" + interval '7 days')`
const LAPSES = `p."status" ${AUTHORIZED} AND p."lapseAlertedAt" IS NULL AND ${LAPSES_AT} < $1`

/**
 * Up to `limit` authorizations that lapse before `before` and about which nobody was told, those that lapse first; they count as decided from now on. Their orders
 * are locked before them, as an event does: the alert that follows locks the audit chain of an order. What another
 * transaction has locked has its turn at the next call. In the order of their orders, so that two chains are locked in one.
 */
export async function claimLapsingPayments(
  db: Queryable,
  before: Date,
  now: Date,
  limit: number
): Promise<PaymentRow[]> {
  const { rows } = await db.query<PaymentRow>(
    `WITH "order" AS MATERIALIZED (
       SELECT "id" FROM "Order" WHERE "id" IN (SELECT p."orderId" FROM "Payment" p WHERE ${LAPSES} ORDER BY ${LAPSES_AT} LIMIT $3)
       FOR NO KEY UPDATE SKIP LOCKED
     ), lapsing AS MATERIALIZED (
       SELECT p."paymentIntentId" FROM "order" o JOIN "Payment" p ON p."orderId" = o."id" WHERE ${LAPSES}
       FOR NO KEY UPDATE OF p SKIP LOCKED
     )
     UPDATE "Payment" p SET "lapseAlertedAt" = $2 FROM lapsing WHERE p."paymentIntentId" = lapsing."paymentIntentId" RETURNING p.*`,
    [before, now, limit]
  )
  return rows.sort((a, b) => (a.orderId < b.orderId ? -1 : 1))
}

/** When the next authorization that nobody has captured lapses; null when there is none. */
export async function nextLapse(db: Queryable): Promise<Date | null> {
  const { rows } = await db.query<{ at: Date | null }>(
    `SELECT min(COALESCE("captureBefore", "createdAt" + interval '7 days')) AS at FROM "Payment" WHERE "status" ${AUTHORIZED}`
  )
  return rows[0]?.at ?? null
}

export interface SignalRecord {
  id: string
  kind: 'DECLINE' | 'EARLY_FRAUD_WARNING' | 'REVIEW'
  orderId: string
  checkoutId: string
  paymentIntentId: string
  code: string
  open: boolean
  detail: object
  now: Date
}

/** Keeps what Stripe tells about a payment; what was closed stays closed. True when it is the first time. */
export async function recordSignal(db: Queryable, signal: SignalRecord): Promise<boolean> {
  const { rows } = await db.query(
    `INSERT INTO "PaymentSignal" AS s ("id", "kind", "orderId", "checkoutId", "paymentIntentId", "code", "open", "detail", "createdAt")
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT ("id") DO UPDATE SET "open" = s."open" AND EXCLUDED."open",
       "code" = CASE WHEN EXCLUDED."open" THEN s."code" ELSE EXCLUDED."code" END,
       "detail" = CASE WHEN EXCLUDED."open" THEN s."detail" ELSE EXCLUDED."detail" END
     RETURNING xmax = 0 AS first`,
    [
      signal.id,
      signal.kind,
      signal.orderId,
      signal.checkoutId,
      signal.paymentIntentId,
      signal.code,
      signal.open,
      JSON.stringify(maskValue(signal.detail)),
      signal.now
    ]
  )
  const first = rows[0]?.first === true
  if (first && signal.kind === 'DECLINE') onCommit(db, () => countAttempt('declined'))
  return first
}

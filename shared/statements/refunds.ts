import type { Queryable } from '../database/database.js'
import { maskOptional, maskText } from '../identity/masking.js'
import { type LedgerEntry, refundEntries } from '../rules/ledger-entries.js'
import type { Restock } from '../rules/restock.js'
import { refundStates } from '../rules/state-groups.js'
import { type RefundStatus, refundRules, sourcesOf } from '../rules/transitions.js'
import { isBooked, postEntries, readEntry } from './ledger.js'
import { move, noneOf, oneOf, quoted } from './states.js'

const CLAIMED = oneOf(refundStates.claimed)
const REFUSE = move(refundRules, 'REFUSED')

export interface RefundRow {
  id: string
  stripeId: string | null
  paymentIntentId: string
  orderId: string
  status: RefundStatus
  amount: number
  currency: string
  reason: string | null
  failureReason: string | null
  restock: Restock | null
  restockedAt: Date | null
  requestKey: string | null
  requestedBy: string | null
  serverErrors: number
  serverErrorAt: Date | null
  createdAt: Date
}

export interface RefundRequest {
  id: string
  paymentIntentId: string
  orderId: string
  amount: number
  currency: string
  reason: string | null
  restock: Restock | null
  requestKey: string
  requestedBy: string
  now: Date
}

/** Writes a refund before Stripe is asked for it. Call it with the order locked and the amount checked. */
export async function requestRefund(db: Queryable, r: RefundRequest): Promise<void> {
  await db.query(
    `INSERT INTO "Refund" ("id", "paymentIntentId", "orderId", "status", "amount", "currency", "reason", "restock", "requestKey",
       "requestedBy", "createdAt", "updatedAt") VALUES ($1, $2, $3, ${quoted(refundStates.requested)}, $4, $5, $6, $7, $8, $9, $10, $10)`,
    [
      r.id,
      r.paymentIntentId,
      r.orderId,
      r.amount,
      r.currency,
      maskOptional(r.reason),
      r.restock === null ? null : JSON.stringify(r.restock),
      r.requestKey,
      r.requestedBy,
      r.now
    ]
  )
}

export async function readRefund(db: Queryable, id: string): Promise<RefundRow | undefined> {
  const { rows } = await db.query<RefundRow>('SELECT * FROM "Refund" WHERE "id" = $1', [id])
  return rows[0]
}

/** Somebody has asked for this refund here. */
export async function isRequested(db: Queryable, id: string): Promise<boolean> {
  const { rowCount } = await db.query('SELECT FROM "Refund" WHERE "id" = $1 AND "requestKey" IS NOT NULL', [id])
  return rowCount === 1
}

export async function findRefundByKey(db: Queryable, requestKey: string): Promise<RefundRow | undefined> {
  const { rows } = await db.query<RefundRow>('SELECT * FROM "Refund" WHERE "requestKey" = $1', [requestKey])
  return rows[0]
}

/** All the refunds that one request has made. */
export async function findRefundsOfRequest(
  db: Queryable,
  key: string
): Promise<Pick<RefundRow, 'id' | 'orderId' | 'paymentIntentId' | 'amount' | 'restock'>[]> {
  const { rows } = await db.query<Pick<RefundRow, 'id' | 'orderId' | 'paymentIntentId' | 'amount' | 'restock'>>(
    `SELECT "id", "orderId", "paymentIntentId", "amount", "restock" FROM "Refund"
     WHERE "requestKey" LIKE $1 AND substr("requestKey", length($2) + 2) ~ '^[0-9]+$' ORDER BY length("requestKey"), "requestKey"`,
    [`${key.replace(/[\\%_]/g, match => `\\${match}`)}:%`, key]
  )
  return rows
}

/** What Stripe tells about a refund. */
export interface RefundRecord {
  stripeId: string
  /** The refund of ours that it is, by its metadata. */
  ownId: string | null
  newId: string
  paymentIntentId: string
  orderId: string
  status: Exclude<RefundStatus, 'REQUESTED' | 'REFUSED'>
  amount: number
  currency: string
  reason: string | null
  failureReason: string | null
  restock: Restock | null
  now: Date
}

/**
 * Adds what Stripe tells to what is known; the status moves forward only. Books the money going out, and coming back when
 * the refund failed, once each. Returns the refund with the status that it had before.
 */
export async function recordRefund(
  db: Queryable,
  r: RefundRecord
): Promise<RefundRow & { before: RefundStatus | null }> {
  const found = await db.query<RefundRow>(
    `SELECT * FROM "Refund" WHERE "stripeId" = $1 OR ("id" = $2 AND "stripeId" IS NULL AND "paymentIntentId" = $3) FOR NO KEY UPDATE`,
    [r.stripeId, r.ownId, r.paymentIntentId]
  )
  const before = found.rows[0]
  const restock = r.restock === null ? null : JSON.stringify(r.restock)
  const { rows } =
    before === undefined
      ? await db.query<RefundRow>(
          `INSERT INTO "Refund" ("id", "stripeId", "paymentIntentId", "orderId", "status", "amount", "currency", "reason", "failureReason",
             "restock", "createdAt", "updatedAt") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) RETURNING *`,
          [
            r.newId,
            r.stripeId,
            r.paymentIntentId,
            r.orderId,
            r.status,
            r.amount,
            r.currency,
            maskOptional(r.reason),
            maskOptional(r.failureReason),
            restock,
            r.now
          ]
        )
      : await db.query<RefundRow>(
          `UPDATE "Refund" SET "stripeId" = $2, "failureReason" = COALESCE($4, "failureReason"), "restock" = COALESCE("restock", $5),
             "status" = CASE WHEN "status" = ANY($6::"RefundStatus"[]) THEN $3 ELSE "status" END, "updatedAt" = $7
           WHERE "id" = $1 RETURNING *`,
          [
            before.id,
            r.stripeId,
            r.status,
            maskOptional(r.failureReason),
            restock,
            sourcesOf(refundRules, r.status),
            r.now
          ]
        )
  const refund = rows[0] as RefundRow
  const entries = refundEntries({ ...refund, stripeId: r.stripeId })
  await postEntries(db, entries, r.now)
  if (refund.status !== before?.status) await postReturnAgain(db, entries, r.now)
  if (refund.status === 'RELEASED' && before?.status !== 'RELEASED') await unpost(db, r)
  return { ...refund, before: before?.status ?? null }
}

/**
 * A return that an earlier release booked too soon was taken back when this one came (migration one_authority). Now that it
 * has happened it is booked beside that.
 */
async function postReturnAgain(db: Queryable, entries: LedgerEntry[], now: Date): Promise<void> {
  const returned = entries.find(({ key }) => key.startsWith('refund_returned:'))
  if (returned === undefined || !(await isBooked(db, `correction:refused-${returned.source}`))) return
  const again = { ...returned, key: `correction:returned-${returned.source}`, source: returned.key }
  await postEntries(db, [again], now)
}

/** A release before this one has booked it as a refund: taken back by an entry beside that. */
async function unpost(db: Queryable, { stripeId, orderId, now }: RefundRecord): Promise<void> {
  const booked = await readEntry(db, `refund:${stripeId}`)
  if (booked === undefined) return
  const lines = booked.lines.map(line => ({ ...line, amount: -line.amount }))
  await postEntries(db, [{ key: `correction:released-${stripeId}`, orderId, source: booked.key, lines }], now)
}

/** Ends a refund that Stripe has refused to make; should Stripe have made it after all, recordRefund() follows that. */
export async function refuseRefund(db: Queryable, id: string, reason: string, now: Date): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE "Refund" SET "status" = ${REFUSE.to}, "failureReason" = $2, "updatedAt" = $3 WHERE "id" = $1 AND "status" ${REFUSE.from}`,
    [id, maskText(reason).slice(0, 500), now]
  )
  return rowCount === 1
}

/** What of each payment of an order is asked for or gone already, in minor units. */
export async function refundedByPayment(db: Queryable, orderId: string): Promise<Map<string, number>> {
  const { rows } = await db.query<{ paymentIntentId: string; amount: number }>(
    `SELECT "paymentIntentId", sum("amount")::bigint AS amount FROM "Refund"
     WHERE "orderId" = $1 AND "status" ${CLAIMED} GROUP BY 1`,
    [orderId]
  )
  return new Map(rows.map(row => [row.paymentIntentId, row.amount]))
}

/** How often a request (the beginning of its key, before its number) was made and answered whole. */
export async function countAnsweredRequests(db: Queryable, orderId: string, keyPrefix: string): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM (
       SELECT FROM "Refund" WHERE "orderId" = $1 AND starts_with("requestKey", $2 || '-') GROUP BY split_part("requestKey", ':', 1)
       HAVING bool_and("status" ${noneOf(refundStates.requested)})
     ) AS answered`,
    [orderId, keyPrefix]
  )
  return rows[0]?.count ?? 0
}

/**
 * What Stripe counts as refunded of one payment: without what came back, and with what was let go of and never captured
 * where that is a refund of Stripe's.
 */
export async function refundedAtStripe(db: Queryable, paymentIntentId: string): Promise<number> {
  const { rows } = await db.query<{ amount: number }>(
    `SELECT COALESCE(sum("amount"), 0)::bigint AS amount FROM "Refund"
     WHERE "paymentIntentId" = $1 AND "status" ${oneOf(refundStates.countedByCharge)}`,
    [paymentIntentId]
  )
  return rows[0]?.amount ?? 0
}

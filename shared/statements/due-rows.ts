import type { Queryable } from '../database/database.js'
import type { RowJobName } from '../queue/jobs.js'
import { checkoutStates, eventStates, notificationStates, refundStates } from '../rules/state-groups.js'
import { CHECKOUT_CHANGED } from './checkouts.js'
import { isStill, oneOf } from './states.js'

const CHECKOUT_IN_FLIGHT = oneOf(checkoutStates.inFlight)
const EVENT_RECEIVED = oneOf(eventStates.received)
const REFUND_REQUESTED = oneOf(refundStates.requested)

export interface DueRow {
  job: RowJobName
  id: string
}

/** Rows that wait for a job and have not moved since `before`, oldest first. */
export async function findDueRows(db: Queryable, before: Date, limit: number): Promise<DueRow[]> {
  const { rows } = await db.query<DueRow>({
    name: 'find-due-rows',
    text: `
    (SELECT 'price-verification' AS job, "id" FROM "Checkout" WHERE "status" ${oneOf(checkoutStates.received)} AND "updatedAt" < $1 ORDER BY "updatedAt" LIMIT $2)
    UNION ALL
    (SELECT 'session-creation', "id" FROM "Checkout" WHERE "status" ${oneOf(checkoutStates.verified)} AND "updatedAt" < $1 ORDER BY "updatedAt" LIMIT $2)
    UNION ALL
    (SELECT 'session-expiry', "id" FROM "Checkout" WHERE "expireReason" IS NOT NULL AND "status" ${oneOf(checkoutStates.open)} AND "updatedAt" < $1
       AND ("expireFailedAt" IS NULL OR "expireFailedAt" < $1::timestamptz - interval '10 minutes') ORDER BY "updatedAt" LIMIT $2)
    UNION ALL
    (SELECT 'webhook-processing', "id" FROM "WebhookEvent" WHERE "status" ${EVENT_RECEIVED} AND "receivedAt" < $1 ORDER BY "receivedAt" LIMIT $2)
    UNION ALL
    (SELECT 'refund-creation', "id" FROM "Refund" WHERE "status" ${REFUND_REQUESTED} AND "updatedAt" < $1 ORDER BY "updatedAt" LIMIT $2)
    UNION ALL
    (SELECT 'order-notification', "id" FROM "Notification" WHERE "status" ${oneOf(notificationStates.pending)} AND "nextAttemptAt" < $1 ORDER BY "nextAttemptAt" LIMIT $2)`,
    values: [before, limit]
  })
  return rows
}

export interface DueRows {
  job: RowJobName
  count: number
  /** Since when the oldest of them has waited; null when there is none. */
  since: Date | null
}

/** What waits for each job of a row, whether or not it has a job already. */
export async function measureDueRows(db: Queryable, now: Date): Promise<DueRows[]> {
  const { rows } = await db.query<DueRows>({
    name: 'measure-due-rows',
    text: `
    SELECT 'price-verification' AS job, count(*)::int, min("updatedAt") AS since FROM "Checkout" WHERE "status" ${oneOf(checkoutStates.received)}
    UNION ALL SELECT 'session-creation', count(*)::int, min("updatedAt") FROM "Checkout" WHERE "status" ${oneOf(checkoutStates.verified)}
    UNION ALL SELECT 'session-expiry', count(*)::int, min("updatedAt") FROM "Checkout" WHERE "expireReason" IS NOT NULL AND "status" ${oneOf(checkoutStates.open)}
    UNION ALL SELECT 'webhook-processing', count(*)::int, min("receivedAt") FROM "WebhookEvent" WHERE "status" ${EVENT_RECEIVED}
    UNION ALL SELECT 'refund-creation', count(*)::int, min("updatedAt") FROM "Refund" WHERE "status" ${REFUND_REQUESTED}
    UNION ALL SELECT 'order-notification', count(*)::int, min("nextAttemptAt") FROM "Notification" WHERE "status" ${oneOf(notificationStates.pending)} AND "nextAttemptAt" <= $1`,
    values: [now]
  })
  return rows
}

/**
 * Counts another requeue of a stuck checkout and returns how many there were; one that waits for Stripe is not counted, and
 * a try that meets a refused key begins the count anew.
 */
export async function countRequeue(db: Queryable, checkoutId: string): Promise<number> {
  const { rows } = await db.query(
    'UPDATE "Checkout" SET "requeues" = "requeues" + 1 WHERE "id" = $1 AND "stripeAwaySince" IS NULL RETURNING "requeues"',
    [checkoutId]
  )
  return rows[0]?.requeues ?? 0
}

/** Counts an idempotency key that is spent on an error of Stripe's own: the next try has another one. */
export async function countServerError(
  db: Queryable,
  table: 'Checkout' | 'Refund',
  id: string,
  now: Date
): Promise<void> {
  const at = table === 'Refund' ? ', "serverErrorAt" = $2' : ''
  await db.query(
    `UPDATE "${table}" SET "serverErrors" = "serverErrors" + 1${at} WHERE "id" = $1`,
    at ? [id, now] : [id]
  )
}

/** The table whose row a job works on, where the job asks Stripe for something. */
const ASKING: Partial<Record<RowJobName, 'Checkout' | 'WebhookEvent' | 'Refund'>> = {
  'price-verification': 'Checkout',
  'session-creation': 'Checkout',
  'session-expiry': 'Checkout',
  'webhook-processing': 'WebhookEvent',
  'refund-creation': 'Refund'
}

/** A job's try has failed: because Stripe was away, and since when that has been so, or for another reason. */
export async function markStripeAway(
  db: Queryable,
  row: DueRow,
  failure: { isAway: boolean; now: Date }
): Promise<void> {
  const table = ASKING[row.job]
  if (table === undefined) return
  // It fails while there is no Session yet, too, which says nothing about Stripe.
  if (row.job === 'session-expiry' && !failure.isAway) return
  if (table === 'Checkout') {
    const forgetRefusal = 'UPDATE "Checkout" SET "keyRefusedAt" = NULL WHERE "id" = $1 AND "keyRefusedAt" IS NOT NULL'
    await db.query(forgetRefusal, [row.id])
  }
  const changed = `UPDATE "${table}" SET "stripeAwaySince" = CASE WHEN $2::boolean THEN COALESCE("stripeAwaySince", $3) END
     WHERE "id" = $1 AND ("stripeAwaySince" IS NULL) = $2 RETURNING "id"`
  // Somebody may wait for it.
  const tell =
    table === 'Checkout' ? `SELECT pg_notify('${CHECKOUT_CHANGED}', "id") FROM changed` : 'SELECT FROM changed'
  await db.query(`WITH changed AS (${changed}) ${tell}`, [row.id, failure.isAway, failure.now])
}

/**
 * A job's try has failed because Stripe refuses our key: its row waits for that with all others, and is not stuck. Whoever
 * waits for a checkout is told.
 */
export async function markKeyRefused(db: Queryable, row: DueRow, now: Date): Promise<void> {
  const table = ASKING[row.job]
  if (table === undefined) return
  if (table === 'Checkout') {
    await db.query(
      `WITH waiting AS (
         UPDATE "Checkout" SET "stripeAwaySince" = NULL, "requeues" = 0, "keyRefusedAt" = $2
         WHERE "id" = $1 AND "status" ${isStill(checkoutStates.payable)} RETURNING "id"
       )
       SELECT pg_notify('${CHECKOUT_CHANGED}', "id") FROM waiting`,
      [row.id, now]
    )
    return
  }
  await db.query(`UPDATE "${table}" SET "stripeAwaySince" = NULL WHERE "id" = $1 AND "stripeAwaySince" IS NOT NULL`, [
    row.id
  ])
}

export interface WaitingForStripe {
  checkouts: number
  events: number
  refunds: number
  /** Null when nothing waits. */
  since: Date | null
}

/** What has to ask Stripe for something and could not, because Stripe was away. */
export async function countWaitingForStripe(db: Queryable): Promise<WaitingForStripe> {
  const { rows } = await db.query<WaitingForStripe>({
    name: 'count-waiting-for-stripe',
    text: `
    WITH waiting AS (
      SELECT 'checkout' AS what, "stripeAwaySince" AS at FROM "Checkout" WHERE "status" ${CHECKOUT_IN_FLIGHT} AND "stripeAwaySince" IS NOT NULL
      UNION ALL
      SELECT 'event', "stripeAwaySince" FROM "WebhookEvent" WHERE "status" ${EVENT_RECEIVED} AND "stripeAwaySince" IS NOT NULL
      UNION ALL
      SELECT 'refund', "stripeAwaySince" FROM "Refund" WHERE "status" ${REFUND_REQUESTED} AND "stripeAwaySince" IS NOT NULL
    )
    SELECT count(*) FILTER (WHERE what = 'checkout')::int AS checkouts, count(*) FILTER (WHERE what = 'event')::int AS events,
      count(*) FILTER (WHERE what = 'refund')::int AS refunds, min(at) AS since FROM waiting`
  })
  return rows[0] ?? { checkouts: 0, events: 0, refunds: 0, since: null }
}

/** Deletes one batch of expired idempotency keys in a transaction of its own and returns how many it deleted. */
export async function deleteExpiredKeys(db: Queryable, now: Date, batch: number): Promise<number> {
  const { rowCount } = await db.query(
    `DELETE FROM "IdempotencyKey" WHERE "key" IN (
       SELECT "key" FROM "IdempotencyKey" WHERE "expiresAt" <= $1 ORDER BY "expiresAt" LIMIT $2 FOR UPDATE SKIP LOCKED)`,
    [now, batch]
  )
  return rowCount ?? 0
}

export interface OverdueCheckout {
  id: string
  orderId: string | null
  sessionId: string
  status: (typeof checkoutStates.atStripe)[number]
}

/**
 * Checkouts whose Session should have ended before `before`, or whose payment has been under way since, those first that
 * were never asked about. `patient` leaves out those that were asked about lately, measured by how long they have waited:
 * a bank debit takes days.
 */
export async function findOverdueCheckouts(
  db: Queryable,
  { before, now, patient, limit }: { before: Date; now: Date; patient: boolean; limit: number }
): Promise<OverdueCheckout[]> {
  const { rows } = await db.query<OverdueCheckout>(
    `SELECT "id", "orderId", "sessionId", "status" FROM "Checkout" WHERE "sessionId" IS NOT NULL
       AND (("status" ${oneOf(checkoutStates.open)} AND "sessionExpiresAt" < $1) OR ("status" ${oneOf(checkoutStates.processing)} AND "updatedAt" < $1))
       AND (NOT $3 OR "askedAt" IS NULL OR "askedAt" < $2::timestamptz - ($2 - "updatedAt") / 10)
     ORDER BY "askedAt" NULLS FIRST, "updatedAt" LIMIT $4`,
    [before, now, patient, limit]
  )
  return rows
}

const KEYS = { Checkout: 'id', Payment: 'paymentIntentId', Refund: 'id' } as const

/** Stripe is asked about this row now: others have their turn before it is asked about again. */
export async function recordPoll(db: Queryable, table: keyof typeof KEYS, id: string, now: Date): Promise<void> {
  await db.query(`UPDATE "${table}" SET "askedAt" = $2 WHERE "${KEYS[table]}" = $1`, [id, now])
}

/** Deletes one batch of the counts of rate limits that are over, but for those that a request is counting at this moment. */
export async function deleteExpiredLimits(db: Queryable, now: Date, batch: number): Promise<number> {
  const { rowCount } = await db.query(
    'DELETE FROM "RateLimit" WHERE "key" IN (SELECT "key" FROM "RateLimit" WHERE "expire" < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)',
    [now.getTime(), batch]
  )
  return rowCount ?? 0
}

import type { Notification } from '../../prisma/generated/client.js'
import type { AuditEntry } from '../audit/audit.js'
import { auditParameter } from '../audit/audit.js'
import type { Database, Queryable } from '../database/database.js'
import { maskText } from '../identity/masking.js'
import { notificationStates } from '../rules/state-groups.js'
import { type NotificationStatus, notificationRules } from '../rules/transitions.js'
import { auditInsert } from './audit-rows.js'
import type { Contact } from './orders.js'
import { isStill, move, oneOf } from './states.js'

const PENDING = oneOf(notificationStates.pending)
const STILL_PENDING = isStill(notificationStates.pending)
const FAILED = oneOf(notificationStates.failed)
const DELIVER = move(notificationRules, 'DELIVERED')
const FAIL = move(notificationRules, 'FAILED')
const REPLAY = move(notificationRules, 'PENDING', { operator: true })

export interface NotificationRow {
  id: string
  orderId: string
  sequence: number
  type: string
  data: Record<string, unknown>
  status: NotificationStatus
  attempts: number
  createdAt: Date
  /** What the customer gave at Stripe's page, as the order has it now: what is forgotten of it is not told any more. */
  contact: Contact | null
}

/**
 * Takes the oldest notification of an order that is not delivered, for one try, until `leasedUntil`. Undefined when there
 * is none, when another worker has it, or when its next try is not due: an order's notifications go out one by one.
 */
export async function leaseNotification(
  db: Queryable,
  orderId: string,
  lease: { now: Date; until: Date }
): Promise<NotificationRow | undefined> {
  const { rows } = await db.query<NotificationRow>({
    name: 'lease-notification',
    text: `
    UPDATE "Notification" SET "leasedUntil" = $3, "attempts" = "attempts" + 1
    WHERE "id" = (SELECT "id" FROM "Notification" WHERE "orderId" = $1 AND "status" ${STILL_PENDING} ORDER BY "sequence" LIMIT 1)
      AND "status" ${STILL_PENDING} AND "nextAttemptAt" <= $2 AND ("leasedUntil" IS NULL OR "leasedUntil" <= $2) RETURNING *,
      (SELECT o."contact" FROM "Order" o WHERE o."id" = "Notification"."orderId") AS contact`,
    values: [orderId, lease.now, lease.until]
  })
  return rows[0]
}

/** Undefined when it does not exist. */
export async function findNotifiedOrder(db: Queryable, notificationId: string): Promise<string | undefined> {
  const { rows } = await db.query<{ orderId: string }>({
    name: 'find-notified-order',
    text: 'SELECT "orderId" FROM "Notification" WHERE "id" = $1',
    values: [notificationId]
  })
  return rows[0]?.orderId
}

export async function finishNotification(db: Queryable, id: string, now: Date): Promise<void> {
  await db.query({
    name: 'finish-notification',
    text: `UPDATE "Notification" SET "status" = ${DELIVER.to}, "deliveredAt" = $2, "leasedUntil" = NULL, "error" = NULL
      WHERE "id" = $1 AND "status" ${DELIVER.from}`,
    values: [id, now]
  })
}

/** Records a failed try: another one at `nextAttemptAt`, or none when it is null. */
export async function failNotification(
  db: Queryable,
  id: string,
  failure: { error: string; nextAttemptAt: Date | null }
): Promise<void> {
  await db.query(
    `UPDATE "Notification" SET "status" = CASE WHEN $3::timestamptz IS NULL THEN ${FAIL.to} ELSE "status" END::"NotificationStatus",
       "nextAttemptAt" = COALESCE($3, "nextAttemptAt"), "leasedUntil" = NULL, "error" = $2
     WHERE "id" = $1 AND "status" ${FAIL.from}`,
    [id, maskText(failure.error).slice(0, 500), failure.nextAttemptAt]
  )
}

export interface Undelivered {
  /** How many notifications wait or have failed, from `from` on, and the oldest of them; at most a thousand are counted. */
  waiting: number
  failed: number
  since: Date | null
  /** The shop has taken another one since. */
  isTaking: boolean
}

export async function readUndelivered(db: Queryable, from: Date): Promise<Undelivered> {
  const { rows } = await db.query<Undelivered>(
    `WITH undelivered AS (
       (SELECT "status", "createdAt" FROM "Notification" WHERE "status" ${PENDING} LIMIT 1000)
       UNION ALL
       (SELECT "status", "createdAt" FROM "Notification" WHERE "status" ${FAILED} AND "createdAt" >= $1 LIMIT 1000)
     )
     SELECT count(*) FILTER (WHERE "status" ${PENDING})::int AS waiting, count(*) FILTER (WHERE "status" ${FAILED})::int AS failed,
       min("createdAt") AS since, EXISTS (SELECT FROM "Notification" WHERE "deliveredAt" > $1) AS "isTaking"
     FROM undelivered`,
    [from]
  )
  return rows[0] ?? { waiting: 0, failed: 0, since: null, isTaking: false }
}

/** An operator sends a notification again, under its old id. False when it is waiting already or does not exist. */
export async function replayNotification(db: Queryable, id: string, now: Date, audit: AuditEntry): Promise<boolean> {
  const { rowCount } = await db.query(
    `WITH replayed AS (
       UPDATE "Notification" SET "status" = ${REPLAY.to}, "attempts" = 0, "nextAttemptAt" = $2, "leasedUntil" = NULL, "error" = NULL
       WHERE "id" = $1 AND "status" ${REPLAY.from} RETURNING "id"
     ), audited AS (${auditInsert(3, 'EXISTS (SELECT FROM replayed)')})
     SELECT FROM replayed`,
    [id, now, auditParameter(audit)]
  )
  return rowCount === 1
}

/** Newest first; of all states, or all orders, when none is given. */
export async function listNotifications(
  { prisma }: Database,
  of: { status: NotificationStatus | undefined; orderId: string | undefined },
  limit: number
): Promise<Notification[]> {
  const orderBy = [{ createdAt: 'desc' }, { sequence: 'desc' }] as const
  return await prisma.notification.findMany({ where: of, orderBy: [...orderBy], take: limit })
}

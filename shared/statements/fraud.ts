import type { Queryable } from '../database/database.js'
import { DAY, HOUR, MINUTE } from '../duration.js'
import { maskText } from '../identity/masking.js'
import { GUEST_PREFIX, isGuest } from '../identity/user-ids.js'
import type { FraudSignals } from '../rules/fraud.js'
import { checkoutStates } from '../rules/state-groups.js'
import { oneOf } from './states.js'

export interface FraudSubject {
  userId: string
  /** As networkOf() has it. */
  network: string | null
  /** Not counted: the checkout that is being decided about. */
  exceptId?: string
}

type GuestSignals = Record<'attemptsOfGuests' | 'failuresOfGuests' | 'smallCartsOfGuests', number>

/**
 * What the fraud rules look at, in one statement. `smallCartAmount` in minor units, by currency. A decline counts from its own
 * time: a Session lives for up to a day, and one that was open when an operator cleared its customer goes on being counted. What
 * the guests of a network did counts for each of them, by so many customers as they may be; their declines are those of the address.
 */
export async function readFraudSignals(
  db: Queryable,
  subject: FraudSubject,
  { smallCartAmount, guestsPerIp }: { smallCartAmount: Readonly<Record<string, number>>; guestsPerIp: number },
  now: Date
): Promise<FraudSignals> {
  const ago = (ms: number) => new Date(now.getTime() - ms)
  const { rows } = await db.query<FraudSignals & GuestSignals>({
    name: 'read-fraud-signals',
    text: `
    WITH cleared AS (
      SELECT max("clearedAt") FILTER (WHERE "subject" = 'user:' || $1) AS user_at, max("clearedAt") FILTER (WHERE "subject" = 'ip:' || $2) AS ip_at
      FROM "FraudClearance" WHERE "subject" IN ('user:' || $1, 'ip:' || $2)
    ), seen AS (
      SELECT c."id", c."status", c."amount", c."currency", c."createdAt", c."userId" = $1 AS own, COALESCE(c."network" = $2, false) AS same_address,
        COALESCE(c."network" = $2, false) AND $8 AND starts_with(c."userId", '${GUEST_PREFIX}') AS of_guest
      FROM "Checkout" c
      WHERE c."createdAt" > $6::timestamptz - interval '1 day' AND c."id" <> $7 AND (c."userId" = $1 OR c."network" = $2)
    ), made AS (
      SELECT seen."status", seen."amount", seen."currency", seen."createdAt", own AND seen."createdAt" > COALESCE(cleared.user_at, '-infinity') AS own,
        of_guest AND seen."createdAt" > COALESCE(cleared.ip_at, '-infinity') AS of_guest
      FROM seen, cleared WHERE own OR of_guest
    ), declined AS (
      SELECT s."createdAt", s."detail"->>'fingerprint' AS card,
        seen.own AND s."createdAt" > COALESCE(cleared.user_at, '-infinity') AS own,
        seen.same_address AND s."createdAt" > COALESCE(cleared.ip_at, '-infinity') AS same_address,
        seen.of_guest AND s."createdAt" > COALESCE(cleared.ip_at, '-infinity') AS of_guest
      FROM "PaymentSignal" s JOIN seen ON seen."id" = s."checkoutId", cleared WHERE s."kind" = 'DECLINE' AND s."createdAt" > $6
    )
    SELECT
      (SELECT count(*) FROM made WHERE own AND "createdAt" > $4)::int AS attempts,
      ((SELECT count(*) FROM made WHERE own AND "createdAt" > $4 AND "status" ${oneOf(checkoutStates.refused)})
        + (SELECT count(*) FROM declined WHERE own AND "createdAt" > $4))::int AS failures,
      (SELECT count(*) FROM made WHERE own AND "createdAt" > $5 AND "amount" <= ($3::jsonb->>"currency")::bigint)::int AS "smallCarts",
      (SELECT count(*) FROM made WHERE of_guest AND "createdAt" > $4)::int AS "attemptsOfGuests",
      ((SELECT count(*) FROM made WHERE of_guest AND "createdAt" > $4 AND "status" ${oneOf(checkoutStates.refused)})
        + (SELECT count(*) FROM declined WHERE of_guest AND "createdAt" > $4))::int AS "failuresOfGuests",
      (SELECT count(*) FROM made WHERE of_guest AND "createdAt" > $5 AND "amount" <= ($3::jsonb->>"currency")::bigint)::int AS "smallCartsOfGuests",
      (SELECT count(*) FROM declined WHERE own AND "createdAt" > $5)::int AS declines,
      (SELECT count(*) FROM declined WHERE same_address AND "createdAt" > $5)::int AS "declinesOfAddress",
      (SELECT count(DISTINCT card) FROM declined WHERE own)::int AS cards,
      (SELECT count(DISTINCT card) FROM declined WHERE same_address)::int AS "cardsOfAddress"`,
    values: [
      subject.userId,
      subject.network,
      JSON.stringify(smallCartAmount),
      ago(10 * MINUTE),
      ago(HOUR),
      ago(DAY),
      subject.exceptId ?? '',
      isGuest(subject.userId)
    ]
  })
  const { attemptsOfGuests, failuresOfGuests, smallCartsOfGuests, ...signals } = rows[0] as FraudSignals & GuestSignals
  const share = (ofGuests: number) => Math.ceil(ofGuests / guestsPerIp)
  return {
    ...signals,
    attempts: Math.max(signals.attempts, share(attemptsOfGuests)),
    failures: Math.max(signals.failures, share(failuresOfGuests)),
    smallCarts: Math.max(signals.smallCarts, share(smallCartsOfGuests))
  }
}

/** From now on the rules count for this subject ("user:…" or "ip:…") from zero. */
export async function clearFraud(
  db: Queryable,
  subject: string,
  by: { operator: string; note: string; now: Date }
): Promise<void> {
  await db.query(
    `INSERT INTO "FraudClearance" ("subject", "clearedAt", "clearedBy", "note") VALUES ($1, $2, $3, $4)
     ON CONFLICT ("subject") DO UPDATE SET "clearedAt" = EXCLUDED."clearedAt", "clearedBy" = EXCLUDED."clearedBy", "note" = EXCLUDED."note"`,
    [subject, by.now, by.operator, maskText(by.note)]
  )
}

/**
 * Whoever records a decline of this customer or this network waits for whoever did before, so that each counts all. Lock it
 * before any row but the event's (the whole order is at lockCheckout()).
 */
export async function lockSubject(db: Queryable, { userId, network }: FraudSubject): Promise<void> {
  await db.query({
    name: 'lock-subject',
    text: `
    WITH network AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended('network:' || $2, 0)))
    SELECT pg_advisory_xact_lock(hashtextextended('customer:' || $1, 0)) FROM network`,
    values: [userId, network]
  })
}

export interface ExpiringCheckout {
  id: string
  userId: string
  orderId: string | null
  status: (typeof checkoutStates.payable)[number]
}

/** More than this many wait for the next decline. */
const MAX_MARKED = 500

/** Says of the checkouts of a customer, of a network, or of both that can still be paid that they have to end. */
export async function markForExpiry(
  db: Queryable,
  { userId, network }: { userId: string | null; network: string | null },
  { reason, now }: { reason: string; now: Date }
): Promise<ExpiringCheckout[]> {
  const { rows } = await db.query<ExpiringCheckout>(
    `WITH payable AS MATERIALIZED (
       SELECT "id" FROM "Checkout" WHERE ("userId" = $1 OR "network" = $2) AND "status" ${oneOf(checkoutStates.payable)}
         AND "expireReason" IS NULL ORDER BY "id" LIMIT ${MAX_MARKED} FOR NO KEY UPDATE
     )
     UPDATE "Checkout" c SET "expireReason" = $3, "updatedAt" = $4 FROM payable WHERE c."id" = payable."id"
     RETURNING c."id", c."userId", c."orderId", c."status"`,
    [userId, network, reason, now]
  )
  return rows
}

/**
 * Whether an open alert tells of card testing by this customer, or from this network. One about a network names a checkout
 * and not the address: an alert outlives what is forgotten of a customer.
 */
export async function isTestingReported(
  db: Queryable,
  by: { userId: string } | { network: string | null }
): Promise<boolean> {
  const [userId, network] = 'userId' in by ? [by.userId, null] : [null, by.network]
  const { rowCount } = await db.query(
    `SELECT FROM "Alert" a JOIN "Checkout" c ON c."id" = a."context"->>'checkoutId'
     WHERE a."name" = 'card_testing' AND a."resolvedAt" IS NULL
       AND (a."context"->>'userId' = $1 OR (a."context"->>'userId' IS NULL AND c."network" = $2)) LIMIT 1`,
    [userId, network]
  )
  return rowCount !== 0
}

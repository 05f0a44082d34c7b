import type { Queryable } from '../database/database.js'
import { auditStates, checkoutStates, eventStates, notificationStates } from '../rules/state-groups.js'
import { oneOf } from './states.js'

/** From `since` up to and without `until`. */
export interface Period {
  since: Date
  until: Date
}

/** What of a period is counted: all, or what is in one currency. */
export interface Scope extends Period {
  currency?: string
}

/** Whether a row of "Checkout" c is of the scope. */
const OF_CURRENCY = `($3::text IS NULL OR c."currency" = $3::char(3))`
/** Of a table with a checkout, as $3 has it; what has none is of no currency. */
const CHECKOUT_OF_CURRENCY = `($3::text IS NULL OR EXISTS (SELECT FROM "Checkout" c WHERE c."id" = "checkoutId" AND ${OF_CURRENCY}))`
const OWN_CURRENCY = `($3::text IS NULL OR "currency" = $3::char(3))`

function valuesOf({ since, until, currency }: Scope): [Date, Date, string | null] {
  return [since, until, currency ?? null]
}

/** When a clock of `timeZone` shows `wall`, such as 2026-11-01 or 2026-11-01T08:00. */
export async function readWallTime(db: Queryable, wall: string, timeZone: string): Promise<Date> {
  const { rows } = await db.query<{ at: Date }>('SELECT $1::timestamp AT TIME ZONE $2 AS at', [wall, timeZone])
  return rows[0]?.at as Date
}

/** The end of the day that begins at, or has in it, `wall`. */
export async function readEndOfDay(db: Queryable, wall: string, timeZone: string): Promise<Date> {
  const { rows } = await db.query<{ at: Date }>(
    `SELECT (date_trunc('day', $1::timestamp) + interval '1 day') AT TIME ZONE $2 AS at`,
    [wall, timeZone]
  )
  return rows[0]?.at as Date
}

/** The period as long as another on the clocks of `timeZone`, and just before it. */
export async function readPeriodBefore(db: Queryable, { since, until }: Period, timeZone: string): Promise<Period> {
  const { rows } = await db.query<{ previous: Date }>(
    `SELECT (first - (last - first)) AT TIME ZONE $3 AS previous
     FROM (SELECT $1::timestamptz AT TIME ZONE $3 AS first, $2::timestamptz AT TIME ZONE $3 AS last) p`,
    [since, until, timeZone]
  )
  return { since: rows[0]?.previous as Date, until: since }
}

export const unitsOfPeriods = ['day', 'week', 'month'] as const
export type PeriodUnit = (typeof unitsOfPeriods)[number]

/**
 * The day, ISO week (from Monday) or month in which `moment` lies on the clocks of `timeZone`, and the one before it. By the
 * calendar: a day on which the clocks change has 23 or 25 hours.
 */
export async function readPeriods(
  db: Queryable,
  { unit, moment, timeZone }: { unit: PeriodUnit; moment: Date; timeZone: string }
): Promise<{ period: Period; before: Period }> {
  const { rows } = await db.query<{ previous: Date; since: Date; until: Date }>(
    `SELECT (start - step) AT TIME ZONE $3 AS previous, start AT TIME ZONE $3 AS since, (start + step) AT TIME ZONE $3 AS until
     FROM (SELECT date_trunc($1, $2::timestamptz AT TIME ZONE $3) AS start, ('1 ' || $1)::interval AS step) p`,
    [unit, moment, timeZone]
  )
  const { previous, since, until } = rows[0] as { previous: Date; since: Date; until: Date }
  return { period: { since, until }, before: { since: previous, until: since } }
}

/** In minor units, as the ledger has booked it; what went out is below zero. */
export interface CurrencyMoney {
  currency: string
  /** How many captures there were. */
  payments: number
  captured: number
  refunded: number
  disputed: number
  fees: number
  net: number
}

export async function readMoney(db: Queryable, of: Scope): Promise<CurrencyMoney[]> {
  const { rows } = await db.query<CurrencyMoney>(
    `SELECT *, captured + refunded + disputed + fees AS net FROM (
       SELECT "currency", (count(*) FILTER (WHERE "account" = 'SALES' AND "amount" < 0 AND "entry" LIKE 'capture:%'))::int AS payments,
         (-COALESCE(sum("amount") FILTER (WHERE "account" = 'SALES'), 0))::bigint AS captured,
         (-COALESCE(sum("amount") FILTER (WHERE "account" = 'REFUNDS'), 0))::bigint AS refunded,
         (-COALESCE(sum("amount") FILTER (WHERE "account" = 'DISPUTES'), 0))::bigint AS disputed,
         (-COALESCE(sum("amount") FILTER (WHERE "account" = 'FEES'), 0))::bigint AS fees
       FROM "LedgerPosting" WHERE "createdAt" >= $1 AND "createdAt" < $2 AND ${OWN_CURRENCY} GROUP BY 1
     ) m ORDER BY 1`,
    valuesOf(of)
  )
  return rows
}

export interface LedgerDifference {
  orderId: string
  currency: string
  /** What the payments of the order have captured, and what is booked as sold; in minor units. */
  captured: number
  booked: number
}

/** Orders that were booked on in the period, of which the ledger does not have what their payments captured. */
export async function findLedgerDifferences(db: Queryable, of: Scope, limit: number): Promise<LedgerDifference[]> {
  const { rows } = await db.query<LedgerDifference>(
    `SELECT t."orderId", p."currency", p.captured, COALESCE(l.booked, 0)::bigint AS booked
     FROM (
       SELECT "orderId" FROM "LedgerPosting" WHERE "createdAt" >= $1 AND "createdAt" < $2
       UNION SELECT "orderId" FROM "Payment" WHERE "createdAt" >= $1 AND "createdAt" < $2 AND "captured" > 0
     ) t
     CROSS JOIN LATERAL (
       SELECT "currency", sum("captured")::bigint AS captured FROM "Payment" WHERE "orderId" = t."orderId" AND ${OWN_CURRENCY} GROUP BY 1
     ) p
     LEFT JOIN LATERAL (
       SELECT -sum("amount") AS booked FROM "LedgerPosting"
       WHERE "orderId" = t."orderId" AND "account" = 'SALES' AND "currency" = p."currency" AND "entry" LIKE 'capture:%'
     ) l ON true
     WHERE p.captured <> COALESCE(l.booked, 0) ORDER BY 1, 2 LIMIT $4`,
    [...valuesOf(of), limit]
  )
  return rows
}

export interface CheckoutFigures {
  /** Checkouts that were begun in the period, by what has become of them. */
  byStatus: Record<string, number>
  customers: number
  /** Of these, those with a checkout that is paid. */
  customersWhoPaid: number
}

export async function readCheckouts(db: Queryable, of: Scope): Promise<CheckoutFigures> {
  const { rows } = await db.query<{ byStatus: Record<string, number> | null; customers: number; paid: number }>(
    `WITH begun AS (SELECT "status", "userId" FROM "Checkout" c WHERE "createdAt" >= $1 AND "createdAt" < $2 AND ${OF_CURRENCY})
     SELECT (SELECT jsonb_object_agg("status", n) FROM (SELECT "status", count(*) AS n FROM begun GROUP BY 1) s) AS "byStatus",
       (SELECT count(DISTINCT "userId") FROM begun)::int AS customers,
       (SELECT count(DISTINCT "userId") FROM begun WHERE "status" ${oneOf(checkoutStates.paid)})::int AS paid`,
    valuesOf(of)
  )
  const { byStatus, customers = 0, paid = 0 } = rows[0] ?? { byStatus: null }
  return { byStatus: byStatus ?? {}, customers, customersWhoPaid: paid }
}

/** Something that is counted by a name. */
export interface Counted {
  name: string
  count: number
}

/** Declines by Stripe's code, the most frequent first. https://docs.stripe.com/declines/codes */
export async function readDeclines(db: Queryable, of: Scope, limit: number): Promise<Counted[]> {
  const { rows } = await db.query<Counted>(
    `SELECT "code" AS name, count(*)::int AS count FROM "PaymentSignal"
     WHERE "kind" = 'DECLINE' AND "createdAt" >= $1 AND "createdAt" < $2 AND ${CHECKOUT_OF_CURRENCY} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $4`,
    [...valuesOf(of), limit]
  )
  return rows
}

/** What was refused before Stripe was asked, by the action of the audit trail: prices, stock, fraud rules, amounts. */
export async function readRefusals(db: Queryable, of: Scope): Promise<Counted[]> {
  const { rows } = await db.query<Counted>(
    `SELECT "action" AS name, count(*)::int AS count FROM "PaymentAuditLog"
     WHERE "createdAt" >= $1 AND "createdAt" < $2 AND "status" ${oneOf(auditStates.failed)} AND "action" LIKE 'checkout\\_%' AND ${CHECKOUT_OF_CURRENCY}
     GROUP BY 1 ORDER BY 2 DESC, 1`,
    valuesOf(of)
  )
  return rows
}

export interface FraudFigures {
  /** Checkouts that had to pass 3-D Secure by our rules, and how many of them were paid. */
  challenged: number
  challengedPaid: number
  blocked: number
  earlyWarnings: number
  reviews: number
  disputes: number
}

export async function readFraud(db: Queryable, of: Scope): Promise<FraudFigures> {
  const { rows } = await db.query<FraudFigures>(
    `WITH challenged AS (
       SELECT DISTINCT "checkoutId" FROM "PaymentAuditLog" WHERE "createdAt" >= $1 AND "createdAt" < $2
         AND "action" = 'checkout_verified' AND "metadata"->>'fraud' = 'challenge' AND ${CHECKOUT_OF_CURRENCY}
     )
     SELECT (SELECT count(*) FROM challenged)::int AS challenged,
       (SELECT count(*) FROM challenged h JOIN "Checkout" c ON c."id" = h."checkoutId" AND c."status" ${oneOf(checkoutStates.paid)})::int AS "challengedPaid",
       (SELECT count(*) FROM "PaymentAuditLog" WHERE "createdAt" >= $1 AND "createdAt" < $2 AND "action" = 'checkout_payment_blocked' AND ${CHECKOUT_OF_CURRENCY})::int AS blocked,
       (SELECT count(*) FROM "PaymentSignal" WHERE "kind" = 'EARLY_FRAUD_WARNING' AND "createdAt" >= $1 AND "createdAt" < $2 AND ${CHECKOUT_OF_CURRENCY})::int AS "earlyWarnings",
       (SELECT count(*) FROM "PaymentSignal" WHERE "kind" = 'REVIEW' AND "createdAt" >= $1 AND "createdAt" < $2 AND ${CHECKOUT_OF_CURRENCY})::int AS reviews,
       (SELECT count(*) FROM "Dispute" WHERE "createdAt" >= $1 AND "createdAt" < $2 AND ${OWN_CURRENCY})::int AS disputes`,
    valuesOf(of)
  )
  return rows[0] as FraudFigures
}

export interface DeliveryFigures {
  received: number
  applied: number
  dead: number
  waiting: number
  /** Seconds from Stripe's `created` until applied, whole and rounded by Stripe; null when none was applied. */
  medianSeconds: number | null
  p99Seconds: number | null
}

export async function readDeliveries(db: Queryable, { since, until }: Period): Promise<DeliveryFigures> {
  const { rows } = await db.query<DeliveryFigures>(
    `SELECT count(*)::int AS received, count("processedAt")::int AS applied,
       (count(*) FILTER (WHERE "status" ${oneOf(eventStates.dead)}))::int AS dead,
       (count(*) FILTER (WHERE "status" ${oneOf(eventStates.received)}))::int AS waiting,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM "processedAt" - "created")::float8) AS "medianSeconds",
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM "processedAt" - "created")::float8) AS "p99Seconds"
     FROM "WebhookEvent" WHERE "receivedAt" >= $1 AND "receivedAt" < $2`,
    [since, until]
  )
  return rows[0] as DeliveryFigures
}

/** Messages to the shop that fell due in the period, by what has become of them. */
export async function readNotified(
  db: Queryable,
  { since, until }: Period
): Promise<{ delivered: number; failed: number; waiting: number }> {
  const { rows } = await db.query<{ delivered: number; failed: number; waiting: number }>(
    `SELECT count("deliveredAt")::int AS delivered,
       (count(*) FILTER (WHERE "status" ${oneOf(notificationStates.failed)}))::int AS failed,
       (count(*) FILTER (WHERE "status" ${oneOf(notificationStates.pending)}))::int AS waiting
     FROM "Notification" WHERE "createdAt" >= $1 AND "createdAt" < $2`,
    [since, until]
  )
  return rows[0] as { delivered: number; failed: number; waiting: number }
}

/** Alerts that were raised in the period, by name, and how many of them nobody has resolved. */
export async function readAlerts(db: Queryable, { since, until }: Period): Promise<(Counted & { open: number })[]> {
  const { rows } = await db.query<Counted & { open: number }>(
    `SELECT "name", count(*)::int AS count, (count(*) FILTER (WHERE "resolvedAt" IS NULL))::int AS open
     FROM "Alert" WHERE "createdAt" >= $1 AND "createdAt" < $2 GROUP BY 1 ORDER BY 2 DESC, 1`,
    [since, until]
  )
  return rows
}

/** Keys whose time is over and that the clean-up has not removed yet. */
export async function countExpiredKeys(db: Queryable, now: Date): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM "IdempotencyKey" WHERE "expiresAt" < $1`,
    [now]
  )
  return rows[0]?.count ?? 0
}

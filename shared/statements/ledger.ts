import type { Queryable } from '../database/database.js'
import type { LedgerAccount, LedgerEntry } from '../rules/ledger-entries.js'
import { paymentStates, refundStates } from '../rules/state-groups.js'
import { oneOf } from './states.js'

const SUCCEEDED = oneOf(paymentStates.succeeded)

export interface UnbookedPayment {
  paymentIntentId: string
  orderId: string
  chargeId: string
  captured: number
  /** What was let go of without having been captured, and stands in Stripe's books as captured and refunded. */
  released: number
  currency: string
}

/** Captured payments whose balance transaction is not known yet, those first that were never asked about. */
export async function findUnbookedPayments(db: Queryable, limit: number): Promise<UnbookedPayment[]> {
  const { rows } = await db.query<UnbookedPayment>(
    `SELECT "paymentIntentId", "orderId", "chargeId", "captured", "currency",
       (SELECT COALESCE(sum(r."amount"), 0) FROM "Refund" r
        WHERE r."paymentIntentId" = p."paymentIntentId" AND r."status" ${oneOf(refundStates.released)})::bigint AS "released"
     FROM "Payment" p WHERE "status" ${SUCCEEDED} AND "captured" > 0 AND "chargeId" IS NOT NULL AND "balanceTransactionId" IS NULL
     ORDER BY "askedAt" NULLS FIRST, "createdAt" LIMIT $1`,
    [limit]
  )
  return rows
}

/** Payments that succeeded while a release without a ledger ran: what they captured has to be asked for. */
export async function findUnbookedCaptures(
  db: Queryable,
  limit: number
): Promise<{ paymentIntentId: string; checkoutId: string }[]> {
  const { rows } = await db.query<{ paymentIntentId: string; checkoutId: string }>(
    `SELECT "paymentIntentId", "checkoutId" FROM "Payment"
     WHERE "status" ${SUCCEEDED} AND "captured" = 0 AND "amount" > 0 AND "paymentIntentId" LIKE 'pi_%'
     ORDER BY "askedAt" NULLS FIRST, "createdAt" LIMIT $1`,
    [limit]
  )
  return rows
}

export interface UnbookedRefund {
  id: string
  stripeId: string
  orderId: string
  amount: number
  currency: string
}

/**
 * Refunds of payments that were settled in another currency, whose own exchange, or that of their return, is not booked
 * yet, and what was let go of, for the fee that came back with it; those first that were never asked about.
 */
export async function findUnbookedRefunds(db: Queryable, limit: number): Promise<UnbookedRefund[]> {
  const { rows } = await db.query<UnbookedRefund>(
    `SELECT "id", "stripeId", "orderId", "amount", "currency" FROM (
     SELECT r.* FROM "Refund" r JOIN "Payment" p USING ("paymentIntentId")
     WHERE r."stripeId" IS NOT NULL AND p."balanceTransactionId" IS NOT NULL
       AND (r."balanceTransactionId" IS NULL OR (r."returnTransactionId" IS NULL AND r."status" ${oneOf(refundStates.returned)}))
       -- The first condition has an index of its own, which is empty where no payment was exchanged.
       AND r."orderId" IN (SELECT "orderId" FROM "LedgerPosting" WHERE "account" = 'EXCHANGE')
       AND EXISTS (SELECT FROM "LedgerPosting" l WHERE l."entry" = 'exchange:' || p."balanceTransactionId")
     UNION
     SELECT r.* FROM "Refund" r JOIN "Payment" p USING ("paymentIntentId")
     WHERE r."status" ${oneOf(refundStates.released)} AND r."balanceTransactionId" IS NULL AND p."balanceTransactionId" IS NOT NULL
     ) AS unbooked ORDER BY "askedAt" NULLS FIRST, "createdAt" LIMIT $1`,
    [limit]
  )
  return rows
}

export async function markRefundBooked(
  db: Queryable,
  id: string,
  by: { balanceTransactionId: string | null; returnTransactionId: string | null }
): Promise<void> {
  await db.query(
    `UPDATE "Refund" SET "balanceTransactionId" = COALESCE($2, "balanceTransactionId"),
       "returnTransactionId" = COALESCE($3, "returnTransactionId") WHERE "id" = $1`,
    [id, by.balanceTransactionId, by.returnTransactionId]
  )
}

export async function markBooked(db: Queryable, paymentIntentId: string, balanceTransactionId: string): Promise<void> {
  await db.query('UPDATE "Payment" SET "balanceTransactionId" = $2 WHERE "paymentIntentId" = $1', [
    paymentIntentId,
    balanceTransactionId
  ])
}

export interface Posting {
  entry: string
  account: LedgerAccount
  currency: string
  amount: number
  orderId: string
  source: string
  createdAt: Date
}

export async function readPostings(db: Queryable, orderId: string): Promise<Posting[]> {
  const { rows } = await db.query<Posting>(
    'SELECT * FROM "LedgerPosting" WHERE "orderId" = $1 ORDER BY "createdAt", "entry", "account"',
    [orderId]
  )
  return rows
}

/**
 * Books entries, each once, and returns how many postings were new. What a correction has said of an entry before it came
 * is not booked a second time: only what is left is. The database refuses what does not balance.
 */
export async function postEntries(db: Queryable, entries: LedgerEntry[], now: Date): Promise<number> {
  if (entries.length === 0) return 0
  const postings = entries.flatMap(({ key, orderId, source, lines }) =>
    lines.map(line => ({ entry: key, orderId, source, ...line }))
  )
  const { rowCount } = await db.query(
    `WITH fresh AS (
       SELECT * FROM jsonb_to_recordset($1::jsonb) AS p("entry" text, "account" "LedgerAccount", "currency" char(3), "orderId" text, "amount" bigint, "source" text)
       WHERE NOT EXISTS (SELECT FROM "LedgerPosting" l WHERE l."entry" = p."entry")
     ), corrected AS (
       SELECT l."source" AS "entry", l."account", l."currency", -sum(l."amount") AS "amount" FROM "LedgerPosting" l
       WHERE l."source" IN (SELECT "entry" FROM fresh) AND l."entry" LIKE 'correction:%' GROUP BY 1, 2, 3
     ), line AS (
       SELECT "entry", "account", "currency", sum("amount") AS "amount" FROM (
         SELECT "entry", "account", "currency", "amount" FROM fresh UNION ALL SELECT "entry", "account", "currency", "amount" FROM corrected
       ) AS said GROUP BY 1, 2, 3 HAVING sum("amount") <> 0
     )
     INSERT INTO "LedgerPosting" ("entry", "account", "currency", "orderId", "amount", "source", "createdAt")
     SELECT line."entry", line."account", line."currency", named."orderId", line."amount", named."source", $2
     FROM line JOIN (SELECT DISTINCT "entry", "orderId", "source" FROM fresh) AS named ON named."entry" = line."entry"
     ON CONFLICT DO NOTHING`,
    [JSON.stringify(postings), now]
  )
  return rowCount ?? 0
}

/** One correction at a time under a name, until the end of the transaction. */
export async function lockEntryKey(db: Queryable, entry: string): Promise<void> {
  await db.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [entry])
}

export async function readEntry(db: Queryable, entry: string): Promise<LedgerEntry | undefined> {
  const { rows } = await db.query<Posting>('SELECT * FROM "LedgerPosting" WHERE "entry" = $1', [entry])
  const [first] = rows
  if (first === undefined) return undefined
  const lines = rows.map(({ account, currency, amount }) => ({ account, currency, amount }))
  return { key: entry, orderId: first.orderId, source: first.source, lines }
}

export async function readEntryKeys(db: Queryable, orderId: string): Promise<string[]> {
  const { rows } = await db.query<{ entry: string }>(
    'SELECT DISTINCT "entry" FROM "LedgerPosting" WHERE "orderId" = $1 ORDER BY "entry"',
    [orderId]
  )
  return rows.map(row => row.entry)
}

export async function isBooked(db: Queryable, entry: string): Promise<boolean> {
  const { rowCount } = await db.query('SELECT FROM "LedgerPosting" WHERE "entry" = $1 LIMIT 1', [entry])
  return rowCount === 1
}

/**
 * What a posting counts for: a correction for the entry that it names as its source, a capture that was booked by the
 * difference to an earlier one (capture:pi_…:2) for that, every other one for its own.
 */
const COUNTS_FOR = `CASE WHEN "entry" LIKE 'correction:%' THEN "source" ELSE regexp_replace("entry", '^(capture:\\w+):\\d+$', '\\1') END`

export interface Bookings {
  /** What the STRIPE account has under each entry and its corrections, in its currency. */
  entries: Map<string, { amount: number; currency: string }[]>
  /** Those of the PaymentIntents that are of this shop. */
  intents: Set<string>
  /** What of each was let go of without having been captured, by the refund that Stripe made of it. */
  released: Map<string, { refund: string; amount: number }[]>
}

/** What the ledger has under these entries and for these PaymentIntents. */
export async function findBookings(db: Queryable, keys: string[], paymentIntentIds: string[]): Promise<Bookings> {
  const known = await db.query<{ paymentIntentId: string }>(
    'SELECT "paymentIntentId" FROM "Payment" WHERE "paymentIntentId" = ANY($1)',
    [paymentIntentIds]
  )
  const intents = new Set(known.rows.map(row => row.paymentIntentId))
  const captures = [...intents].map(intent => `capture:${intent}`)
  const { rows } = await db.query<{ entry: string; amount: number; currency: string }>(
    `SELECT ${COUNTS_FOR} AS entry, "amount", "currency" FROM "LedgerPosting" WHERE "account" = 'STRIPE'
       AND ("entry" = ANY($1) OR "source" = ANY($2) OR ("source" = ANY($1) AND "entry" LIKE 'correction:%'))`,
    [[...keys, ...captures], [...intents]]
  )
  const entries = new Map<string, { amount: number; currency: string }[]>()
  for (const { entry, ...posted } of rows) entries.set(entry, [...(entries.get(entry) ?? []), posted])
  return { entries, intents, released: await findReleased(db, [...intents]) }
}

async function findReleased(db: Queryable, paymentIntentIds: string[]): Promise<Bookings['released']> {
  const { rows } = await db.query<{ paymentIntentId: string; refund: string; amount: number }>(
    `SELECT "paymentIntentId", "stripeId" AS refund, "amount" FROM "Refund"
     WHERE "paymentIntentId" = ANY($1) AND "status" ${oneOf(refundStates.released)}`,
    [paymentIntentIds]
  )
  const released: Bookings['released'] = new Map()
  for (const { paymentIntentId: id, ...each } of rows) released.set(id, [...(released.get(id) ?? []), each])
  return released
}

export interface UnbalancedOrder {
  orderId: string
  currency: string
  sum: number
}

/**
 * Orders whose postings do not sum to zero in a currency, among the next `most` orders after one; the database keeps this
 * empty. `last` is null when no order was left.
 */
export async function findUnbalanced(
  db: Queryable,
  after: string | null,
  most: number
): Promise<{ unbalanced: UnbalancedOrder[]; last: string | null }> {
  const { rows } = await db.query<{ unbalanced: UnbalancedOrder[]; last: string | null }>(
    `WITH slice AS MATERIALIZED (
       SELECT "id" FROM "Order" WHERE "id" > $1 ORDER BY "id" LIMIT $2
     ), wrong AS (
       SELECT "orderId", "currency", sum("amount")::bigint AS sum FROM "LedgerPosting" WHERE "orderId" IN (SELECT "id" FROM slice)
       GROUP BY "orderId", "currency" HAVING sum("amount") <> 0
     )
     SELECT (SELECT COALESCE(json_agg(wrong ORDER BY "orderId"), '[]') FROM wrong) AS unbalanced, (SELECT max("id") FROM slice) AS last`,
    [after ?? '', most]
  )
  return rows[0] ?? { unbalanced: [], last: null }
}

/** What STRIPE has for one entry, in one currency. */
export interface BookedEntry {
  entry: string
  currency: string
  amount: number
}

/** A posting, by which the next page of a list begins. */
export type PostingCursor = Pick<Posting, 'entry' | 'currency'> & { createdAt: string }

/**
 * Captures, refunds and disputes that were booked or corrected in a period, with all their corrections: what Stripe should
 * have too. What was corrected to nothing is left out. A page of postings at a time, so that one that was corrected can
 * come twice; `last` is null on the last page.
 */
export async function findBookedSources(
  db: Queryable,
  { since, until }: { since: Date; until: Date },
  after: PostingCursor | null,
  limit: number
): Promise<{ booked: BookedEntry[]; last: PostingCursor | null }> {
  const { rows } = await db.query<{ booked: BookedEntry[]; last: PostingCursor | null }>(
    `WITH page AS MATERIALIZED (
       SELECT "createdAt", "entry", "currency", ${COUNTS_FOR} AS name FROM "LedgerPosting" WHERE "account" = 'STRIPE' AND "createdAt" >= $1
         AND "createdAt" < $2 AND "entry" NOT LIKE 'exchange:%' AND "entry" NOT LIKE 'fee:%' AND ("createdAt", "entry", "currency") > ($3, $4, $5)
       ORDER BY "createdAt", "entry", "currency" LIMIT $6
     ), named AS (
       SELECT DISTINCT name AS entry FROM page WHERE name NOT LIKE 'exchange:%' AND name NOT LIKE 'fee:%'
     ), posting AS (
       SELECT named.entry, l."currency", l."amount" FROM named JOIN "LedgerPosting" l ON l."entry" = named.entry AND l."account" = 'STRIPE'
       UNION ALL
       SELECT named.entry, l."currency", l."amount" FROM named JOIN "LedgerPosting" l ON l."source" = substr(named.entry, 9)
         AND l."account" = 'STRIPE' AND l."entry" LIKE named.entry || ':%' WHERE named.entry LIKE 'capture:%'
       UNION ALL
       SELECT named.entry, l."currency", l."amount" FROM named JOIN "LedgerPosting" l ON l."source" = named.entry
         AND l."account" = 'STRIPE' AND l."entry" LIKE 'correction:%'
     ), summed AS (
       SELECT entry, "currency", sum("amount")::bigint AS amount FROM posting GROUP BY entry, "currency" HAVING sum("amount") <> 0
     )
     SELECT (SELECT COALESCE(json_agg(summed ORDER BY entry, "currency"), '[]') FROM summed) AS booked,
       (SELECT json_build_object('createdAt', "createdAt", 'entry', "entry", 'currency', "currency") FROM page
        ORDER BY "createdAt" DESC, "entry" DESC, "currency" DESC OFFSET 0 LIMIT CASE WHEN (SELECT count(*) FROM page) < $6 THEN 0 ELSE 1 END) AS last`,
    [since, until, after?.createdAt ?? since, after?.entry ?? '', after?.currency ?? '', limit]
  )
  return rows[0] ?? { booked: [], last: null }
}

import type { PaymentAuditLog } from '../../prisma/generated/client.js'
import type { Database, Queryable } from '../database/database.js'
import { maskText } from '../identity/masking.js'
import { auditStates } from '../rules/state-groups.js'
import { oneOf } from './states.js'

export interface AuditProblem {
  chain: string
  /** The row that it was found at; null when a whole chain is gone. */
  id: number | null
  problem: string
}

/** Where a slice of the trail ended: the row that the next one follows. Null before the first row. */
export interface RowCursor {
  chain: string
  sequence: number
  hash: string
}

export interface Slice<C> {
  /** How many rows, or registered ends, were looked at. */
  checked: number
  problems: AuditProblem[]
  /** Null when nothing was left. */
  last: C | null
}

// Everything is named with its schema: a login can put others of these names before them on its search_path.

/** Recomputes the next `most` rows of all chains, or of one, in the order of chain and sequence. */
export async function checkRows(
  db: Queryable,
  after: RowCursor | null,
  most: number,
  onlyChain?: string
): Promise<Slice<RowCursor> & { chains: number }> {
  const { rows } = await db.query<{
    checked: number
    chains: number
    lastChain: string | null
    lastSequence: number
    lastHash: string
    problems: AuditProblem[]
  }>('SELECT * FROM public."audit_row_problems"($1, $2, $3, $4, $5)', [
    after?.chain ?? null,
    after?.sequence ?? null,
    after?.hash ?? null,
    most,
    onlyChain ?? null
  ])
  const row = rows[0]
  if (row === undefined) throw new Error('audit_row_problems returned nothing')
  const { checked, chains, problems, lastChain: chain, lastSequence: sequence, lastHash: hash } = row
  return { checked, chains, problems, last: chain === null ? null : { chain, sequence, hash } }
}

/** Compares the registered ends of the next `most` chains with their last rows, in the order of their names. */
export async function checkEnds(
  db: Queryable,
  after: string | null,
  most: number,
  onlyChain?: string
): Promise<Slice<string>> {
  const { rows } = await db.query<{ checked: number; lastChain: string | null; problems: AuditProblem[] }>(
    'SELECT * FROM public."audit_end_problems"($1, $2, $3)',
    [after, most, onlyChain ?? null]
  )
  const row = rows[0]
  if (row === undefined) throw new Error('audit_end_problems returned nothing')
  return { checked: row.checked, problems: row.problems, last: row.lastChain }
}

const SLICE = 10_000

/** Everything that is wrong with the trail, or with one chain of it, in slices. Nothing is a sound trail. */
export async function findAuditProblems(db: Queryable, chain?: string): Promise<AuditProblem[]> {
  const problems: AuditProblem[] = []
  for (let after: RowCursor | null = null; ; ) {
    const slice: Slice<RowCursor> = await checkRows(db, after, SLICE, chain)
    problems.push(...slice.problems)
    if (slice.last === null) break
    after = slice.last
  }
  for (let after: string | null = null; ; ) {
    const slice: Slice<string> = await checkEnds(db, after, SLICE, chain)
    problems.push(...slice.problems)
    if (slice.last === null || chain !== undefined) return problems
    after = slice.last
  }
}

/** The fewest days that the database keeps chains, and addresses in them. Only its owner can change it. */
export interface AuditPolicy {
  chainDays: number
  addressDays: number
}

export async function readAuditPolicy(db: Queryable): Promise<AuditPolicy> {
  const { rows } = await db.query<AuditPolicy>('SELECT "chainDays", "addressDays" FROM public."AuditPolicy"')
  if (rows[0] === undefined) throw new Error('The table AuditPolicy is empty: run npm run db:migrate')
  return rows[0]
}

/** Sets what is given, as the owner of the database. */
export async function writeAuditPolicy(db: Queryable, policy: Partial<AuditPolicy>): Promise<AuditPolicy> {
  const { rows } = await db.query<AuditPolicy>(
    `INSERT INTO public."AuditPolicy" AS p ("id", "chainDays", "addressDays") VALUES (1, COALESCE($1, 365), COALESCE($2, 90))
     ON CONFLICT ("id") DO UPDATE SET "chainDays" = COALESCE($1, p."chainDays"), "addressDays" = COALESCE($2, p."addressDays")
     RETURNING "chainDays", "addressDays"`,
    [policy.chainDays ?? null, policy.addressDays ?? null]
  )
  return rows[0] as AuditPolicy
}

/** What the signature of a tombstone is over. */
export interface SignedChain {
  chain: string
  rows: number
  lastHash: string
}

export interface ExpiredChain extends SignedChain {
  /** When its last row was written. */
  endedAt: Date
}

/** The next chains without a row since `before` after one of them, those first that ended first. */
export async function findExpiredChains(
  db: Queryable,
  before: Date,
  limit: number,
  after?: ExpiredChain
): Promise<ExpiredChain[]> {
  const { rows } = await db.query<ExpiredChain>(
    `SELECT "chain", "length" AS rows, "hash" AS "lastHash", "updatedAt" AS "endedAt" FROM public."AuditChain"
     WHERE "updatedAt" < $1 AND "updatedAt" >= COALESCE($3, '-infinity'::timestamptz)
       AND ("updatedAt", "chain") > (COALESCE($3, '-infinity'::timestamptz), COALESCE($4, ''))
     ORDER BY "updatedAt", "chain" LIMIT $2`,
    [before, limit, after?.endedAt ?? null, after?.chain ?? null]
  )
  return rows
}

/**
 * Removes a whole chain and leaves a tombstone. False, and nothing is removed, when the chain is not sound, has another
 * last row by now, or is younger than `before` or than the database's own policy allows.
 */
export async function removeChain(
  db: Queryable,
  chain: ExpiredChain,
  before: Date,
  signature: string
): Promise<boolean> {
  const { rows } = await db.query<{ removed: boolean }>(
    'SELECT public."audit_remove_chain"($1, $2, $3, $4) AS removed',
    [chain.chain, chain.lastHash, before, signature]
  )
  return rows[0]?.removed === true
}

export interface Tombstone extends SignedChain {
  removedAt: Date
  signature: string
}

/** The next tombstones after one, in the order of their keys. */
export async function readTombstones(db: Queryable, after: SignedChain | null, limit: number): Promise<Tombstone[]> {
  const { rows } = await db.query<Tombstone>(
    `SELECT "chain", "rows", "lastHash", "removedAt", "signature" FROM public."AuditTombstone"
     WHERE ("chain", "lastHash") > ($1, $2) ORDER BY "chain", "lastHash" LIMIT $3`,
    [after?.chain ?? '', after?.lastHash ?? '', limit]
  )
  return rows
}

/**
 * Forgets the addresses and browsers in up to `most` rows of one user, which the database writes into the trail with who
 * wanted it. Returns how many rows had some.
 */
export async function forgetAddresses(
  db: Queryable,
  userId: string,
  by: { operator: string; reason: string },
  most: number
): Promise<number> {
  const { rows } = await db.query<{ forgotten: number }>(
    'SELECT public."audit_forget"($1, $2, $3, $4)::int AS forgotten',
    [userId, by.operator, maskText(by.reason), most]
  )
  return rows[0]?.forgotten ?? 0
}

/** Forgets those in up to `most` rows that are older than `before`, and than the database's own policy. */
export async function forgetOldAddresses(db: Queryable, before: Date, most: number): Promise<number> {
  const { rows } = await db.query<{ forgotten: number }>(
    'SELECT public."audit_forget_before"($1, $2)::int AS forgotten',
    [before, most]
  )
  return rows[0]?.forgotten ?? 0
}

export type TrailRow = Omit<PaymentAuditLog, 'id' | 'amount'> & { id: number; amount: number | null }

/** The newest rows, by the index of the order or the user; by id alone the whole trail would be searched backwards for them. */
function newestWhere(condition: string, limit: number): string {
  return `SELECT * FROM public."PaymentAuditLog" WHERE ${condition} ORDER BY "createdAt" DESC, "id" DESC LIMIT $${limit}`
}

const NEWEST_OF_ORDER = newestWhere('"orderId" = $1', 2)
const NEWEST_OF_USER = newestWhere('"userId" = $1 AND "createdAt" >= $2', 3)

export async function findNewestOfOrder(db: Queryable, orderId: string, limit: number): Promise<TrailRow[]> {
  const { rows } = await db.query<TrailRow>(NEWEST_OF_ORDER, [orderId, limit])
  return rows
}

export async function findNewestOfUser(db: Queryable, userId: string, since: Date, limit: number): Promise<TrailRow[]> {
  const { rows } = await db.query<TrailRow>(NEWEST_OF_USER, [userId, since, limit])
  return rows
}

export interface SuspiciousUser {
  userId: string
  attempts: number
  failures: number
}

const FAILED = oneOf(auditStates.failed)

/** Users with more than 5 checkout rows, or more than 3 failed ones, since a moment. */
export async function findSuspiciousUsers(db: Queryable, since: Date, limit: number): Promise<SuspiciousUser[]> {
  const { rows } = await db.query<SuspiciousUser>(
    `SELECT "userId", count(*) FILTER (WHERE "action" = 'checkout_received')::int AS attempts,
       count(*) FILTER (WHERE "status" ${FAILED})::int AS failures
     FROM public."PaymentAuditLog" WHERE "createdAt" >= $1 AND "userId" IS NOT NULL AND ("action" LIKE 'checkout%' OR "action" = 'payment_declined')
     GROUP BY 1 HAVING count(*) FILTER (WHERE "action" = 'checkout_received') > 5 OR count(*) FILTER (WHERE "status" ${FAILED}) > 3
     ORDER BY failures DESC, attempts DESC LIMIT $2`,
    [since, limit]
  )
  return rows
}

/** The next rows of a period after one, oldest first. By the index of times: by ids, all that is older than `since` would be read first. */
export async function readTrail(
  db: Queryable,
  { since, until }: { since: Date | undefined; until: Date | undefined },
  after: TrailRow | undefined,
  limit: number
): Promise<TrailRow[]> {
  const { rows } = await db.query<TrailRow>(
    `SELECT "id", "createdAt", "action", "status", "userId", "orderId", "checkoutId", "eventId", "amount", "currency", "before", "after",
       "error", "ipAddress", "userAgent", "requestId", "metadata", "chain", "sequence", "previousHash", "hash", "personalSalt", "personalHash"
     FROM public."PaymentAuditLog" WHERE "createdAt" >= COALESCE($1, '-infinity'::timestamptz) AND "createdAt" < COALESCE($2, 'infinity'::timestamptz)
       AND ("createdAt", "id") > (COALESCE($1, '-infinity'::timestamptz), $3::bigint) ORDER BY "createdAt", "id" LIMIT $4`,
    [after?.createdAt ?? since ?? null, until ?? null, after?.id ?? -1, limit]
  )
  return rows
}

/** What the trail says of one order or one checkout, oldest first; of one kind of act alone when `action` is given. */
export async function showTrail(
  { prisma }: Database,
  of: { orderId: string } | { checkoutId: string },
  action?: string
): Promise<PaymentAuditLog[]> {
  return await prisma.paymentAuditLog.findMany({ where: { ...of, action }, orderBy: { id: 'asc' } })
}

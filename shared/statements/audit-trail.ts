import type { Queryable } from '../database.js'

export interface AuditProblem {
  chain: string
  /** The row that it was found at; null when a whole chain is gone. */
  id: number | null
  problem: string
}

/** Everything that is wrong with the trail, or with one chain of it. Nothing is a sound trail. */
export async function findAuditProblems(db: Queryable, chain?: string): Promise<AuditProblem[]> {
  const { rows } = await db.query<AuditProblem>('SELECT * FROM "audit_problems"($1) ORDER BY 1, 2', [chain ?? null])
  return rows
}

export interface ExpiredChain {
  chain: string
  rows: number
  lastHash: string
}

/** Chains without a row since `before`, oldest first. */
export async function findExpiredChains(db: Queryable, before: Date, limit: number): Promise<ExpiredChain[]> {
  const { rows } = await db.query<ExpiredChain>(
    `SELECT c."chain", c."length" AS rows, c."hash" AS "lastHash" FROM "AuditChain" c
     WHERE c."updatedAt" < $1 AND NOT EXISTS (SELECT FROM "PaymentAuditLog" l WHERE l."chain" = c."chain" AND l."createdAt" >= $1)
     ORDER BY c."updatedAt" LIMIT $2`,
    [before, limit]
  )
  return rows
}

/** Removes a whole chain and leaves a tombstone. False, and nothing is removed, when the chain is not sound. */
export async function removeChain(
  db: Queryable,
  chain: ExpiredChain,
  before: Date,
  signature: string
): Promise<boolean> {
  const { rows } = await db.query<{ removed: boolean }>('SELECT "audit_remove_chain"($1, $2, $3, $4) AS removed', [
    chain.chain,
    chain.lastHash,
    before,
    signature
  ])
  return rows[0]?.removed === true
}

export interface Tombstone extends ExpiredChain {
  signature: string
}

export async function readTombstones(db: Queryable): Promise<Tombstone[]> {
  const { rows } = await db.query<Tombstone>('SELECT "chain", "rows", "lastHash", "signature" FROM "AuditTombstone"')
  return rows
}

export async function countAuditRows(db: Queryable): Promise<{ rows: number; chains: number }> {
  const { rows } = await db.query<{ rows: number; chains: number }>(
    'SELECT (SELECT count(*)::int FROM "PaymentAuditLog") AS rows, (SELECT count(*)::int FROM "AuditChain") AS chains'
  )
  return rows[0] ?? { rows: 0, chains: 0 }
}

/** Forgets the addresses and browsers in the rows of one user. Returns how many rows had some. */
export async function forgetAddresses(db: Queryable, userId: string): Promise<number> {
  const { rows } = await db.query<{ forgotten: number }>('SELECT "audit_forget"($1) AS forgotten', [userId])
  return rows[0]?.forgotten ?? 0
}

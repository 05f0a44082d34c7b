import type { Queryable } from '../database/database.js'

/** What an operator's request under an Idempotency-Key was answered with; `answer` is null while it is in flight. */
export interface OperatorKeyHolder {
  fingerprint: string
  answer: { data: unknown } | null
}

/** Claims the key until `expiresAt`. Returns who holds it when that is another request that is not over. */
export async function claimOperatorKey(
  db: Queryable,
  claim: { key: string; fingerprint: string; expiresAt: Date; now: Date }
): Promise<OperatorKeyHolder | undefined> {
  const { rowCount } = await db.query(
    `INSERT INTO "IdempotencyKey" ("key", "userId", "action", "fingerprint", "derived", "request", "expiresAt", "createdAt", "updatedAt")
     VALUES ($1, 'operator', 'operator', $2, false, '{}', $3, $4, $4)
     ON CONFLICT ("key") DO UPDATE SET "fingerprint" = EXCLUDED."fingerprint", "response" = NULL, "status" = NULL,
       "expiresAt" = EXCLUDED."expiresAt", "updatedAt" = EXCLUDED."updatedAt"
     WHERE "IdempotencyKey"."expiresAt" <= $4`,
    [claim.key, claim.fingerprint, claim.expiresAt, claim.now]
  )
  if (rowCount === 1) return undefined
  const { rows } = await db.query<OperatorKeyHolder>(
    'SELECT "fingerprint", "response" AS answer FROM "IdempotencyKey" WHERE "key" = $1',
    [claim.key]
  )
  // It went between the two: as one that is just ending.
  return rows[0] ?? { fingerprint: claim.fingerprint, answer: null }
}

/** Keeps the answer until `expiresAt`. */
export async function answerOperatorKey(db: Queryable, key: string, data: unknown, expiresAt: Date): Promise<void> {
  await db.query(
    `UPDATE "IdempotencyKey" SET "response" = $2, "status" = 200, "expiresAt" = $3, "updatedAt" = now() WHERE "key" = $1`,
    [key, JSON.stringify({ data: data ?? null }), expiresAt]
  )
}

/** What failed was not done: the same request may come again. */
export async function freeOperatorKey(db: Queryable, key: string): Promise<void> {
  await db.query('DELETE FROM "IdempotencyKey" WHERE "key" = $1 AND "response" IS NULL', [key])
}

import type { Queryable } from '../database/database.js'

/**
 * Says that a guest's orders are a customer's, for good. Returns whose they are: another customer's when that one was
 * first. Until the end of the transaction nothing new of the guest is written; after it, it is the customer's at once.
 */
export async function recordClaim(
  db: Queryable,
  claim: { guestId: string; userId: string; now: Date }
): Promise<{ userId: string; isNew: boolean }> {
  await db.query(`SELECT pg_advisory_xact_lock(hashtextextended('guest:' || $1, 0))`, [claim.guestId])
  const { rowCount } = await db.query(
    `INSERT INTO "GuestClaim" ("guestId", "userId", "claimedAt") VALUES ($1, $2, $3) ON CONFLICT ("guestId") DO NOTHING`,
    [claim.guestId, claim.userId, claim.now]
  )
  if (rowCount === 1) return { userId: claim.userId, isNew: true }
  return { userId: (await findClaimant(db, claim.guestId)) ?? claim.userId, isNew: false }
}

/** The customer who has claimed a guest's orders. */
export async function findClaimant(db: Queryable, guestId: string): Promise<string | undefined> {
  const { rows } = await db.query<{ userId: string }>({
    name: 'find-claimant',
    text: 'SELECT "userId" FROM "GuestClaim" WHERE "guestId" = $1',
    values: [guestId]
  })
  return rows[0]?.userId
}

/** The guests whose orders a customer has claimed. */
export async function findClaimedGuests(db: Queryable, userId: string): Promise<string[]> {
  const { rows } = await db.query<{ guestId: string }>(
    'SELECT "guestId" FROM "GuestClaim" WHERE "userId" = $1 ORDER BY "claimedAt"',
    [userId]
  )
  return rows.map(({ guestId }) => guestId)
}

export interface ClaimedCheckout {
  id: string
  orderId: string | null
}

/**
 * Makes all that is a guest's a customer's. In the order of all locks (lockCheckout()): customers, checkouts by id, orders
 * by id.
 */
export async function giveTo(
  db: Queryable,
  { guestId, userId }: { guestId: string; userId: string }
): Promise<{ orders: string[]; checkouts: ClaimedCheckout[] }> {
  await db.query(
    `SELECT pg_advisory_xact_lock(hashtextextended('customer:' || id, 0)) FROM unnest($1::text[]) AS id ORDER BY id`,
    [[guestId, userId]]
  )
  const { rows: checkouts } = await db.query<ClaimedCheckout>(
    `WITH own AS MATERIALIZED (SELECT "id" FROM "Checkout" WHERE "userId" = $1 ORDER BY "id" FOR NO KEY UPDATE)
     UPDATE "Checkout" c SET "userId" = $2 FROM own WHERE c."id" = own."id" RETURNING c."id", c."orderId"`,
    [guestId, userId]
  )
  const { rows: orders } = await db.query<{ id: string }>(
    `WITH own AS MATERIALIZED (SELECT "id" FROM "Order" WHERE "userId" = $1 ORDER BY "id" FOR NO KEY UPDATE)
     UPDATE "Order" o SET "userId" = $2 FROM own WHERE o."id" = own."id" RETURNING o."id"`,
    [guestId, userId]
  )
  await db.query('UPDATE "IdempotencyKey" SET "userId" = $2 WHERE "userId" = $1', [guestId, userId])
  return { orders: orders.map(({ id }) => id), checkouts }
}

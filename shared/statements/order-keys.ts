import type { Queryable } from '../database/database.js'

/** Who holds an Idempotency-Key of POST /api/orders. */
export interface OrderKeyHolder {
  fingerprint: string
  orderId: string
}

export async function findOrderKey(db: Queryable, key: string, now: Date): Promise<OrderKeyHolder | undefined> {
  const { rows } = await db.query<OrderKeyHolder>({
    name: 'find-order-key',
    text: `SELECT "fingerprint", "orderId" FROM "IdempotencyKey" WHERE "key" = $1 AND "expiresAt" > $2 AND "orderId" IS NOT NULL`,
    values: [key, now]
  })
  return rows[0]
}

/**
 * Claims the key for an order that this transaction is about to write. A claim of the same key at the same time waits for
 * its end. Returns the holder when it is another order.
 */
export async function claimOrderKey(
  db: Queryable,
  claim: OrderKeyHolder & { key: string; userId: string; expiresAt: Date; now: Date }
): Promise<OrderKeyHolder | undefined> {
  const { rowCount } = await db.query({
    name: 'claim-order-key',
    text: `
    INSERT INTO "IdempotencyKey" ("key", "userId", "action", "fingerprint", "derived", "orderId", "request", "expiresAt", "createdAt", "updatedAt")
    VALUES ($1, $2, 'order', $3, false, $4, '{}', $5, $6, $6)
    ON CONFLICT ("key") DO UPDATE SET "fingerprint" = EXCLUDED."fingerprint", "orderId" = EXCLUDED."orderId",
      "expiresAt" = EXCLUDED."expiresAt", "updatedAt" = EXCLUDED."updatedAt"
    WHERE "IdempotencyKey"."expiresAt" <= $6`,
    values: [claim.key, claim.userId, claim.fingerprint, claim.orderId, claim.expiresAt, claim.now]
  })
  return rowCount === 1 ? undefined : await findOrderKey(db, claim.key, claim.now)
}

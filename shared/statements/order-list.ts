import type { Queryable } from '../database/database.js'
import type { OrderStatus } from '../rules/transitions.js'

export interface ListedOrder {
  id: string
  createdAt: Date
}

/** A customer's orders, newest first, from before a time and an id; of these states alone, if some are named. */
export async function listOrdersOf(
  db: Queryable,
  userId: string,
  { statuses, before, limit }: { statuses?: OrderStatus[]; before?: readonly [at: string, id: string]; limit: number }
): Promise<ListedOrder[]> {
  const { rows } = await db.query<ListedOrder>(
    `SELECT "id", "createdAt" FROM "Order"
     WHERE "userId" = $1 AND ($2::timestamptz IS NULL OR ("createdAt", "id") < ($2, $3)) AND ($4::"OrderStatus"[] IS NULL OR "status" = ANY($4))
     ORDER BY "createdAt" DESC, "id" DESC LIMIT $5`,
    [userId, before?.[0] ?? null, before?.[1] ?? null, statuses ?? null, limit]
  )
  return rows
}

import type { Database } from '../database/database.js'
import { type FoundOrder, searchOrders } from '../statements/search.js'

/** As searchOrders(), from the replica where there is one; what that does not know yet is looked for on the primary. */
export async function findOrders(db: Database, name: string, limit: number): Promise<FoundOrder[]> {
  const found = await db.late.read(pool => searchOrders(pool, name, limit))
  return found.length > 0 ? found : await searchOrders(db.pool, name, limit)
}

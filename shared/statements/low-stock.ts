import type { Queryable } from '../database/database.js'

export interface LowStock {
  id: string
  slug: string
  name: string
  /** How many can be bought now, backorders too; zero when it is sold out. */
  left: number
}

/**
 * Products for sale of which `atMost` or fewer can be bought now: first what still can, the fewest first, then what is sold out;
 * at most `limit` of each.
 */
export async function findLowStock(db: Queryable, atMost: number, limit: number): Promise<LowStock[]> {
  const { rows } = await db.query<LowStock>(
    `SELECT "id", "slug", "name", GREATEST(left_over, 0)::int AS "left" FROM (
       SELECT *, row_number() OVER (PARTITION BY left_over <= 0 ORDER BY left_over, "slug") AS place FROM (
         SELECT *, "stock"::bigint - "reserved" + "backorderLimit" AS left_over FROM "Product" WHERE "active" AND "trackStock"
       ) f WHERE left_over <= $1
     ) p WHERE place <= $2 ORDER BY left_over <= 0, left_over, "slug"`,
    [atMost, limit]
  )
  return rows
}

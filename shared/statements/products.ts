import type { Queryable } from '../database/database.js'

/** What a product is called and looks like in the catalogue. */
export interface ProductTexts {
  name: string
  description: string | null
  image: string | null
}

/** The texts of these products, by id. */
export async function readTexts(db: Queryable, ids: string[]): Promise<Map<string, ProductTexts>> {
  const { rows } = await db.query<ProductTexts & { id: string }>(
    'SELECT "id", "name", "description", "image" FROM "Product" WHERE "id" = ANY($1)',
    [ids]
  )
  return new Map(rows.map(({ id, ...texts }) => [id, texts]))
}

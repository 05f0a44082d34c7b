import type { SoldProduct } from '../cart-errors.js'
import type { Queryable } from '../database.js'

export interface ProductRow extends SoldProduct {
  id: string
  slug: string
  description: string | null
  image: string | null
}

export interface Quantity {
  productId: string
  quantity: number
}

/** Reads and locks the products in id order, so that two carts cannot deadlock. */
export async function lockProducts(db: Queryable, ids: string[]): Promise<Map<string, ProductRow>> {
  const { rows } = await db.query<ProductRow>({
    name: 'lock-products',
    text: 'SELECT * FROM "Product" WHERE "id" = ANY($1) ORDER BY "id" FOR NO KEY UPDATE',
    values: [ids]
  })
  return new Map(rows.map(row => [row.id, row]))
}

/**
 * Holds stock for a checkout. The condition is in the UPDATE: what is not there cannot be reserved, whatever was read
 * before. False when any line could not be held; the caller must then roll back.
 */
export async function reserveStock(db: Queryable, checkoutId: string, lines: Quantity[], now: Date): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'reserve-stock',
    text: `
    WITH line AS (
      SELECT * FROM unnest($2::text[], $3::int[]) AS line("productId", "quantity")
    ), held AS (
      UPDATE "Product" p SET "reserved" = "reserved" + line."quantity", "updatedAt" = $4
      FROM line WHERE p."id" = line."productId" AND p."active" AND p."stock" - p."reserved" >= line."quantity"
      RETURNING line."productId", line."quantity"
    )
    INSERT INTO "Reservation" ("checkoutId", "productId", "quantity", "createdAt")
    SELECT $1, "productId", "quantity", $4 FROM held`,
    values: [checkoutId, lines.map(line => line.productId), lines.map(line => line.quantity), now]
  })
  return rowCount === lines.length
}

/** Ends what a checkout still holds, once: COMMITTED takes it out of stock, RELEASED gives it back. Returns the lines. */
export async function settleReservations(
  db: Queryable,
  checkoutId: string,
  to: 'COMMITTED' | 'RELEASED',
  now: Date
): Promise<Quantity[]> {
  const { rows } = await db.query<Quantity>({
    name: 'settle-reservations',
    text: `
    WITH settled AS (
      UPDATE "Reservation" SET "status" = $2, "settledAt" = $3 WHERE "checkoutId" = $1 AND "status" = 'HELD'
      RETURNING "productId", "quantity"
    ), locked AS MATERIALIZED (
      SELECT "id" FROM "Product" WHERE "id" IN (SELECT "productId" FROM settled) ORDER BY "id" FOR NO KEY UPDATE
    )
    UPDATE "Product" p SET "reserved" = "reserved" - settled."quantity", "updatedAt" = $3,
      "stock" = "stock" - CASE WHEN $2 = 'COMMITTED'::"ReservationStatus" THEN settled."quantity" ELSE 0 END
    FROM settled JOIN locked ON locked."id" = settled."productId" WHERE p."id" = settled."productId"
    RETURNING settled."productId", settled."quantity"`,
    values: [checkoutId, to, now]
  })
  return rows
}

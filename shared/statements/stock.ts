import type { Queryable } from '../database/database.js'
import type { Quantity } from '../rules/order-line.js'
import type { SoldProduct } from '../rules/product.js'
import { MAX_COUNT } from '../rules/product-values.js'
import { refundStates, reservationStates } from '../rules/state-groups.js'
import { type ReservationStatus, reservationRules, sourcesOf } from '../rules/transitions.js'
import { givenList } from './given-list.js'
import { move, oneOf } from './states.js'

const HELD = oneOf(reservationStates.held)
const COMMITTED = oneOf(reservationStates.committed)
const OUTGOING = oneOf(refundStates.outgoing)
/** There are as many of the product p as the line wants: what can be bought, available() in shared/rules/product.ts. */
const IN_STOCK = `(NOT p."trackStock" OR p."stock"::bigint - p."reserved" + p."backorderLimit" >= line."quantity")`

/**
 * A quantity as it moves the stock of the product p. What is not counted by now moves none, whatever it was when it was reserved:
 * whoever switches that counts the shelf anew. What is reserved is kept in either case, so that it comes back to zero.
 */
const COUNTED = (quantity: string) => `CASE WHEN p."trackStock" THEN ${quantity} ELSE 0 END`

/** What went back to the shelf is taken out of it again; what is still held is not. */
const COMMIT_RELEASED = move(reservationRules, 'COMMITTED', { operator: 'only' })
/** What of a checkout's goods is on the shelf again: released, or put back by a refund. */
const STILL_ON_THE_SHELF = `SELECT "productId", CASE WHEN "status" ${COMMIT_RELEASED.from} THEN "quantity" ELSE "restocked" END AS "quantity"
       FROM "Reservation" WHERE "checkoutId" = $1 AND ("status" ${COMMIT_RELEASED.from} OR "restocked" > 0)`

/** The payment p counts, so that the goods of its checkout left the shelf for it: what a stray one gives back took none. */
export const TOOK_GOODS = `(p."reviewReason" IS NULL OR p."acceptedAt" IS NOT NULL)`

/** Reads and locks the products in id order, so that two carts cannot deadlock; with what they cost in this currency, if they do. */
export async function lockProducts(db: Queryable, ids: string[], currency: string): Promise<Map<string, SoldProduct>> {
  const { rows } = await db.query<SoldProduct>({
    name: 'lock-products',
    text: `SELECT * FROM "Product" WHERE "id" = ANY(${givenList(1)}) ORDER BY "id" FOR NO KEY UPDATE`,
    values: [ids]
  })
  const foreign = rows.filter(row => row.currency !== currency).map(row => row.id)
  const prices = await readPrices(db, foreign)
  return new Map(rows.map(row => [row.id, { ...row, prices: prices.get(row.id) }]))
}

/** Those of these products that exist, sold or not. */
export async function readProducts(db: Queryable, ids: string[]): Promise<Map<string, SoldProduct>> {
  const { rows } = await db.query<SoldProduct>('SELECT * FROM "Product" WHERE "id" = ANY($1)', [ids])
  const prices = await readPrices(db, ids)
  return new Map(rows.map(row => [row.id, { ...row, prices: prices.get(row.id) }]))
}

/** What these products cost in further currencies. */
async function readPrices(db: Queryable, ids: string[]): Promise<Map<string, SoldProduct['prices']>> {
  if (ids.length === 0) return new Map()
  const { rows } = await db.query<{ productId: string; prices: SoldProduct['prices'] }>({
    name: 'read-prices',
    text: `SELECT "productId", jsonb_object_agg("currency", "amount") AS prices FROM "ProductPrice" WHERE "productId" = ANY($1) GROUP BY 1`,
    values: [ids]
  })
  return new Map(rows.map(({ productId, prices }) => [productId, prices]))
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
      FROM line WHERE p."id" = line."productId" AND p."active" AND ${IN_STOCK}
      RETURNING line."productId", line."quantity"
    )
    INSERT INTO "Reservation" ("checkoutId", "productId", "quantity", "createdAt")
    SELECT $1, "productId", "quantity", $4 FROM held`,
    values: [checkoutId, lines.map(line => line.productId), lines.map(line => line.quantity), now]
  })
  return rowCount === lines.length
}

/** What these checkouts hold together, by product. */
export async function heldBy(db: Queryable, checkoutIds: string[]): Promise<Map<string, number>> {
  if (checkoutIds.length === 0) return new Map()
  const { rows } = await db.query<Quantity>(
    `SELECT "productId", sum("quantity")::int AS "quantity" FROM "Reservation"
     WHERE "checkoutId" = ANY($1) AND "status" ${HELD} GROUP BY 1`,
    [checkoutIds]
  )
  return new Map(rows.map(row => [row.productId, row.quantity]))
}

/** Ends what a checkout still holds, once: COMMITTED takes it out of stock, RELEASED gives it back. Returns the lines. */
export async function moveReservations(
  db: Queryable,
  checkoutId: string,
  to: Exclude<ReservationStatus, 'HELD'>,
  now: Date
): Promise<Quantity[]> {
  const { rows } = await db.query<Quantity>({
    name: 'settle-reservations',
    text: `
    WITH settled AS (
      UPDATE "Reservation" SET "status" = $2, "settledAt" = $3 WHERE "checkoutId" = $1 AND "status" = ANY($4::"ReservationStatus"[])
      RETURNING "productId", "quantity"
    ), locked AS MATERIALIZED (
      SELECT "id" FROM "Product" WHERE "id" IN (SELECT "productId" FROM settled) ORDER BY "id" FOR NO KEY UPDATE
    )
    UPDATE "Product" p SET "reserved" = "reserved" - settled."quantity", "updatedAt" = $3,
      "stock" = "stock" - CASE WHEN $2 ${COMMITTED}::"ReservationStatus" THEN ${COUNTED('settled."quantity"')} ELSE 0 END
    FROM settled JOIN locked ON locked."id" = settled."productId" WHERE p."id" = settled."productId"
    RETURNING settled."productId", settled."quantity"`,
    values: [checkoutId, to, now, sourcesOf(reservationRules, to)]
  })
  return rows
}

/**
 * An operator accepts a payment whose goods went back: what was released, and what a refund of another payment of the checkout
 * has put back, is taken out again. False when it is not all there any more.
 */
export async function commitReleased(db: Queryable, checkoutId: string, now: Date): Promise<boolean> {
  const { rows } = await db.query<{ wanted: number; taken: number }>(
    `WITH line AS (
       ${STILL_ON_THE_SHELF}
     ), locked AS MATERIALIZED (
       SELECT "id" FROM "Product" WHERE "id" IN (SELECT "productId" FROM line) ORDER BY "id" FOR NO KEY UPDATE
     ), taken AS (
       UPDATE "Product" p SET "stock" = "stock" - ${COUNTED('line."quantity"')}, "updatedAt" = $2 FROM line JOIN locked ON locked."id" = line."productId"
       WHERE p."id" = line."productId" AND ${IN_STOCK} RETURNING line."productId"
     ), committed AS (
       UPDATE "Reservation" SET "status" = ${COMMIT_RELEASED.to}, "settledAt" = $2, "restocked" = 0
       WHERE "checkoutId" = $1 AND "productId" IN (SELECT "productId" FROM taken) RETURNING 1
     )
     SELECT (SELECT count(*)::int FROM line) AS wanted, (SELECT count(*)::int FROM committed) AS taken`,
    [checkoutId, now]
  )
  return rows[0]?.wanted === rows[0]?.taken
}

/** Whether everything that a checkout once held could be taken now. */
export async function couldCommitReleased(db: Queryable, checkoutId: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `SELECT FROM (${STILL_ON_THE_SHELF}) AS line JOIN "Product" p ON p."id" = line."productId" WHERE NOT ${IN_STOCK}`,
    [checkoutId]
  )
  return rowCount === 0
}

/**
 * Puts goods of refunds back on the shelf, once a refund, and never more than was taken or can be counted; what is not counted has none. Goods that are not taken yet
 * (the refund became known before the payment) wait. Returns what went back.
 */
export async function restockRefunds(db: Queryable, orderId: string, now: Date): Promise<Quantity[]> {
  const { rows } = await db.query<Quantity>(
    `WITH due AS (
       SELECT r."id", r."restock", p."checkoutId" FROM "Refund" r JOIN "Payment" p USING ("paymentIntentId")
       WHERE r."orderId" = $1 AND r."restock" IS NOT NULL AND r."restockedAt" IS NULL AND r."status" ${OUTGOING}
         AND ${TOOK_GOODS} AND EXISTS (SELECT FROM "Reservation" v WHERE v."checkoutId" = p."checkoutId" AND v."status" ${COMMITTED})
     ), done AS (
       UPDATE "Refund" SET "restockedAt" = $2 WHERE "id" IN (SELECT "id" FROM due)
     ), line AS (
       SELECT v."checkoutId", v."productId", LEAST(v."quantity" - v."restocked", sum(CASE
         WHEN due."restock" = '"all"' THEN v."quantity" ELSE COALESCE((due."restock"->>v."productId")::int, 0) END))::int AS "quantity"
       FROM "Reservation" v JOIN due ON due."checkoutId" = v."checkoutId" WHERE v."status" ${COMMITTED}
       GROUP BY v."checkoutId", v."productId", v."quantity", v."restocked"
     ), returned AS (
       UPDATE "Reservation" v SET "restocked" = v."restocked" + line."quantity" FROM line
       WHERE v."checkoutId" = line."checkoutId" AND v."productId" = line."productId" AND line."quantity" > 0
       RETURNING v."productId", line."quantity"
     ), locked AS MATERIALIZED (
       SELECT "id" FROM "Product" WHERE "id" IN (SELECT "productId" FROM returned) ORDER BY "id" FOR NO KEY UPDATE
     )
     UPDATE "Product" p SET "stock" = LEAST("stock"::bigint + ${COUNTED('sums."quantity"')}, ${MAX_COUNT}), "updatedAt" = $2
     FROM (SELECT "productId", sum("quantity")::int AS "quantity" FROM returned GROUP BY 1) sums JOIN locked ON locked."id" = sums."productId"
     WHERE p."id" = sums."productId" RETURNING p."id" AS "productId", sums."quantity"`,
    [orderId, now]
  )
  return rows
}

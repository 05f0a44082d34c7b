import { type AuditEntry, auditParameter } from '../audit/audit.js'
import type { Queryable } from '../database/database.js'
import type { Product, StoredProduct } from '../rules/catalogue-product.js'
import { auditInsert } from './audit-rows.js'

const STORED = `p."id", p."slug", p."name", p."description", p."image", p."price", p."currency", p."stock", p."reserved", p."trackStock",
  p."backorderLimit", p."active",
  COALESCE((SELECT jsonb_object_agg(further."currency", further."amount") FROM "ProductPrice" further WHERE further."productId" = p."id"), '{}') AS "prices"`

/** Which products are meant. */
export interface Named {
  ids: string[]
  slugs: string[]
  /** And all that are active. */
  active: boolean
}

/** The products of these ids and slugs, in the order of their ids; locked until the commit when they are to be changed. */
export async function findProducts(
  db: Queryable,
  { ids, slugs, active }: Named,
  lock: boolean
): Promise<StoredProduct[]> {
  const { rows } = await db.query<StoredProduct>(
    `WITH named AS MATERIALIZED (
       SELECT "id" FROM "Product" WHERE "id" = ANY($1) UNION SELECT "id" FROM "Product" WHERE "slug" = ANY($2)
       UNION SELECT "id" FROM "Product" WHERE $3 AND "active"
     ), locked AS MATERIALIZED (
       SELECT p.* FROM "Product" p WHERE p."id" IN (SELECT "id" FROM named) ORDER BY p."id" ${lock ? 'FOR NO KEY UPDATE' : ''}
     )
     SELECT ${STORED} FROM locked p ORDER BY p."id"`,
    [ids, slugs, active]
  )
  return rows
}

/** The next products after one, in the order of their ids. */
export async function listProducts(
  db: Queryable,
  wanted: { after: string; limit: number; active?: boolean; search?: string }
): Promise<StoredProduct[]> {
  const { rows } = await db.query<StoredProduct>(
    `SELECT ${STORED} FROM "Product" p WHERE p."id" > $1 AND ($3::boolean IS NULL OR p."active" = $3)
       AND ($4::text IS NULL OR strpos(lower(p."name"), lower($4)) > 0 OR strpos(lower(p."slug"), lower($4)) > 0)
     ORDER BY p."id" LIMIT $2`,
    [wanted.after, wanted.limit, wanted.active ?? null, wanted.search ?? null]
  )
  return rows
}

/** One writer of the catalogue at a time, until the end of the transaction. Checkouts do not wait for it. */
export async function lockCatalogue(db: Queryable): Promise<void> {
  await db.query(`SELECT pg_advisory_xact_lock(hashtextextended('catalogue', 0))`)
}

const AS_ROWS = `jsonb_to_recordset($1::jsonb) AS row("id" text, "slug" text, "name" text, "description" text, "image" text, "price" bigint,
  "currency" text, "stock" int, "trackStock" boolean, "backorderLimit" int, "active" boolean, "prices" jsonb)`

/** Writes new products with their prices and audit rows. */
export async function insertProducts(
  db: Queryable,
  products: Product[],
  now: Date,
  audit: AuditEntry[]
): Promise<void> {
  await db.query(
    `WITH row AS MATERIALIZED (SELECT * FROM ${AS_ROWS}), inserted AS (
       INSERT INTO "Product" ("id", "slug", "name", "description", "image", "price", "currency", "stock", "trackStock", "backorderLimit",
         "active", "createdAt", "updatedAt")
       SELECT "id", "slug", "name", "description", "image", "price", "currency", "stock", "trackStock", "backorderLimit", "active", $2, $2 FROM row
     ), priced AS (
       INSERT INTO "ProductPrice" ("productId", "currency", "amount")
       SELECT row."id", further.key, further.value::bigint FROM row, jsonb_each_text(row."prices") further
     )
     ${auditInsert(3)}`,
    [JSON.stringify(products), now, auditParameter(...audit)]
  )
}

/**
 * Brings products to what is given, with their prices and audit rows; what is reserved is the checkouts' alone. The products
 * have to be locked, as the stock is set and not counted.
 */
export async function updateProducts(
  db: Queryable,
  products: Product[],
  now: Date,
  audit: AuditEntry[]
): Promise<void> {
  await db.query(
    `WITH row AS MATERIALIZED (SELECT * FROM ${AS_ROWS}), price AS MATERIALIZED (
       SELECT row."id", further.key AS "currency", further.value::bigint AS "amount" FROM row, jsonb_each_text(row."prices") further
     ), updated AS (
       UPDATE "Product" p SET "slug" = row."slug", "name" = row."name", "description" = row."description", "image" = row."image",
         "price" = row."price", "currency" = row."currency", "stock" = row."stock", "trackStock" = row."trackStock",
         "backorderLimit" = row."backorderLimit", "active" = row."active", "updatedAt" = $2
       FROM row WHERE p."id" = row."id"
     ), removed AS (
       DELETE FROM "ProductPrice" old USING row WHERE old."productId" = row."id"
         AND NOT EXISTS (SELECT FROM price WHERE price."id" = old."productId" AND price."currency" = old."currency")
     ), priced AS (
       INSERT INTO "ProductPrice" AS old ("productId", "currency", "amount") SELECT "id", "currency", "amount" FROM price
       ON CONFLICT ("productId", "currency") DO UPDATE SET "amount" = EXCLUDED."amount" WHERE old."amount" <> EXCLUDED."amount"
     )
     ${auditInsert(3)}`,
    [JSON.stringify(products), now, auditParameter(...audit)]
  )
}

/** Frees the slugs of products that get others in the same transaction: two of them may change slugs. */
export async function freeSlugs(db: Queryable, ids: string[]): Promise<void> {
  await db.query(`UPDATE "Product" SET "slug" = '/' || "id" WHERE "id" = ANY($1)`, [ids])
}

export async function findProduct(db: Queryable, idOrSlug: string): Promise<StoredProduct | undefined> {
  const { rows } = await db.query<StoredProduct>(
    `SELECT ${STORED} FROM "Product" p WHERE p."id" = $1 OR p."slug" = $1 ORDER BY p."id" = $1 DESC LIMIT 1`,
    [idOrSlug]
  )
  return rows[0]
}

/** The currencies in which products have further prices. */
export async function furtherCurrencies(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ currency: string }>('SELECT DISTINCT "currency" FROM "ProductPrice" ORDER BY 1')
  return rows.map(row => row.currency)
}

export interface ProductTrailRow {
  createdAt: Date
  action: string
  before: object | null
  after: object | null
  metadata: { operator?: string } | null
}

/** Every change of a product, the newest last. */
export async function readProductTrail(db: Queryable, id: string): Promise<ProductTrailRow[]> {
  const { rows } = await db.query<ProductTrailRow>(
    `SELECT "createdAt", "action", "before"::jsonb, "after"::jsonb, "metadata" FROM "PaymentAuditLog" WHERE "chain" = $1 ORDER BY "sequence"`,
    [`product:${id}`]
  )
  return rows
}

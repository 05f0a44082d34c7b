import type { Queryable } from '../database/database.js'

export interface ListedProduct {
  id: string
  slug: string
  name: string
  description: string | null
  image: string | null
  /** In minor units of `currency`. */
  price: number
  currency: string
  /** All that it has, by currency. */
  prices: Record<string, number>
  /** What can be bought now, less what others have reserved and with what may be sold beyond the stock; null: any number. */
  available: number | null
}

/** In which currency the prices are. */
export interface PricedIn {
  currency: string
  /** Leaves out what has no price in it; else such a product has its own. */
  alone: boolean
}

export interface ProductFilter {
  /** One of these. */
  slugs?: string[]
  /** A part of the name or of the slug, in whatever case and Unicode form. */
  part?: string
}

/**
 * Active products by name, after a name and an id. By what has Unicode's own cases, as a database's locale may know ASCII
 * alone; in capitals, since a small letter can depend on the letters around it (Σ).
 */
export async function listProducts(
  db: Queryable,
  { slugs, part }: ProductFilter,
  { currency, alone }: PricedIn,
  { after, limit }: { after?: readonly [name: string, id: string]; limit: number }
): Promise<ListedProduct[]> {
  const { rows } = await db.query<ListedProduct>(
    `SELECT "id", "slug", "name", "description", "image", CASE WHEN "trackStock" THEN "stock"::bigint - "reserved" + "backorderLimit" END AS "available",
       CASE WHEN "currency" = $6 THEN "price" ELSE COALESCE(other."amount", "price") END AS "price",
       CASE WHEN other."amount" IS NULL THEN "currency" ELSE $6 END AS "currency",
       COALESCE((SELECT jsonb_object_agg("currency", "amount") FROM "ProductPrice" WHERE "productId" = "id"), '{}')
         || jsonb_build_object("currency", "price") AS "prices"
     FROM "Product" LEFT JOIN LATERAL (
       SELECT "amount" FROM "ProductPrice" p WHERE p."productId" = "id" AND p."currency" = $6 AND "Product"."currency" <> $6
     ) other ON true
     WHERE "active" AND (NOT $7 OR "currency" = $6 OR other."amount" IS NOT NULL) AND ($1::text IS NULL OR ("name", "id") > ($1, $2)) AND ($3::text[] IS NULL OR "slug" = ANY($3))
       AND ($4::text[] IS NULL OR EXISTS (
         SELECT FROM unnest($4::text[]) AS form(pattern)
         WHERE upper("name" COLLATE "und-x-icu") LIKE upper(pattern COLLATE "und-x-icu")
           OR upper("slug" COLLATE "und-x-icu") LIKE upper(pattern COLLATE "und-x-icu")))
     ORDER BY "name", "id" LIMIT $5`,
    [
      after?.[0] ?? null,
      after?.[1] ?? null,
      slugs ?? null,
      part === undefined ? null : patternsOf(part),
      limit,
      currency,
      alone
    ]
  )
  return rows
}

/** What contains `part`, for LIKE, in both of the forms in which names are stored. Its wildcards mean themselves. */
function patternsOf(part: string): string[] {
  const literal = part.replace(/[\\%_]/g, '\\$&')
  return [...new Set([literal.normalize('NFC'), literal.normalize('NFD')])].map(form => `%${form}%`)
}

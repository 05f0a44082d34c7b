import type { Queryable } from '../database/database.js'

export interface ProductCounts {
  active: number
  inactive: number
  /** Active ones that have no price in the shop's currency. */
  otherCurrency: number
  /** Active ones of which nothing is left. */
  soldOut: number
  /** Active ones of which one alone costs more than a total may. */
  tooDear: number
}

export async function countProducts(db: Queryable, currency: string, maxAmount: number): Promise<ProductCounts> {
  const { rows } = await db.query<ProductCounts>(
    `SELECT count(*) FILTER (WHERE "active")::int AS active, count(*) FILTER (WHERE NOT "active")::int AS inactive,
       count(*) FILTER (WHERE "active" AND "currency" <> $1)::int AS "otherCurrency",
       count(*) FILTER (WHERE "active" AND "stock" <= "reserved")::int AS "soldOut",
       count(*) FILTER (WHERE "active" AND "currency" = $1 AND "price" > $2)::int AS "tooDear"
     FROM "Product"`,
    [currency, maxAmount]
  )
  return rows[0] as ProductCounts
}

export interface OpenAlerts {
  name: string
  count: number
  since: Date
}

/** The alerts that nobody has resolved, by name, the oldest first. */
export async function countOpenAlerts(db: Queryable): Promise<OpenAlerts[]> {
  const { rows } = await db.query<OpenAlerts>(
    `SELECT "name", count(*)::int AS count, min("createdAt") AS since FROM "Alert" WHERE "resolvedAt" IS NULL GROUP BY 1 ORDER BY 3`
  )
  return rows
}

export interface GivenUp {
  events: number
  notifications: number
}

/** What was given up and waits for a person: dead events, and notifications that the shop never took. */
export async function countGivenUp(db: Queryable): Promise<GivenUp> {
  const { rows } = await db.query<GivenUp>(
    `SELECT (SELECT count(*) FROM "WebhookEvent" WHERE "status" = 'DEAD')::int AS events,
       (SELECT count(*) FROM "Notification" WHERE "status" = 'FAILED')::int AS notifications`
  )
  return rows[0] as GivenUp
}

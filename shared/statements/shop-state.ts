import type { Queryable } from '../database/database.js'
import { eventStates, notificationStates } from '../rules/state-groups.js'
import { oneOf } from './states.js'

export interface ProductCounts {
  active: number
  inactive: number
  /** Active ones of which nothing is left. */
  soldOut: number
}

export async function countProducts(db: Queryable): Promise<ProductCounts> {
  const { rows } = await db.query<ProductCounts>(
    `SELECT count(*) FILTER (WHERE "active")::int AS active, count(*) FILTER (WHERE NOT "active")::int AS inactive,
       count(*) FILTER (WHERE "active" AND "trackStock" AND "stock"::bigint - "reserved" + "backorderLimit" <= 0)::int AS "soldOut"
     FROM "Product"`
  )
  return rows[0] as ProductCounts
}

export interface PriceCounts {
  /** Active products that have no price in the currency. */
  missing: number
  /** Those of which one alone costs more than a total may. */
  tooDear: number
}

/** `maxAmount` in minor units. */
export async function countPrices(db: Queryable, currency: string, maxAmount: number): Promise<PriceCounts> {
  const { rows } = await db.query<PriceCounts>(
    `SELECT count(*) FILTER (WHERE amount IS NULL)::int AS missing, count(*) FILTER (WHERE amount > $2)::int AS "tooDear"
     FROM (
       SELECT CASE WHEN p."currency" = $1 THEN p."price" ELSE f."amount" END AS amount
       FROM "Product" p LEFT JOIN "ProductPrice" f ON f."productId" = p."id" AND f."currency" = $1 WHERE p."active"
     ) priced`,
    [currency, maxAmount]
  )
  return rows[0] as PriceCounts
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
    `SELECT (SELECT count(*) FROM "WebhookEvent" WHERE "status" ${oneOf(eventStates.dead)})::int AS events,
       (SELECT count(*) FROM "Notification" WHERE "status" ${oneOf(notificationStates.failed)})::int AS notifications`
  )
  return rows[0] as GivenUp
}

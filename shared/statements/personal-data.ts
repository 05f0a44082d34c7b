import type { Queryable } from '../database.js'
import { forgetAddresses } from './audit-trail.js'

/** Stripe's name for a card is the same wherever it is used. */
const FORGOTTEN_CARD = `jsonb_set("detail", '{fingerprint}', 'null')`

export interface Erasure {
  orders: number
  checkouts: number
  events: number
  auditRows: number
}

const ERASED = 'erased@invalid'

const CLOSED_CHECKOUT = `"status" NOT IN ('RECEIVED', 'VERIFIED', 'OPEN', 'PROCESSING')`
/** Orders that are being paid or looked at keep what that needs; one that nobody is paying was abandoned. */
const CLOSED_ORDER = `("status" NOT IN ('PENDING', 'PROCESSING', 'AUTHORIZED', 'NEEDS_REVIEW') OR ("status" = 'PENDING'
  AND NOT EXISTS (SELECT FROM "Checkout" c WHERE c."orderId" = "Order"."id" AND NOT (c.${CLOSED_CHECKOUT}))))`

/**
 * Takes e-mail, address, IP address and browser of one user out of everything that is closed, and the payloads of their
 * events; amounts, items and states stay, as the financial record. Events, checkouts, orders: in the order in which all lock.
 */
export async function erasePersonalData(db: Queryable, userId: string): Promise<Erasure> {
  const events = await db.query(
    `UPDATE "WebhookEvent" SET "payload" = '{}' WHERE "status" IN ('PROCESSED', 'IGNORED', 'RESOLVED') AND "payload" <> '{}'
       AND ("checkoutId" IN (SELECT "id" FROM "Checkout" WHERE "userId" = $1 AND ${CLOSED_CHECKOUT})
         -- Events that changed nothing are tied to no checkout; what they are about stands in them.
         OR EXISTS (SELECT FROM "Checkout" c LEFT JOIN "Payment" p ON p."checkoutId" = c."id" WHERE c."userId" = $1 AND c.${CLOSED_CHECKOUT}
           AND (position(c."sessionId" IN "payload") > 0 OR position(p."paymentIntentId" IN "payload") > 0)))`,
    [userId]
  )
  const checkouts = await db.query(
    `UPDATE "Checkout" SET "email" = '${ERASED}', "ipAddress" = NULL, "network" = NULL, "userAgent" = NULL
     WHERE "userId" = $1 AND ${CLOSED_CHECKOUT} AND ("email" <> '${ERASED}' OR "ipAddress" IS NOT NULL OR "userAgent" IS NOT NULL)`,
    [userId]
  )
  const orders = await db.query(
    `UPDATE "Order" SET "email" = NULL, "address" = NULL WHERE "userId" = $1 AND ${CLOSED_ORDER} AND ("email" IS NOT NULL OR "address" IS NOT NULL)`,
    [userId]
  )
  await db.query(
    `UPDATE "PaymentSignal" SET "detail" = ${FORGOTTEN_CARD} WHERE "orderId" IN (SELECT "id" FROM "Order" WHERE "userId" = $1) AND "detail"->>'fingerprint' IS NOT NULL`,
    [userId]
  )
  return {
    orders: orders.rowCount ?? 0,
    checkouts: checkouts.rowCount ?? 0,
    events: events.rowCount ?? 0,
    auditRows: await forgetAddresses(db, userId)
  }
}

/**
 * One batch of each kind of what is older than `before`: payloads, addresses, e-mails. Returns how many rows it took. What
 * another transaction has locked is left for the next call, so that none of these waits for a row while it holds others.
 */
export async function prunePersonalData(db: Queryable, before: Date, batch: number): Promise<number> {
  const counts = await Promise.all([
    db.query(
      `UPDATE "WebhookEvent" SET "payload" = '{}' WHERE "id" IN (SELECT "id" FROM "WebhookEvent"
         WHERE "receivedAt" < $1 AND "status" IN ('PROCESSED', 'IGNORED', 'RESOLVED') AND "payload" <> '{}' LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)`,
      [before, batch]
    ),
    db.query(
      `UPDATE "Order" SET "email" = NULL, "address" = NULL WHERE "id" IN (SELECT "id" FROM "Order"
         WHERE "updatedAt" < $1 AND ${CLOSED_ORDER} AND ("email" IS NOT NULL OR "address" IS NOT NULL) LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)`,
      [before, batch]
    ),
    db.query(
      `UPDATE "Checkout" SET "email" = '${ERASED}', "ipAddress" = NULL, "network" = NULL, "userAgent" = NULL WHERE "id" IN (SELECT "id" FROM "Checkout"
         WHERE "updatedAt" < $1 AND ${CLOSED_CHECKOUT} AND "email" <> '${ERASED}' LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)`,
      [before, batch]
    ),
    db.query(
      `UPDATE "PaymentSignal" SET "detail" = ${FORGOTTEN_CARD} WHERE "id" IN (SELECT "id" FROM "PaymentSignal"
         WHERE "createdAt" < $1 AND "detail"->>'fingerprint' IS NOT NULL LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)`,
      [before, batch]
    ),
    db.query(
      `DELETE FROM "Notification" WHERE "id" IN (SELECT "id" FROM "Notification" WHERE "createdAt" < $1 AND "status" <> 'PENDING' LIMIT $2 FOR UPDATE SKIP LOCKED)`,
      [before, batch]
    )
  ])
  return counts.reduce((sum, { rowCount }) => sum + (rowCount ?? 0), 0)
}

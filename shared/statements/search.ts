import type { Queryable } from '../database/database.js'
import type { OrderStatus } from '../rules/transitions.js'

export interface FoundOrder {
  id: string
  userId: string
  email: string | null
  status: OrderStatus
  currency: string
  total: number | null
  createdAt: Date
  /** What of it bears the name that was looked for. */
  by: string[]
}

/**
 * The newest orders that are, or have, what is called so: an order, a customer, an e-mail (in any case), a checkout, Session,
 * PaymentIntent, charge, refund, dispute, event or notification. Each by an index of its own.
 */
export async function searchOrders(db: Queryable, name: string, limit: number): Promise<FoundOrder[]> {
  const email = name.includes('@') ? name.toLowerCase() : null
  const { rows } = await db.query<FoundOrder>(
    `WITH found("orderId", what) AS (
       SELECT "id", 'order' FROM "Order" WHERE "id" = $1
       UNION ALL (SELECT "id", 'customer' FROM "Order" WHERE "userId" = $1 ORDER BY "createdAt" DESC LIMIT $3)
       UNION ALL (SELECT "id", 'e-mail' FROM "Order" WHERE lower("email") = $2 ORDER BY "createdAt" DESC LIMIT $3)
       UNION ALL (SELECT "id", 'e-mail' FROM "Order" WHERE lower("contact"->>'email') = $2 ORDER BY "createdAt" DESC LIMIT $3)
       UNION ALL SELECT "orderId", 'checkout' FROM "Checkout" WHERE "id" = $1
       UNION ALL SELECT "orderId", 'session' FROM "Checkout" WHERE "sessionId" = $1
       UNION ALL SELECT "orderId", 'payment' FROM "Checkout" WHERE "paymentIntentId" = $1
       UNION ALL SELECT "orderId", 'payment' FROM "Payment" WHERE "paymentIntentId" = $1
       UNION ALL SELECT "orderId", 'charge' FROM "Payment" WHERE "chargeId" = $1
       UNION ALL SELECT "orderId", 'refund' FROM "Refund" WHERE "id" = $1 OR "stripeId" = $1
       UNION ALL SELECT "orderId", 'dispute' FROM "Dispute" WHERE "id" = $1
       UNION ALL SELECT "orderId", 'notification' FROM "Notification" WHERE "id" = $1
       UNION ALL SELECT c."orderId", 'event' FROM "WebhookEvent" e JOIN "Checkout" c ON c."id" = e."checkoutId" WHERE e."id" = $1
     )
     SELECT o."id", o."userId", COALESCE(o."email", o."contact"->>'email') AS "email", o."status", o."currency", o."total", o."createdAt",
       array_agg(DISTINCT found.what) AS by
     FROM found JOIN "Order" o ON o."id" = found."orderId"
     GROUP BY o."id" ORDER BY o."createdAt" DESC, o."id" LIMIT $3`,
    [name, email, limit]
  )
  return rows
}

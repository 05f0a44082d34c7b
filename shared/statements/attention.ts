import type { Queryable } from '../database/database.js'
import { orderStates, paymentStates } from '../rules/state-groups.js'
import type { OrderStatus } from '../rules/transitions.js'
import { oneOf } from './states.js'

export interface OrderInReview {
  id: string
  status: OrderStatus
  currency: string
  total: number | null
  updatedAt: Date
  /** Why its payment cannot simply count, and what to do about it. */
  reviewReason: string | null
  reviewAction: string | null
}

/** Oldest first. */
export async function findOrdersInReview(db: Queryable, limit: number): Promise<OrderInReview[]> {
  const { rows } = await db.query<OrderInReview>(
    `SELECT o."id", o."status", o."currency", o."total", o."updatedAt", p."reviewReason", p."reviewAction"
     FROM "Order" o LEFT JOIN LATERAL (
       SELECT "reviewReason", "reviewAction" FROM "Payment"
       WHERE "orderId" = o."id" AND "reviewReason" IS NOT NULL AND "acceptedAt" IS NULL ORDER BY "createdAt" LIMIT 1
     ) p ON true
     WHERE o."status" ${oneOf(orderStates.inReview)} ORDER BY o."createdAt" LIMIT $1`,
    [limit]
  )
  return rows
}

export interface HeldAuthorization {
  orderId: string
  paymentIntentId: string
  amount: number
  currency: string
  /** When it lapses, as Stripe says, or seven days after it was made. */
  captureBefore: Date
}

/** Those first that lapse first. https://docs.stripe.com/payments/place-a-hold-on-a-payment-method */
export async function findAuthorizations(db: Queryable, limit: number): Promise<HeldAuthorization[]> {
  const { rows } = await db.query<HeldAuthorization>(
    `SELECT "orderId", "paymentIntentId", "amount", "currency", COALESCE("captureBefore", "createdAt" + interval '7 days') AS "captureBefore"
     FROM "Payment" WHERE "status" ${oneOf(paymentStates.authorized)} ORDER BY 5, 2 LIMIT $1`,
    [limit]
  )
  return rows
}

export interface OpenDispute {
  id: string
  orderId: string
  status: string
  reason: string
  amount: number
  currency: string
  evidenceDueBy: Date | null
}

/** Disputes that wait for evidence, those first that are due first. https://docs.stripe.com/api/disputes/object#dispute_object-status */
export async function findDisputesToAnswer(db: Queryable, limit: number): Promise<OpenDispute[]> {
  const { rows } = await db.query<OpenDispute>(
    `SELECT "id", "orderId", "status", "reason", "amount", "currency", "evidenceDueBy" FROM "Dispute"
     WHERE "status" LIKE '%needs_response' ORDER BY "evidenceDueBy" NULLS LAST, "id" LIMIT $1`,
    [limit]
  )
  return rows
}

import { type AuditEntry, auditInsert, auditParameter } from '../audit.js'
import type { Queryable } from '../database.js'
import { type OrderStatus, orderTransitions, sourcesOf } from '../transitions.js'

export interface OrderRow {
  id: string
  userId: string
  status: OrderStatus
  currency: string
  subtotal: number | null
  shipping: number | null
  total: number | null
}

export interface OrderLine {
  productId: string
  name: string
  description: string | null
  image: string | null
  unitPrice: number
  quantity: number
}

export async function lockOrder(db: Queryable, id: string): Promise<OrderRow | undefined> {
  const { rows } = await db.query<OrderRow>({
    name: 'lock-order',
    text: `SELECT "id", "userId", "status", "currency", "subtotal", "shipping", "total" FROM "Order" WHERE "id" = $1 FOR NO KEY UPDATE`,
    values: [id]
  })
  return rows[0]
}

export async function readOrderLines(db: Queryable, orderId: string): Promise<OrderLine[]> {
  const { rows } = await db.query<OrderLine>({
    name: 'read-order-lines',
    text: `SELECT "productId", "name", "description", "image", "unitPrice", "quantity" FROM "OrderItem" WHERE "orderId" = $1 ORDER BY "productId"`,
    values: [orderId]
  })
  return rows
}

/** The checkout of this order that can be paid now or is settling, other than `exceptId`. */
export async function findOpenCheckout(db: Queryable, orderId: string, exceptId: string): Promise<string | undefined> {
  const { rows } = await db.query({
    name: 'find-open-checkout',
    text: `SELECT "id" FROM "Checkout" WHERE "orderId" = $1 AND "id" <> $2 AND "status" IN ('VERIFIED', 'OPEN', 'PROCESSING') LIMIT 1`,
    values: [orderId, exceptId]
  })
  return rows[0]?.id
}

export interface VerifiedOrder {
  id: string
  subtotal: number
  shipping: number
  total: number
  lines: OrderLine[]
  now: Date
}

/** Writes the verified lines and totals of an order that a checkout brought with it. */
export async function fillOrder(db: Queryable, order: VerifiedOrder): Promise<void> {
  await db.query({
    name: 'fill-order',
    text: `
    WITH filled AS (
      UPDATE "Order" SET "subtotal" = $2, "shipping" = $3, "total" = $4, "updatedAt" = $5 WHERE "id" = $1
    )
    INSERT INTO "OrderItem" ("orderId", "productId", "name", "description", "image", "unitPrice", "quantity")
    SELECT $1, "productId", "name", "description", "image", "unitPrice", "quantity" FROM jsonb_to_recordset($6::jsonb)
      AS line("productId" text, "name" text, "description" text, "image" text, "unitPrice" bigint, "quantity" int)`,
    values: [order.id, order.subtotal, order.shipping, order.total, order.now, JSON.stringify(order.lines)]
  })
}

/** Moves an order forward by compare-and-set with its audit row. False, and no effect, when its state does not allow it. */
export async function moveOrder(
  db: Queryable,
  id: string,
  move: { to: OrderStatus; now: Date; audit: AuditEntry }
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'move-order',
    text: `
    WITH moved AS (
      UPDATE "Order" SET "status" = $2, "updatedAt" = $3, "paidAt" = CASE WHEN $2 = 'PAID'::"OrderStatus" THEN $3 ELSE "paidAt" END
      WHERE "id" = $1 AND "status" = ANY($4::"OrderStatus"[]) RETURNING "id"
    ), audited AS (
      ${auditInsert(5, 'EXISTS (SELECT FROM moved)')}
    )
    SELECT "id" FROM moved`,
    values: [
      id,
      move.to,
      move.now,
      sourcesOf(orderTransitions, move.to),
      auditParameter({ ...move.audit, after: move.to })
    ]
  })
  return rowCount === 1
}

export interface PaymentRecord {
  paymentIntentId: string
  orderId: string
  checkoutId: string
  status: 'PROCESSING' | 'AUTHORIZED' | 'SUCCEEDED' | 'FAILED'
  amount: number
  currency: string
  now: Date
}

export async function recordPayment(db: Queryable, payment: PaymentRecord): Promise<void> {
  await db.query({
    name: 'record-payment',
    text: `
    INSERT INTO "Payment" ("paymentIntentId", "orderId", "checkoutId", "status", "amount", "currency", "createdAt", "updatedAt")
    VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
    ON CONFLICT ("paymentIntentId") DO UPDATE SET "status" = EXCLUDED."status", "amount" = EXCLUDED."amount", "updatedAt" = EXCLUDED."updatedAt"`,
    values: [
      payment.paymentIntentId,
      payment.orderId,
      payment.checkoutId,
      payment.status,
      payment.amount,
      payment.currency,
      payment.now
    ]
  })
}

export interface NewOrder extends Omit<VerifiedOrder, 'total'> {
  userId: string
  email: string
  currency: string
  address: unknown
}

export async function createOrder(db: Queryable, order: NewOrder): Promise<void> {
  await db.query({
    name: 'create-order',
    text: `INSERT INTO "Order" ("id", "userId", "email", "currency", "address", "createdAt", "updatedAt") VALUES ($1, $2, $3, $4, $5, $6, $6)`,
    values: [order.id, order.userId, order.email, order.currency, JSON.stringify(order.address), order.now]
  })
  await fillOrder(db, { ...order, total: order.subtotal + order.shipping })
}

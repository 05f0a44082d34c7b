import type { Order, OrderItem } from '../../prisma/generated/client.js'
import { type AuditEntry, auditParameter } from '../audit/audit.js'
import type { Database, Queryable } from '../database/database.js'
import { onCommit } from '../database/on-commit.js'
import { countOrderMove } from '../metrics/payments.js'
import { type Item, itemsOf, linesOf } from '../rules/order-item.js'
import type { OrderLine } from '../rules/order-line.js'
import type { OrderFacts } from '../rules/order-status.js'
import type { PostalAddress } from '../rules/postal-address.js'
import type { ShopMetadata } from '../rules/shop-metadata.js'
import { orderStates, refundStates, reservationStates } from '../rules/state-groups.js'
import type { OrderStatus } from '../rules/transitions.js'
import { auditInsert } from './audit-rows.js'
import type { CheckoutRow } from './checkouts.js'
import { oneOf } from './states.js'
import { TOOK_GOODS } from './stock.js'

const OUTGOING = oneOf(refundStates.outgoing)

export interface OrderRow {
  id: string
  userId: string
  status: OrderStatus
  currency: string
  subtotal: number | null
  shipping: number | null
  total: number | null
  captured: number
  refunded: number
  address: PostalAddress | null
}

export async function lockOrder(db: Queryable, id: string): Promise<OrderRow | undefined> {
  const { rows } = await db.query<OrderRow>({
    name: 'lock-order',
    text: `SELECT "id", "userId", "status", "currency", "subtotal", "shipping", "total", "captured", "refunded", "address" FROM "Order" WHERE "id" = $1 FOR NO KEY UPDATE`,
    values: [id]
  })
  return rows[0]
}

/** What a customer gave at Stripe's page. */
export interface Contact {
  email: string | null
  name: string | null
  phone: string | null
}

/** Keeps what the customer gave; an order of a customer whose sign-in knows no e-mail has that of the page from then on. */
export async function recordContact(db: Queryable, orderId: string, contact: Contact): Promise<void> {
  await db.query({
    name: 'record-contact',
    text: `UPDATE "Order" SET "contact" = $2, "email" = COALESCE("email", $3) WHERE "id" = $1`,
    values: [orderId, JSON.stringify(contact), contact.email]
  })
}

export async function readOrder(db: Queryable, id: string): Promise<OrderRow | undefined> {
  const { rows } = await db.query<OrderRow>('SELECT * FROM "Order" WHERE "id" = $1', [id])
  return rows[0]
}

export async function readOrderLines(db: Queryable, orderId: string): Promise<OrderLine[]> {
  const { rows } = await db.query<Item>({
    name: 'read-order-lines',
    text: `SELECT "productId", "name", "description", "image", "unitPrice", "quantity", "options" FROM "OrderItem" WHERE "orderId" = $1 ORDER BY "productId"`,
    values: [orderId]
  })
  return rows.flatMap(linesOf)
}

/** The other checkouts of this order, newest first. */
export async function findSiblings(db: Queryable, orderId: string, exceptId: string): Promise<CheckoutRow[]> {
  const { rows } = await db.query<CheckoutRow>({
    name: 'find-siblings',
    text: `SELECT * FROM "Checkout" WHERE "orderId" = $1 AND "id" <> $2 ORDER BY "createdAt" DESC, "id" DESC`,
    values: [orderId, exceptId]
  })
  return rows
}

export interface VerifiedOrder {
  id: string
  subtotal: number
  shipping: number
  total: number
  lines: OrderLine[]
  now: Date
}

/** Writes the verified lines and totals of an order, in place of those of an earlier cart that was not paid. */
export async function fillOrder(db: Queryable, order: VerifiedOrder): Promise<void> {
  await db.query({
    name: 'fill-order',
    text: `
    WITH filled AS (
      UPDATE "Order" SET "subtotal" = $2, "shipping" = $3, "total" = $4, "updatedAt" = $5 WHERE "id" = $1
    ), line AS (
      SELECT * FROM jsonb_to_recordset($6::jsonb)
        AS line("productId" text, "name" text, "description" text, "image" text, "unitPrice" bigint, "quantity" int, "options" jsonb)
    ), removed AS (
      DELETE FROM "OrderItem" WHERE "orderId" = $1 AND "productId" NOT IN (SELECT "productId" FROM line)
    )
    INSERT INTO "OrderItem" ("orderId", "productId", "name", "description", "image", "unitPrice", "quantity", "options")
    SELECT $1, "productId", "name", "description", "image", "unitPrice", "quantity", NULLIF("options", 'null') FROM line
    ON CONFLICT ("orderId", "productId") DO UPDATE SET "name" = EXCLUDED."name", "description" = EXCLUDED."description",
      "image" = EXCLUDED."image", "unitPrice" = EXCLUDED."unitPrice", "quantity" = EXCLUDED."quantity", "options" = EXCLUDED."options"`,
    values: [order.id, order.subtotal, order.shipping, order.total, order.now, JSON.stringify(itemsOf(order.lines))]
  })
}

/**
 * What an order of the statement's `moved` is of, line by line: those of a product apart by their options where their
 * quantities add up to it (prisma/schema.prisma).
 */
const ITEMS_TOLD = `SELECT COALESCE(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('productId', i."productId", 'name', i."name",
    'unitPrice', i."unitPrice", 'quantity', part."quantity", 'options', NULLIF(part."options", '{}'))) ORDER BY i."productId", part."place"), '[]')
  FROM "OrderItem" i CROSS JOIN LATERAL (
    SELECT COALESCE((SELECT sum((each->>'quantity')::int) FROM jsonb_array_elements(i."options") AS each), 0) = i."quantity" AS apart
  ) AS parts CROSS JOIN LATERAL (
    SELECT 0 AS "place", i."quantity", NULL::jsonb AS "options" WHERE NOT parts.apart UNION ALL
    SELECT place, (each->>'quantity')::int, each->'options' FROM jsonb_array_elements(i."options") WITH ORDINALITY AS line(each, place) WHERE parts.apart
  ) AS part WHERE i."orderId" = moved."id"`
/** The order's, and over it that of the checkout through which it is paid, or of the newest one. */
const SHOP_METADATA = `COALESCE("metadata", '{}') || COALESCE((SELECT c."metadata" FROM "Checkout" c WHERE c."orderId" = moved."id"
          ORDER BY EXISTS (SELECT FROM "Payment" p WHERE p."checkoutId" = c."id") DESC, c."createdAt" DESC, c."id" DESC LIMIT 1), '{}')`

export interface OrderMove {
  from: OrderStatus
  to: OrderStatus
  captured: number
  refunded: number
  now: Date
  /** The id of the notification to write with it, if the shop is to be told. */
  notificationId: string
  /** This process knows that the shop is told (ORDER_WEBHOOK_URL); when it does not, the workers' word counts. */
  notifies: boolean
  audit: AuditEntry
}

/**
 * Moves an order by compare-and-set with its audit row and, when the shop is told of its orders, its notification. Not
 * `moved`, and no effect, when its state is another than `from`.
 */
export async function moveOrder(
  db: Queryable,
  id: string,
  move: OrderMove
): Promise<{ moved: boolean; notified: boolean }> {
  const { rows } = await db.query<{ notified: boolean }>({
    name: 'move-order',
    text: `
    WITH moved AS (
      UPDATE "Order" SET "status" = $3, "captured" = $4, "refunded" = $5, "updatedAt" = $6, "sequence" = "sequence" + 1,
        "paidAt" = CASE WHEN $3 ${oneOf(orderStates.paid)}::"OrderStatus" THEN COALESCE("paidAt", $6) ELSE "paidAt" END
      WHERE "id" = $1 AND "status"::text = $2 RETURNING *
    ), audited AS (
      ${auditInsert(7, 'EXISTS (SELECT FROM moved)')}
    ), notified AS (
      INSERT INTO "Notification" ("id", "orderId", "sequence", "type", "data", "nextAttemptAt", "createdAt")
      SELECT $8, "id", "sequence", 'order.' || lower("status"::text), jsonb_build_object(
        'orderId', "id", 'userId', "userId", 'sequence', "sequence", 'status', "status", 'previousStatus', $2::text, 'currency', "currency",
        'subtotal', "subtotal", 'shipping', "shipping", 'total', "total", 'captured', "captured", 'refunded', "refunded", 'items', (${ITEMS_TOLD}),
        'metadata', ${SHOP_METADATA}), $6, $6
      FROM moved WHERE $9 OR EXISTS (SELECT FROM "Switch" WHERE "name" = 'notifications' AND "value"->>'on' = 'true')
      RETURNING "id"
    )
    SELECT EXISTS (SELECT FROM notified) AS notified FROM moved`,
    values: [
      id,
      move.from,
      move.to,
      move.captured,
      move.refunded,
      move.now,
      auditParameter({ ...move.audit, before: move.from, after: move.to }),
      move.notificationId,
      move.notifies
    ]
  })
  if (rows.length === 1) onCommit(db, () => countOrderMove(move.to))
  return { moved: rows.length === 1, notified: rows[0]?.notified === true }
}

/** Marks an order as cancelled; its state follows. */
export async function markCancelled(db: Queryable, id: string, now: Date): Promise<void> {
  await db.query(`UPDATE "Order" SET "cancelledAt" = COALESCE("cancelledAt", $2) WHERE "id" = $1`, [id, now])
}

export interface KnownOrder extends OrderFacts {
  checkouts: (OrderFacts['checkouts'][number] & { held: boolean })[]
  /** Refunds say that goods go back on the shelf and they are not there yet. */
  restockDue: boolean
}

/** All that is known of an order. Read it with the order locked: then it is the latest. */
export async function readOrderFacts(db: Queryable, orderId: string): Promise<KnownOrder> {
  const { rows } = await db.query({
    name: 'read-order-facts',
    text: `
    SELECT (SELECT "cancelledAt" IS NOT NULL FROM "Order" WHERE "id" = $1) AS cancelled,
      (SELECT COALESCE(json_agg(json_build_object('id', c."id", 'status', c."status", 'sessionId', c."sessionId",
         'paymentIntentId', c."paymentIntentId",
         'held', EXISTS (SELECT FROM "Reservation" r WHERE r."checkoutId" = c."id" AND r."status" ${oneOf(reservationStates.held)})) ORDER BY c."createdAt"), '[]')
       FROM "Checkout" c WHERE c."orderId" = $1) AS checkouts,
      (SELECT COALESCE(json_agg(json_build_object('id', p."paymentIntentId", 'checkoutId', p."checkoutId", 'status', p."status",
         'captured', p."captured", 'sessionId', p."sessionId", 'mismatch', p."mismatch",
         'reviewReason', p."reviewReason", 'reviewAction', p."reviewAction", 'accepted', p."acceptedAt" IS NOT NULL,
         'refunded', (SELECT COALESCE(sum(r."amount"), 0) FROM "Refund" r
           WHERE r."paymentIntentId" = p."paymentIntentId" AND r."status" ${OUTGOING}),
         'lost', (SELECT COALESCE(sum(d."amount"), 0) FROM "Dispute" d WHERE d."paymentIntentId" = p."paymentIntentId" AND d."status" = 'lost'),
         'isVoid', false) ORDER BY p."createdAt", p."paymentIntentId"), '[]')
       FROM "Payment" p WHERE p."orderId" = $1) AS payments,
      (SELECT COALESCE(json_agg(json_build_object('paymentIntentId', d."paymentIntentId", 'status', d."status")), '[]')
       FROM "Dispute" d WHERE d."orderId" = $1) AS disputes,
      EXISTS (SELECT FROM "Refund" r JOIN "Payment" p USING ("paymentIntentId") WHERE r."orderId" = $1 AND r."restock" IS NOT NULL
        AND r."restockedAt" IS NULL AND r."status" ${OUTGOING} AND ${TOOK_GOODS}) AS "restockDue"`,
    values: [orderId]
  })
  return rows[0]
}

export interface NewOrder extends Omit<VerifiedOrder, 'total'> {
  userId: string
  email: string | null
  currency: string
  address: unknown
  metadata: ShopMetadata | null
}

export async function createOrder(db: Queryable, order: NewOrder): Promise<void> {
  await db.query({
    name: 'create-order',
    text: `INSERT INTO "Order" ("id", "userId", "email", "currency", "address", "metadata", "createdAt", "updatedAt")
      VALUES ($1, $2, $3, $4, $5, $6, $7, $7)`,
    values: [
      order.id,
      order.userId,
      order.email,
      order.currency,
      JSON.stringify(order.address),
      order.metadata && JSON.stringify(order.metadata),
      order.now
    ]
  })
  await fillOrder(db, { ...order, total: order.subtotal + order.shipping })
}

/** The country (ISO 3166-1 alpha-2) that an order goes to; undefined when it has no address. */
export async function readCountry(db: Queryable, orderId: string): Promise<string | undefined> {
  const { rows } = await db.query<{ country: string | null }>(
    `SELECT "address"->>'country' AS country FROM "Order" WHERE "id" = $1`,
    [orderId]
  )
  return rows[0]?.country ?? undefined
}

/** An order with all that belongs to it, for a person; null when there is none. */
export async function showOrder({ prisma }: Database, id: string) {
  return await prisma.order.findUnique({
    where: { id },
    include: {
      items: true,
      payments: true,
      refunds: true,
      disputes: true,
      signals: true,
      checkouts: true,
      postings: true,
      notifications: true
    }
  })
}

/** Undefined when there is no such order. */
export async function findOwner({ prisma }: Database, id: string): Promise<string | undefined> {
  return (await prisma.order.findUnique({ where: { id }, select: { userId: true } }))?.userId
}

/** Undefined when there is no such order. */
export async function readOrderStatus({ prisma }: Database, id: string): Promise<OrderStatus | undefined> {
  return (await prisma.order.findUnique({ where: { id }, select: { status: true } }))?.status
}

/** Those of these orders that exist, as their owners see them. */
export async function showOrdersWithItems(
  { prisma }: Database,
  ids: string[]
): Promise<(Order & { items: OrderItem[] })[]> {
  return await prisma.order.findMany({ where: { id: { in: ids } }, include: { items: true } })
}

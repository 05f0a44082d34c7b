import type { Queryable } from '../database/database.js'
import { checkoutStates, eventStates, notificationStates, orderStates } from '../rules/state-groups.js'
import { noneOf, oneOf } from './states.js'

/** What stands in place of an e-mail that is forgotten; the index of what is not repeats it. */
const ERASED = 'erased@invalid'

const CLOSED_CHECKOUT = `"status" ${noneOf(checkoutStates.running)}`
/** Orders that are being paid or looked at keep what that needs; one that nobody is paying was abandoned. */
const CLOSED_ORDER = `("status" ${noneOf(orderStates.running)} OR ("status" ${oneOf(orderStates.pending)}
  AND NOT EXISTS (SELECT FROM "Checkout" c WHERE c."orderId" = "Order"."id" AND NOT (c.${CLOSED_CHECKOUT}))))`
const CLOSED_EVENT = `"status" ${oneOf(eventStates.closed)}`
const SENT_OR_FAILED = `"status" ${noneOf(notificationStates.pending)}`

const FORGET_EVENT = `"payload" = '{}', "error" = NULL, "note" = NULL`
const HAS_OPTIONS = `"Order"."id" IN (SELECT "orderId" FROM "OrderItem" WHERE "options" IS NOT NULL)`
/** Of the orders of `due`. An option can be a name that is engraved. */
const FORGET_DUE_ORDERS = `items AS (
    UPDATE "OrderItem" SET "options" = NULL WHERE "orderId" IN (SELECT "id" FROM due) AND "options" IS NOT NULL
  ) UPDATE "Order" SET "email" = NULL, "address" = NULL, "contact" = NULL, "metadata" = NULL WHERE "id" IN (SELECT "id" FROM due)`
/** What the call that made a Session has sent of its customer. */
const FORGOTTEN_PARAMS = `"sessionParams" - 'customer_email' #- '{payment_intent_data,shipping}' #- '{payment_intent_data,receipt_email}'`
/** A cart and its refusal hold texts that the customer's browser has sent, the Session's parameters their e-mail and postal address. */
const FORGET_CHECKOUT = `"email" = '${ERASED}', "ipAddress" = NULL, "network" = NULL, "userAgent" = NULL, "metadata" = NULL,
  "sessionParams" = CASE WHEN "sessionParams" ? 'line_items' THEN jsonb_set(${FORGOTTEN_PARAMS}, '{line_items}',
    COALESCE((SELECT jsonb_agg(line #- '{price_data,product_data,description}' ORDER BY place)
      FROM jsonb_array_elements("sessionParams"->'line_items') WITH ORDINALITY AS each(line, place)), '[]'))
    ELSE ${FORGOTTEN_PARAMS} END,
  "cart" = jsonb_set("cart", '{items}', COALESCE((SELECT jsonb_agg(item - 'name' - 'description' - 'image' - 'options')
    FROM jsonb_array_elements("cart"->'items') AS item), '[]')),
  "refusal" = CASE WHEN "refusal" IS NOT NULL THEN jsonb_build_object('code', "refusal"->'code', 'extras', '{}'::jsonb) END`
/** Stripe's name for a card is the same wherever it is used; its message can quote the customer. */
const FORGET_SIGNAL = `"detail" = "detail" || '{"fingerprint": null, "message": null}'`
const SIGNAL_TELLS = `("detail"->>'fingerprint' IS NOT NULL OR "detail"->>'message' IS NOT NULL)`

/** One batch of what is older than a moment; returns how many rows it took. */
export interface Pruning {
  what: string
  prune(db: Queryable, before: Date, batch: number): Promise<number>
}

function pruning(what: string, statement: string): Pruning {
  return {
    what,
    async prune(db, before, batch) {
      const { rowCount } = await db.query(statement, [before, batch])
      return rowCount ?? 0
    }
  }
}

/** Each finds its rows by an index of those that still have something to forget; what is locked has its turn in a later batch. */
export const prunings: readonly Pruning[] = [
  pruning(
    'payloads of events',
    `UPDATE "WebhookEvent" SET ${FORGET_EVENT} WHERE "id" IN (SELECT "id" FROM "WebhookEvent"
       WHERE "receivedAt" < $1 AND ${CLOSED_EVENT} AND "payload" <> '{}' ORDER BY "receivedAt" LIMIT $2 FOR UPDATE SKIP LOCKED)`
  ),
  pruning(
    'orders',
    `WITH due AS MATERIALIZED (SELECT "id" FROM "Order"
       WHERE "updatedAt" < $1 AND ${CLOSED_ORDER} AND ("email" IS NOT NULL OR "address" IS NOT NULL) ORDER BY "updatedAt" LIMIT $2 FOR UPDATE SKIP LOCKED),
     ${FORGET_DUE_ORDERS}`
  ),
  // Also of an order that has neither e-mail nor address: a customer's without an e-mail who did not pay.
  pruning(
    'options',
    `UPDATE "OrderItem" SET "options" = NULL WHERE "options" IS NOT NULL AND "orderId" IN (SELECT "Order"."id" FROM "Order"
       WHERE "updatedAt" < $1 AND ${CLOSED_ORDER} AND ${HAS_OPTIONS} ORDER BY "updatedAt" LIMIT $2 FOR UPDATE SKIP LOCKED)`
  ),
  // Those of an order that a release before this one has forgotten: it did not know of them.
  pruning(
    'contacts',
    `UPDATE "Order" SET "contact" = NULL WHERE "id" IN (SELECT "id" FROM "Order"
       WHERE "updatedAt" < $1 AND ${CLOSED_ORDER} AND "contact" IS NOT NULL ORDER BY "updatedAt" LIMIT $2 FOR UPDATE SKIP LOCKED)`
  ),
  pruning(
    "the shop's metadata of orders",
    `UPDATE "Order" SET "metadata" = NULL WHERE "id" IN (SELECT "id" FROM "Order"
       WHERE "updatedAt" < $1 AND ${CLOSED_ORDER} AND "metadata" IS NOT NULL ORDER BY "updatedAt" LIMIT $2 FOR UPDATE SKIP LOCKED)`
  ),
  pruning(
    'checkouts',
    `UPDATE "Checkout" SET ${FORGET_CHECKOUT} WHERE "id" IN (SELECT "id" FROM "Checkout"
       WHERE "updatedAt" < $1 AND ${CLOSED_CHECKOUT} AND "email" <> '${ERASED}' ORDER BY "updatedAt" LIMIT $2 FOR UPDATE SKIP LOCKED)`
  ),
  pruning(
    'signals',
    `UPDATE "PaymentSignal" SET ${FORGET_SIGNAL} WHERE "id" IN (SELECT "id" FROM "PaymentSignal"
       WHERE "createdAt" < $1 AND ${SIGNAL_TELLS} ORDER BY "createdAt" LIMIT $2 FOR UPDATE SKIP LOCKED)`
  ),
  pruning(
    'notifications',
    `DELETE FROM "Notification" WHERE "id" IN (SELECT "id" FROM "Notification"
       WHERE "createdAt" < $1 AND ${SENT_OR_FAILED} ORDER BY "createdAt" LIMIT $2 FOR UPDATE SKIP LOCKED)`
  ),
  // By then neither the guest's session nor what it did is left.
  pruning(
    'claims of guests',
    `DELETE FROM "GuestClaim" WHERE "guestId" IN (SELECT "guestId" FROM "GuestClaim" WHERE "claimedAt" < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`
  ),
  // The rules look back for a day; the address of an old one has no use.
  pruning(
    'clearances of the fraud rules',
    `DELETE FROM "FraudClearance" WHERE "subject" IN (SELECT "subject" FROM "FraudClearance" WHERE "clearedAt" < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`
  )
]

/** What tells a user in texts and payloads: where to look for it, and what to take out. */
export interface Traces {
  /** Of Stripe's objects: Sessions, PaymentIntents, charges, refunds, disputes. */
  objectIds: string[]
  emails: string[]
  addresses: string[]
  browsers: string[]
}

/** As much as is looked for at once. Whoever has more is erased by several runs. */
const MOST_TRACES = 10_000
/** Characters. A browser can call itself "e": what is shorter stands in texts that are not about the user. */
const SHORTEST_TRACE = 6

/** Read it before anything is erased. What is too short to tell somebody by is left out. */
export async function readTraces(
  db: Queryable,
  userId: string,
  { open = false }: { /** Of checkouts that are open, too. */ open?: boolean } = {}
): Promise<Traces> {
  const { rows } = await db.query<Traces>(
    `WITH closed AS (
       SELECT * FROM "Checkout" WHERE "userId" = $1 AND ($3 OR ${CLOSED_CHECKOUT}) ORDER BY "createdAt" LIMIT $2
     ), payment AS (
       SELECT p."paymentIntentId", p."chargeId" FROM "Payment" p JOIN closed c ON c."id" = p."checkoutId"
     )
     SELECT ARRAY(SELECT "sessionId" FROM closed WHERE "sessionId" IS NOT NULL
         UNION SELECT "paymentIntentId" FROM payment UNION SELECT "chargeId" FROM payment WHERE "chargeId" IS NOT NULL
         UNION SELECT r."stripeId" FROM "Refund" r JOIN payment USING ("paymentIntentId") WHERE r."stripeId" IS NOT NULL
         UNION SELECT d."id" FROM "Dispute" d JOIN payment USING ("paymentIntentId")) AS "objectIds",
       ARRAY(SELECT lower("email") FROM closed WHERE "email" <> '${ERASED}'
         UNION SELECT lower("email") FROM "Order" WHERE "userId" = $1 AND "email" IS NOT NULL
         UNION SELECT lower("contact"->>'email') FROM "Order" WHERE "userId" = $1 AND "contact"->>'email' IS NOT NULL) AS emails,
       ARRAY(SELECT DISTINCT "ipAddress" FROM closed WHERE "ipAddress" IS NOT NULL) AS addresses,
       ARRAY(SELECT DISTINCT "userAgent" FROM closed WHERE "userAgent" IS NOT NULL) AS browsers`,
    [userId, MOST_TRACES, open]
  )
  const { objectIds, emails, addresses, browsers } = rows[0] as Traces
  const telling = (traces: string[]) => traces.filter(trace => trace.trim().length >= SHORTEST_TRACE)
  return { objectIds, emails: telling(emails), addresses: telling(addresses), browsers: telling(browsers) }
}

function erasing(statement: string) {
  return async (db: Queryable, userId: string, batch: number): Promise<number> => {
    const { rowCount } = await db.query(statement, [userId, batch])
    return rowCount ?? 0
  }
}

const OF_USER = `"orderId" IN (SELECT "id" FROM "Order" WHERE "userId" = $1)`

/** One batch of events that are tied to a closed checkout of the user. */
export const eraseEvents = erasing(
  `UPDATE "WebhookEvent" SET ${FORGET_EVENT} WHERE "id" IN (SELECT e."id" FROM "WebhookEvent" e JOIN "Checkout" c ON c."id" = e."checkoutId"
     WHERE c."userId" = $1 AND c.${CLOSED_CHECKOUT} AND e.${CLOSED_EVENT} AND (e."payload" <> '{}' OR e."error" IS NOT NULL OR e."note" IS NOT NULL) ORDER BY e."id" LIMIT $2 FOR UPDATE OF e)`
)

export const eraseOrders = erasing(
  `WITH due AS MATERIALIZED (SELECT "id" FROM "Order" WHERE "userId" = $1 AND ${CLOSED_ORDER}
     AND ("email" IS NOT NULL OR "address" IS NOT NULL OR "contact" IS NOT NULL OR "metadata" IS NOT NULL OR ${HAS_OPTIONS}) ORDER BY "id" LIMIT $2 FOR UPDATE), ${FORGET_DUE_ORDERS}`
)

export const eraseCheckouts = erasing(
  `UPDATE "Checkout" SET ${FORGET_CHECKOUT} WHERE "id" IN (SELECT "id" FROM "Checkout" WHERE "userId" = $1 AND ${CLOSED_CHECKOUT}
     AND ("email" <> '${ERASED}' OR "ipAddress" IS NOT NULL OR "userAgent" IS NOT NULL OR "sessionParams" ? 'customer_email' OR "metadata" IS NOT NULL) ORDER BY "id" LIMIT $2 FOR UPDATE)`
)

export const eraseSignals = erasing(
  `UPDATE "PaymentSignal" SET ${FORGET_SIGNAL} WHERE "id" IN (SELECT "id" FROM "PaymentSignal" WHERE ${OF_USER} AND ${SIGNAL_TELLS} ORDER BY "id" LIMIT $2 FOR UPDATE)`
)

/** What the shop's answer said, what was bought, and what the shop keeps with its orders; else a notification tells ids and amounts. */
export const eraseNotificationErrors = erasing(
  `UPDATE "Notification" SET "error" = NULL, "data" = "data" - 'items' - 'metadata' WHERE "id" IN (SELECT "id" FROM "Notification" WHERE ${OF_USER}
     AND ${SENT_OR_FAILED} AND ("error" IS NOT NULL OR "data" ?| '{items,metadata}') ORDER BY "id" LIMIT $2 FOR UPDATE)`
)

/** The key itself stays for its time, so that the same request is still not a second one. */
export const eraseKeys = erasing(
  `UPDATE "IdempotencyKey" SET "request" = '{}', "response" = CASE WHEN "status" >= 400
       THEN ("response"::jsonb - 'detail' - 'details' - 'errors')::json ELSE "response" END
   WHERE "key" IN (SELECT k."key" FROM "IdempotencyKey" k LEFT JOIN "Checkout" c ON c."id" = k."checkoutId"
     WHERE k."userId" = $1 AND k."request" <> '{}' AND (c."id" IS NULL OR c.${CLOSED_CHECKOUT}) ORDER BY k."key" LIMIT $2 FOR UPDATE OF k)`
)

export interface EventCursor {
  receivedAt: Date
  id: string
}

export interface EventSlice {
  erased: number
  /** Null when no event was left. */
  last: EventCursor | null
}

/** Of a slice s of events: one of Stripe's objects $4. */
const HOLDS_OBJECT = String.raw`EXISTS (SELECT FROM regexp_matches(s."payload", '\m[a-z]+_[A-Za-z0-9_]+', 'g') AS found(id) WHERE found.id[1] = ANY($4))`
/** Or an e-mail $5. */
const HOLDS_TRACE = `(${HOLDS_OBJECT}
  OR EXISTS (SELECT FROM unnest($5::text[]) AS email WHERE position(email IN lower(s."payload")) > 0))`

export interface UntiedEvents {
  events: { id: string; type: string; created: Date; payload: string }[]
  last: EventCursor | null
}

/**
 * The untied events that hold one of Stripe's objects of a customer, whatever their state: nothing is changed. An e-mail alone
 * makes none theirs, which an erasure need not know so well: somebody else may have typed it, or have it within their own.
 */
export async function findUntiedEvents(
  db: Queryable,
  objectIds: string[],
  after: EventCursor | null,
  most: number
): Promise<UntiedEvents> {
  const { rows } = await db.query<{
    events: UntiedEvents['events'] | null
    receivedAt: Date | null
    id: string | null
  }>(
    `WITH slice AS MATERIALIZED (
       SELECT "id", "type", "created", "receivedAt", "payload", "checkoutId" FROM "WebhookEvent"
       WHERE ("receivedAt", "id") > (COALESCE($1, '-infinity'::timestamptz), $2) AND "payload" <> '{}'
       ORDER BY "receivedAt", "id" LIMIT $3
     )
     SELECT (SELECT jsonb_agg(jsonb_build_object('id', s."id", 'type', s."type", 'created', s."created", 'payload', s."payload"))
         FROM slice s WHERE s."checkoutId" IS NULL AND ${HOLDS_OBJECT}) AS events, ending."receivedAt", ending."id"
     FROM (SELECT) AS one LEFT JOIN (SELECT "receivedAt", "id" FROM slice ORDER BY "receivedAt" DESC, "id" DESC LIMIT 1) AS ending ON true`,
    [after?.receivedAt ?? null, after?.id ?? '', most, objectIds]
  )
  const { events = null, receivedAt = null, id = null } = rows[0] ?? {}
  return { events: events ?? [], last: receivedAt === null || id === null ? null : { receivedAt, id } }
}

/**
 * Looks through the next `most` closed events that still have a payload, and erases those that hold one of the traces:
 * events that changed nothing are tied to no checkout, and what they are about stands in them alone.
 */
export async function eraseUntiedEvents(
  db: Queryable,
  traces: Pick<Traces, 'objectIds' | 'emails'>,
  after: EventCursor | null,
  most: number
): Promise<EventSlice> {
  const { rows } = await db.query<{ erased: number; receivedAt: Date | null; id: string | null }>(
    `WITH slice AS MATERIALIZED (
       SELECT "id", "receivedAt", "payload" FROM "WebhookEvent"
       WHERE ("receivedAt", "id") > (COALESCE($1, '-infinity'::timestamptz), $2) AND ${CLOSED_EVENT} AND "payload" <> '{}'
       ORDER BY "receivedAt", "id" LIMIT $3
     ), erased AS (
       UPDATE "WebhookEvent" SET ${FORGET_EVENT} WHERE "id" IN (
         SELECT s."id" FROM slice s
         WHERE ${HOLDS_TRACE}) RETURNING 1
     )
     SELECT (SELECT count(*)::int FROM erased) AS erased, ending."receivedAt", ending."id"
     FROM (SELECT) AS one LEFT JOIN (SELECT "receivedAt", "id" FROM slice ORDER BY "receivedAt" DESC, "id" DESC LIMIT 1) AS ending ON true`,
    [after?.receivedAt ?? null, after?.id ?? '', most, traces.objectIds, traces.emails]
  )
  const { erased = 0, receivedAt = null, id = null } = rows[0] ?? {}
  return { erased, last: receivedAt === null || id === null ? null : { receivedAt, id } }
}

/** A row with texts that people have written or that quote them. */
export interface TextRow {
  id: string
  texts: Record<string, unknown>
}

export interface TextTable {
  /** The next rows of the user after one, in the order of their ids. */
  read(db: Queryable, userId: string, traces: Traces, after: string, limit: number): Promise<TextRow[]>
  write(db: Queryable, row: TextRow): Promise<void>
}

/** Texts of the rows of one user's orders. */
function textsOfOrders(table: string, id: string, columns: [string, string]): TextTable {
  return {
    async read(db, userId, _traces, after, limit) {
      const texts = columns.map(column => `'${column}', "${column}"`).join(', ')
      const { rows } = await db.query<TextRow>(
        `SELECT "${id}" AS id, jsonb_build_object(${texts}) AS texts FROM "${table}"
         WHERE ${OF_USER} AND "${id}" > $2 ORDER BY "${id}" LIMIT $3`,
        [userId, after, limit]
      )
      return rows
    },
    async write(db, row) {
      await db.query(`UPDATE "${table}" SET "${columns[0]}" = $2, "${columns[1]}" = $3 WHERE "${id}" = $1`, [
        row.id,
        row.texts[columns[0]],
        row.texts[columns[1]]
      ])
    }
  }
}

/** Reasons and notes, which are masked as they come in since 2026-11-25; before that they were not. */
export const textTables: readonly TextTable[] = [
  {
    async read(db, userId, { emails }, after, limit) {
      const { rows } = await db.query<TextRow & { isOfUser: boolean }>(
        `WITH slice AS MATERIALIZED (SELECT "id", "context", "note" FROM "Alert" WHERE "id" > $3 ORDER BY "id" LIMIT $4)
         SELECT "id", jsonb_build_object('reason', "context"->'reason', 'note', "note") AS texts,
           "context"->>'userId' = $1 OR "context"->>'orderId' IN (SELECT "id" FROM "Order" WHERE "userId" = $1)
             OR "context"->>'checkoutId' IN (SELECT "id" FROM "Checkout" WHERE "userId" = $1)
             OR EXISTS (SELECT FROM unnest($2::text[]) AS email WHERE position(email IN lower("context"::text || COALESCE("note", ''))) > 0
             ) AS "isOfUser" FROM slice ORDER BY "id"`,
        [userId, emails, after, limit]
      )
      return rows.map(({ isOfUser, ...row }) => (isOfUser ? row : { ...row, texts: {} }))
    },
    async write(db, { id, texts }) {
      await db.query(
        `UPDATE "Alert" SET "context" = jsonb_set("context", '{reason}', $2::jsonb, false), "note" = $3 WHERE "id" = $1`,
        [id, JSON.stringify(texts.reason), texts.note]
      )
    }
  },
  textsOfOrders('Refund', 'id', ['reason', 'failureReason']),
  textsOfOrders('Payment', 'paymentIntentId', ['reviewReason', 'mismatch'])
]

import type Stripe from 'stripe'
import { type AuditEntry, auditParameter } from '../audit/audit.js'
import type { Database, Queryable } from '../database/database.js'
import { onCommit } from '../database/on-commit.js'
import { MINUTE } from '../duration.js'
import { networkOf } from '../identity/ip-address.js'
import { maskValue } from '../identity/masking.js'
import { GUEST_PREFIX } from '../identity/user-ids.js'
import { countCheckoutMove } from '../metrics/checkouts.js'
import type { Cart } from '../rules/cart.js'
import type { AnswerableCheckout, CheckoutOutcome, Refusal } from '../rules/checkout-outcome.js'
import type { ShopMetadata } from '../rules/shop-metadata.js'
import { checkoutStates, isInFlight, isPayable, reservationStates } from '../rules/state-groups.js'
import { type CheckoutStatus, checkoutRules, sourcesOf } from '../rules/transitions.js'
import { auditInsert } from './audit-rows.js'
import { isStill, oneOf } from './states.js'

/** PostgreSQL tells every listening ingress that a checkout changed; the payload is its id. */
export const CHECKOUT_CHANGED = 'tillworks_checkout_changed'

export interface CheckoutRow extends AnswerableCheckout {
  userId: string
  /** Of the customer's sign-in; empty when it knows none. */
  email: string
  ownsOrder: boolean
  cart: Cart
  metadata: ShopMetadata | null
  currency: string
  amount: number | null
  paymentIntentId: string | null
  /** When Stripe last refused our API key to a job of it. */
  keyRefusedAt: Date | null
  ipAddress: string | null
  network: string | null
  userAgent: string | null
  risk: 'CHALLENGE' | null
  serverErrors: number
  /** What the call that creates its Session sends, from the moment it is verified. */
  sessionParams: Stripe.Checkout.SessionCreateParams | null
  /** Why it has to end at Stripe before its time. */
  expireReason: string | null
  /** When Stripe last refused to end its Session, or did not know it. */
  expireFailedAt: Date | null
  /** Since when Stripe has been away whenever a job of this checkout needed it. */
  stripeAwaySince: Date | null
  createdAt: Date
  updatedAt: Date
}

export interface NewCheckout {
  id: string
  userId: string
  email: string | null
  cart: Cart
  metadata: ShopMetadata | null
  /** The order that this checkout brings with it; undefined when the cart names one. */
  newOrderId: string | undefined
  currency: string
  requestId: string
  ipAddress: string | null
  userAgent: string | null
  key: string
  keyIsDerived: boolean
  fingerprint: string
  keyExpiresAt: Date
  /** At most this many checkouts since `attemptsSince`; null for no limit. */
  maxAttempts: number | null
  attemptsSince: Date
  /** How many customers' attempts the guests of a network may make together. */
  guestsPerIp: number
  now: Date
}

export type Claim = { claimed: true } | { claimed: false; attempts: number; oldestAttempt: Date | null }

/**
 * Claims the idempotency key and, only if that succeeds, writes the checkout, its order and the audit row: one statement,
 * so two requests with one key cannot both win and a crash leaves no key without a checkout. The attempts are counted
 * under a lock of the customer that lasts until the commit, so that no limit lets requests at once through.
 */
export async function claimCheckout(db: Queryable, c: NewCheckout): Promise<Claim> {
  const audit: AuditEntry = {
    action: 'checkout_received',
    status: 'PROCESSING',
    userId: c.userId,
    orderId: c.newOrderId,
    checkoutId: c.id,
    currency: c.currency,
    after: 'RECEIVED',
    ipAddress: c.ipAddress,
    userAgent: c.userAgent,
    requestId: c.requestId
  }
  const { rows } = await db.query({
    name: 'claim-checkout',
    text: `
    WITH attempts AS MATERIALIZED (
      SELECT "made", "oldest" FROM "count_attempts"($2, $3, $18, $19)
    ), claim AS (
      INSERT INTO "IdempotencyKey"
        ("key", "userId", "action", "fingerprint", "derived", "checkoutId", "request", "expiresAt", "createdAt", "updatedAt")
      SELECT $4, $2, 'checkout', $5, $6, $1, $7::jsonb, $8, $9, $9
      WHERE $10::int IS NULL OR (SELECT made FROM attempts) < $10
      ON CONFLICT ("key") DO UPDATE SET
        "fingerprint" = EXCLUDED."fingerprint", "checkoutId" = EXCLUDED."checkoutId", "request" = EXCLUDED."request",
        "response" = NULL, "status" = NULL, "expiresAt" = EXCLUDED."expiresAt", "updatedAt" = EXCLUDED."updatedAt"
      WHERE "IdempotencyKey"."expiresAt" <= $9
      RETURNING "key"
    ), new_order AS (
      INSERT INTO "Order" ("id", "userId", "email", "currency", "metadata", "createdAt", "updatedAt")
      SELECT $11, $2, NULLIF($12, ''), $13, $20::jsonb, $9, $9 FROM claim WHERE $11::text IS NOT NULL
    ), checkout AS (
      INSERT INTO "Checkout" ("id", "userId", "email", "orderId", "ownsOrder", "cart", "currency", "idempotencyKey",
        "requestId", "ipAddress", "network", "userAgent", "metadata", "createdAt", "updatedAt")
      SELECT $1, $2, $12, $11, $11::text IS NOT NULL, $7::jsonb, $13, "key", $14, $15, $18, $16, $20::jsonb, $9, $9 FROM claim
    ), audited AS (
      ${auditInsert(17, 'EXISTS (SELECT FROM claim)')}
    )
    SELECT made, oldest, EXISTS (SELECT FROM claim) AS claimed FROM attempts`,
    values: [
      c.id,
      c.userId,
      c.attemptsSince,
      c.key,
      c.fingerprint,
      c.keyIsDerived,
      JSON.stringify(c.cart),
      c.keyExpiresAt,
      c.now,
      c.maxAttempts,
      c.newOrderId ?? null,
      c.email ?? '',
      c.currency,
      c.requestId,
      c.ipAddress,
      c.userAgent,
      auditParameter(audit),
      c.ipAddress === null ? null : networkOf(c.ipAddress),
      c.guestsPerIp,
      c.metadata && JSON.stringify(c.metadata)
    ]
  })
  const [row] = rows
  return row.claimed ? { claimed: true } : { claimed: false, attempts: row.made, oldestAttempt: row.oldest }
}

export interface ClaimedKey {
  fingerprint: string
  derived: boolean
  response: CheckoutOutcome['body'] | null
  status: number | null
  checkout: CheckoutRow
}

/** The live key with its checkout, or undefined. */
export async function findKey(db: Queryable, key: string, now: Date): Promise<ClaimedKey | undefined> {
  const { rows } = await db.query({
    name: 'find-key',
    text: `SELECT c.*, k."fingerprint", k."derived", k."response", k."status" AS "responseStatus"
      FROM "IdempotencyKey" k JOIN "Checkout" c ON c."id" = k."checkoutId" WHERE k."key" = $1 AND k."expiresAt" > $2`,
    values: [key, now]
  })
  const [row] = rows
  if (row === undefined) return undefined
  const { fingerprint, derived, response, responseStatus, ...checkout } = row
  return { fingerprint, derived, response, status: responseStatus, checkout }
}

export async function readCheckout(db: Queryable, id: string): Promise<CheckoutRow | undefined> {
  const { rows } = await db.query({
    name: 'read-checkout',
    text: 'SELECT * FROM "Checkout" WHERE "id" = $1',
    values: [id]
  })
  return rows[0]
}

export async function readCheckoutOfSession(db: Queryable, sessionId: string): Promise<CheckoutRow | undefined> {
  const { rows } = await db.query({
    name: 'read-checkout-of-session',
    text: 'SELECT * FROM "Checkout" WHERE "sessionId" = $1',
    values: [sessionId]
  })
  return rows[0]
}

/**
 * The rest of a statement whose first part, `checkout`, locks one: locks its order after it. An audit row locks the chain
 * of its order, and others write one with the order locked: whoever needs both has to lock the order first.
 */
const THEN_ITS_ORDER = `
    "order" AS MATERIALIZED (
      SELECT o."id" FROM checkout c JOIN "Order" o ON o."id" = c."orderId" FOR NO KEY UPDATE OF o
    )
    SELECT c.* FROM checkout c LEFT JOIN "order" ON true`

/**
 * Locks the row, and that of its order, until the end of the transaction. Lock order everywhere: event, guest, network, guests, customer,
 * checkouts by id, order, products by id. The chain of an order is locked under its order.
 */
export async function lockCheckout(db: Queryable, id: string): Promise<CheckoutRow | undefined> {
  const { rows } = await db.query({
    name: 'lock-checkout',
    text: `
    WITH checkout AS MATERIALIZED (
      SELECT * FROM "Checkout" WHERE "id" = $1 FOR NO KEY UPDATE
    ), ${THEN_ITS_ORDER}`,
    values: [id]
  })
  return rows[0]
}

/**
 * As lockCheckout(), under a lock of its customer, or of all guests of its network: whatever is counted in a later statement counts what others have
 * committed, and nobody adds to it before the commit. The lock of the network is shared with other verifications and keeps
 * out whoever ends the network's checkouts (lockSubject). All of them end with the transaction, as poolers need it.
 */
export async function lockWithCustomer(db: Queryable, id: string): Promise<CheckoutRow | undefined> {
  const { rows } = await db.query({
    name: 'lock-with-customer',
    // Each part reads the one before, so that they are locked in this order.
    text: `
    WITH network AS MATERIALIZED (
      SELECT "userId", "network", pg_advisory_xact_lock_shared(hashtextextended('network:' || "network", 0)) FROM "Checkout" WHERE "id" = $1
    ), guests AS MATERIALIZED (
      SELECT "userId", CASE WHEN starts_with("userId", '${GUEST_PREFIX}') AND "network" IS NOT NULL
        THEN pg_advisory_xact_lock(hashtextextended('guests:' || "network", 0)) END FROM network
    ), customer AS MATERIALIZED (
      SELECT "userId", pg_advisory_xact_lock(hashtextextended('customer:' || "userId", 0)) FROM guests
    ), checkout AS MATERIALIZED (
      SELECT c.*, customer."userId" AS "lockedFor" FROM customer, "Checkout" c WHERE c."id" = $1 FOR NO KEY UPDATE OF c
    ), ${THEN_ITS_ORDER}`,
    values: [id]
  })
  const [row] = rows
  if (row === undefined) return undefined
  const { lockedFor, ...checkout } = row
  // Claimed meanwhile: it is counted under the lock of the customer whose it is now.
  if (lockedFor !== checkout.userId) throw new Error(`Checkout ${id} has become another customer's; it is tried again`)
  return checkout
}

export interface CheckoutMove {
  to: CheckoutStatus
  now: Date
  /** Allows the moves that only a person may make. */
  byOperator?: boolean
  orderId?: string | null
  amount?: number | null
  sessionParams?: Stripe.Checkout.SessionCreateParams
  sessionId?: string | null
  sessionUrl?: string | null
  sessionExpiresAt?: Date | null
  paymentIntentId?: string | null
  /** Set once, by the fraud rules. */
  risk?: 'CHALLENGE' | null
  refusal?: Refusal | null
  /** Kept for the idempotency key's replay. Without one, what is stored stays. */
  outcome?: CheckoutOutcome
  audit: AuditEntry[]
}

export interface MovedCheckout {
  /**
   * Those that the move brought, as they are kept from now on: in an order of their own, which every call that sends them has to
   * have. Null when it brought none.
   */
  sessionParams: CheckoutRow['sessionParams']
}

/**
 * Moves a checkout forward by compare-and-set, keeps its idempotency key in step (docs/decisions/0005-idempotency.md),
 * writes the audit rows and tells the listeners, unless the workers go on with it: each NOTIFY is a lock that all others wait for
 * until its commit is on the disk. Undefined, and no effect at all, when its state does not allow the move.
 */
export async function moveCheckout(db: Queryable, id: string, move: CheckoutMove): Promise<MovedCheckout | undefined> {
  // A server error is never replayed, and a derived key replays only what can still be paid.
  const forgetKey = (move.outcome?.status ?? 0) >= 500
  const forgetDerivedKey = !isPayable(move.to)
  const { rows } = await db.query<MovedCheckout & { createdAt: Date }>({
    name: 'move-checkout',
    text: `
    WITH moved AS (
      UPDATE "Checkout" SET "status" = $2, "updatedAt" = $3, "orderId" = COALESCE($4, "orderId"), "amount" = COALESCE($5, "amount"),
        "sessionId" = COALESCE($6, "sessionId"), "sessionUrl" = COALESCE($7, "sessionUrl"),
        "sessionExpiresAt" = COALESCE($8, "sessionExpiresAt"), "paymentIntentId" = COALESCE($9, "paymentIntentId"),
        "refusal" = COALESCE($10::jsonb, "refusal"), "risk" = COALESCE($17, "risk"),
        "sessionParams" = COALESCE($18::jsonb, "sessionParams")
      WHERE "id" = $1 AND "status"::text = ANY($11) RETURNING "id", "createdAt", CASE WHEN $18::jsonb IS NOT NULL THEN "sessionParams" END AS "sessionParams"
    ), forgotten AS (
      DELETE FROM "IdempotencyKey" WHERE "checkoutId" = $1 AND EXISTS (SELECT FROM moved) AND ($12 OR ("derived" AND $13))
    ), answered AS (
      UPDATE "IdempotencyKey" SET "response" = $14::json, "status" = $15, "updatedAt" = $3,
        "expiresAt" = CASE WHEN "derived" THEN COALESCE($8, "expiresAt") ELSE "expiresAt" END
      WHERE "checkoutId" = $1 AND EXISTS (SELECT FROM moved) AND $15::int IS NOT NULL AND NOT ($12 OR ("derived" AND $13))
    ), audited AS (
      ${auditInsert(16, 'EXISTS (SELECT FROM moved)')}
    )
    SELECT CASE WHEN $19 THEN pg_notify('${CHECKOUT_CHANGED}', "id") END, "createdAt", "sessionParams" FROM moved`,
    values: [
      id,
      move.to,
      move.now,
      move.orderId ?? null,
      move.amount ?? null,
      move.sessionId ?? null,
      move.sessionUrl ?? null,
      move.sessionExpiresAt ?? null,
      move.paymentIntentId ?? null,
      move.refusal ? JSON.stringify(maskValue(move.refusal)) : null,
      sourcesOf(checkoutRules, move.to, { operator: move.byOperator }),
      forgetKey,
      forgetDerivedKey,
      move.outcome ? JSON.stringify(keptBody(move.outcome)) : null,
      move.outcome?.status ?? null,
      auditParameter(...move.audit),
      move.risk ?? null,
      move.sessionParams ? JSON.stringify(move.sessionParams) : null,
      !isInFlight(move.to)
    ]
  })
  const [moved] = rows
  if (moved !== undefined) onCommit(db, () => countCheckoutMove(move, moved.createdAt))
  return moved && { sessionParams: moved.sessionParams }
}

/** A refusal can quote what the client has sent. */
function keptBody({ body }: CheckoutOutcome): CheckoutOutcome['body'] {
  return body.success ? body : maskValue(body)
}

/** The checkout of a Session, locked with its order: by the Session's id, or by the checkout id of its metadata while its Session is not stored yet. */
export async function findSessionCheckout(
  db: Queryable,
  sessionId: string,
  checkoutId: string | null
): Promise<CheckoutRow | undefined> {
  const { rows } = await db.query({
    name: 'find-session-checkout',
    text: `
    WITH checkout AS MATERIALIZED (
      SELECT * FROM "Checkout" WHERE "sessionId" = $1 OR ("id" = $2 AND "sessionId" IS NULL) LIMIT 1 FOR NO KEY UPDATE
    ), ${THEN_ITS_ORDER}`,
    values: [sessionId, checkoutId]
  })
  return rows[0]
}

/** Stripe's times are whole seconds, by Stripe's clock. */
const CLOCK_SLACK = MINUTE

/** A Session can be made days later, be paid for a day, and its payment is told for three (https://docs.stripe.com/webhooks#automatic-retries). */
const STRAY_TOLD_WITHIN = `interval '10 days'`

/**
 * Whether a checkout of ours may have been paid before `at` without our having heard of its PaymentIntent: its Session can be
 * paid, or was submitted and has told no payment yet, or Stripe may have made another one for it (decision 0012).
 */
export async function mayPayUnseen(db: Queryable, at: Date): Promise<boolean> {
  const { rows } = await db.query<{ may: boolean }>({
    name: 'may-pay-unseen',
    text: `
    SELECT EXISTS (SELECT FROM "Checkout" WHERE "status" ${oneOf(checkoutStates.payable)} AND "createdAt" < $1)
      OR EXISTS (SELECT FROM "Checkout" c WHERE c."status" ${oneOf(checkoutStates.processing)} AND c."createdAt" < $1
        AND NOT EXISTS (SELECT FROM "Payment" p WHERE p."checkoutId" = c."id"))
      OR EXISTS (SELECT FROM "Checkout" WHERE "serverErrors" > 0 AND "createdAt" < $1 AND "createdAt" > $1::timestamptz - ${STRAY_TOLD_WITHIN}) AS may`,
    values: [new Date(at.getTime() + CLOCK_SLACK)]
  })
  return rows[0]?.may === true
}

/** The Session is made for a later time, for none could be made until now. False when it is not waiting for one any more. */
export async function postponeSession(
  db: Queryable,
  id: string,
  to: { sessionParams: Stripe.Checkout.SessionCreateParams; sessionExpiresAt: Date }
): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE "Checkout" SET "sessionParams" = $2, "sessionExpiresAt" = $3 WHERE "id" = $1 AND "status" ${isStill(checkoutStates.verified)}`,
    [id, JSON.stringify(to.sessionParams), to.sessionExpiresAt]
  )
  return rowCount === 1
}

/** Which of these checkouts are in this database. */
export async function findKnownCheckouts(db: Queryable, ids: string[]): Promise<Set<string>> {
  const { rows } = await db.query<{ id: string }>('SELECT "id" FROM "Checkout" WHERE "id" = ANY($1)', [ids])
  return new Set(rows.map(row => row.id))
}

/** The newest checkout of each of these orders. */
export async function latestCheckouts(db: Queryable, orderIds: string[]): Promise<CheckoutRow[]> {
  const { rows } = await db.query({
    name: 'latest-checkouts',
    text: 'SELECT DISTINCT ON ("orderId") * FROM "Checkout" WHERE "orderId" = ANY($1) ORDER BY "orderId", "createdAt" DESC, "id" DESC',
    values: [orderIds]
  })
  return rows
}

/** The other checkouts of a customer that can still be paid, oldest first. */
export async function findOpenOf(db: Queryable, userId: string, exceptId: string): Promise<CheckoutRow[]> {
  const { rows } = await db.query({
    name: 'find-open-of',
    text: `SELECT * FROM "Checkout" WHERE "userId" = $1 AND "id" <> $2 AND "status" ${isStill(checkoutStates.expirable)} ORDER BY "createdAt", "id"`,
    values: [userId, exceptId]
  })
  return rows
}

/** The checkouts of a network's guests that can still be paid, oldest first. */
export async function findOpenOfGuests(db: Queryable, network: string, exceptId: string): Promise<CheckoutRow[]> {
  const { rows } = await db.query({
    name: 'find-open-of-guests',
    text: `SELECT * FROM "Checkout" WHERE "network" = $1 AND starts_with("userId", '${GUEST_PREFIX}') AND "id" <> $2
      AND "status" ${oneOf(checkoutStates.expirable)} ORDER BY "createdAt", "id"`,
    values: [network, exceptId]
  })
  return rows
}

/**
 * The checkout to end first for goods that are missing: the oldest of the customer's own that holds some of them, else the
 * oldest of anybody's that was opened before a moment; undefined when all of these together do not hold the quantities that
 * are missing. Those that Stripe did not end since `failedSince` do not count.
 */
export async function findHolder(
  db: Queryable,
  missing: { productId: string; quantity: number }[],
  {
    userId,
    openedBefore,
    failedSince,
    except
  }: { userId: string; openedBefore: Date; failedSince: Date; except: string[] }
): Promise<CheckoutRow | undefined> {
  const { rows } = await db.query(
    `WITH missing AS (
       SELECT * FROM unnest($1::text[], $2::int[]) AS line("productId", "quantity")
     ), holder AS (
       SELECT c."id", c."createdAt", c."userId" = $6 AS own, c."sessionId" IS NULL AS waits, r."productId", r."quantity"
       FROM "Checkout" c JOIN "Reservation" r ON r."checkoutId" = c."id"
       WHERE ((c."status" ${oneOf(checkoutStates.open)} AND c."createdAt" < $3) OR (c."status" ${oneOf(checkoutStates.expirable)} AND c."userId" = $6))
         AND c."id" <> ALL($4) AND r."status" ${oneOf(reservationStates.held)} AND r."productId" = ANY($1)
         AND (c."expireFailedAt" IS NULL OR c."expireFailedAt" < $5)
     )
     SELECT * FROM "Checkout" WHERE "id" = (SELECT "id" FROM holder ORDER BY own DESC, waits, "createdAt", "id" LIMIT 1) AND NOT EXISTS (
       SELECT FROM missing m WHERE m."quantity" > COALESCE((SELECT sum(h."quantity") FROM holder h WHERE h."productId" = m."productId"), 0))`,
    [missing.map(line => line.productId), missing.map(line => line.quantity), openedBefore, except, failedSince, userId]
  )
  return rows[0]
}

/** Checkouts that are not over and whose Session Stripe did not know when it was asked, oldest first. */
export async function findUnknownSessions(db: Queryable, limit: number): Promise<{ id: string; sessionId: string }[]> {
  const { rows } = await db.query<{ id: string; sessionId: string }>(
    `SELECT c."id", c."sessionId" FROM "Checkout" c WHERE c."status" ${oneOf(checkoutStates.atStripe)} AND EXISTS (
       SELECT FROM "PaymentAuditLog" l WHERE l."checkoutId" = c."id" AND l."action" = 'alert_session_unknown')
     ORDER BY c."createdAt", c."id" LIMIT $1`,
    [limit]
  )
  return rows
}

/**
 * Keeps other parameters for the Session of a verified checkout, and that its next call has another idempotency key; unless
 * another worker has done so since the row was read.
 */
export async function leaveOutEmail(
  db: Queryable,
  { id, serverErrors }: CheckoutRow,
  params: Stripe.Checkout.SessionCreateParams
): Promise<void> {
  await db.query(
    `UPDATE "Checkout" SET "sessionParams" = $3, "serverErrors" = "serverErrors" + 1
     WHERE "id" = $1 AND "status" ${isStill(checkoutStates.verified)} AND "serverErrors" = $2`,
    [id, serverErrors, JSON.stringify(params)]
  )
}

/** Remembers that Stripe did not end the Session of this checkout, and tells the listeners. Locks the row. */
export async function recordFailedExpiry(db: Queryable, id: string, now: Date): Promise<void> {
  await db.query(
    `WITH failed AS (UPDATE "Checkout" SET "expireFailedAt" = $2 WHERE "id" = $1 RETURNING "id")
     SELECT pg_notify('${CHECKOUT_CHANGED}', "id") FROM failed`,
    [id, now]
  )
}

/**
 * Says that it has to end, and forgets its derived key: the same cart is a new checkout from now on. What an earlier job
 * has met at Stripe is over.
 */
export async function markGivenUp(
  db: Queryable,
  id: string,
  { reason, now }: { reason: string; now: Date }
): Promise<void> {
  await db.query(
    `WITH forgotten AS (
       DELETE FROM "IdempotencyKey" WHERE "checkoutId" = $1 AND "derived"
     )
     UPDATE "Checkout" SET "expireReason" = COALESCE("expireReason", $2), "updatedAt" = $3,
       "stripeAwaySince" = CASE WHEN "sessionId" IS NULL THEN "stripeAwaySince" END WHERE "id" = $1`,
    [id, reason, now]
  )
}

/** A checkout with what it holds and what was paid through it, for a person; null when there is none. */
export async function showCheckout({ prisma }: Database, id: string) {
  return await prisma.checkout.findUnique({ where: { id }, include: { reservations: true, payments: true } })
}

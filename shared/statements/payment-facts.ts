import type { Queryable } from '../database/database.js'
import { checkoutStates, paymentStates, refundStates } from '../rules/state-groups.js'
import { type CheckoutRow, readCheckout } from './checkouts.js'
import type { DisputeRecord } from './disputes.js'
import { findPayment, type PaymentRow } from './payments.js'
import type { RefundRow } from './refunds.js'
import { oneOf } from './states.js'

/** What is known of one payment, to compare with what Stripe has. */
export interface PaymentFacts {
  checkout: CheckoutRow
  payment: PaymentRow | undefined
  refunds: RefundRow[]
  disputes: DisputeRecord[]
  /** Those of the entries in question that the ledger has. */
  entries: Set<string>
}

/** Undefined when this database has no such checkout. */
export async function readPaymentFacts(
  db: Queryable,
  of: { checkoutId: string; paymentIntentId: string | null; entries: string[] }
): Promise<PaymentFacts | undefined> {
  const checkout = await readCheckout(db, of.checkoutId)
  if (checkout === undefined) return undefined
  const { paymentIntentId } = of
  if (paymentIntentId === null) return { checkout, payment: undefined, refunds: [], disputes: [], entries: new Set() }
  const payment = await findPayment(db, paymentIntentId)
  const refunds = await db.query<RefundRow>('SELECT * FROM "Refund" WHERE "paymentIntentId" = $1', [paymentIntentId])
  const disputes = await db.query<DisputeRecord>('SELECT * FROM "Dispute" WHERE "paymentIntentId" = $1', [
    paymentIntentId
  ])
  const booked = await db.query<{ entry: string }>(
    'SELECT DISTINCT "entry" FROM "LedgerPosting" WHERE "entry" = ANY($1)',
    [of.entries]
  )
  const entries = new Set(booked.rows.map(row => row.entry))
  return { checkout, payment, refunds: refunds.rows, disputes: disputes.rows, entries }
}

/** Which of these PaymentIntents have a row here. */
export async function findKnownIntents(db: Queryable, paymentIntentIds: string[]): Promise<Set<string>> {
  const { rows } = await db.query<{ paymentIntentId: string }>(
    'SELECT "paymentIntentId" FROM "Payment" WHERE "paymentIntentId" = ANY($1)',
    [paymentIntentIds]
  )
  return new Set(rows.map(row => row.paymentIntentId))
}

/** What can still change at Stripe, by the kind of row: in pages, by id. */
const UNFINISHED = {
  Payment: `SELECT "paymentIntentId" AS id, "paymentIntentId" AS reference FROM "Payment"
    WHERE "status" ${oneOf(paymentStates.running)} AND "paymentIntentId" LIKE 'pi_%' AND "paymentIntentId" > $1 ORDER BY 1 LIMIT $2`,
  Refund: `SELECT "id", "paymentIntentId" AS reference FROM "Refund" WHERE "status" ${oneOf(refundStates.pending)} AND "id" > $1 ORDER BY 1 LIMIT $2`,
  // A lost one can be appealed: https://docs.stripe.com/api/disputes/object#dispute_object-status
  Dispute: `SELECT "id", "paymentIntentId" AS reference FROM "Dispute"
    WHERE "status" NOT IN ('won', 'prevented', 'warning_closed') AND "id" > $1 ORDER BY 1 LIMIT $2`,
  Checkout: `SELECT "id", "sessionId" AS reference FROM "Checkout"
    WHERE "status" ${oneOf(checkoutStates.awaitingMoney)} AND "sessionId" IS NOT NULL AND "id" > $1 ORDER BY 1 LIMIT $2`
} as const

/** `reference` is the PaymentIntent to ask about; of a checkout, its Session. */
export async function findUnfinished(
  db: Queryable,
  table: keyof typeof UNFINISHED,
  afterId: string,
  limit: number
): Promise<{ id: string; reference: string }[]> {
  const { rows } = await db.query<{ id: string; reference: string }>(UNFINISHED[table], [afterId, limit])
  return rows
}

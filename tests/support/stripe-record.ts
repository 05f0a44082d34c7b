import type Stripe from 'stripe'
import type { AccountRecord } from '../../simulator/record.js'
import type { Shop } from './shop.js'

/** What one side says of an order; amounts in minor units. Undefined: the order's state leaves it open. */
export interface OrderRecord {
  /** What Stripe holds of it by all money that moved, before fees. */
  held: number
  captured?: number
  refunded?: number
  /** Goods that left the shelf, whether or not a refund has put them back since. */
  sold?: number
}

/** What our rows say of an order, and what the simulated Stripe's own record says. They have to agree. */
export async function bothRecords(shop: Shop, orderId: string): Promise<{ ours: OrderRecord; stripes: OrderRecord }> {
  const { services } = shop.stack
  const { rows } = await services.db.pool.query(
    `SELECT o."status", o."captured", o."refunded",
       (SELECT array_agg("sessionId") FROM "Checkout" WHERE "orderId" = $1) AS "sessionIds",
       (SELECT COALESCE(sum("amount"), 0)::int FROM "LedgerPosting" WHERE "orderId" = $1 AND "account" = 'STRIPE' AND "entry" NOT LIKE 'fee:%') AS held,
       (SELECT COALESCE(sum(r."quantity"), 0)::int FROM "Reservation" r JOIN "Checkout" c ON c."id" = r."checkoutId"
        WHERE c."orderId" = $1 AND r."status" = 'COMMITTED') AS sold
     FROM "Order" o WHERE o."id" = $1`,
    [orderId]
  )
  const { status, captured, refunded, sessionIds, held, sold } = rows[0]
  const stripes = recordOf(shop.simulator.record, orderId, sessionIds)
  // In review nobody has said yet whether the money counts. Whether refunded goods came back Stripe does not know.
  if (status === 'NEEDS_REVIEW') return { ours: { held }, stripes: { held: stripes.held } }
  const money = { held, captured, refunded }
  if (status === 'REFUNDED') return { ours: money, stripes: { ...stripes, sold: undefined } }
  return { ours: { ...money, sold }, stripes }
}

function recordOf(account: AccountRecord, orderId: string, sessionIds: string[]): Required<OrderRecord> {
  const charges = account.chargesOf({ orderId })
  const ofCharges = ({ charge }: { charge: string | Stripe.Charge | null }) => charges.some(each => each.id === charge)
  const refunds = account.refunds().filter(ofCharges)
  const disputes = account.disputes().filter(ofCharges)
  const sources = new Set([...charges, ...refunds, ...disputes].map(each => each.id))
  const moved = account.balanceTransactions().filter(entry => sources.has(String(entry.source)))

  const paid = sessionIds
    .map(id => account.session(id))
    .filter(session => session !== undefined && session.payment_status !== 'unpaid')
  const intents = new Set(paid.map(session => session?.payment_intent))
  const captured = account.intents().filter(intent => intents.has(intent.id))
  const stands = refunds.filter(each => each.status !== 'failed' && each.status !== 'canceled')
  const lines = paid.flatMap(session => account.lineItemsOf(session?.id ?? ''))
  return {
    held: sum(moved.map(entry => entry.amount)),
    captured: sum(captured.map(intent => intent.amount_received)),
    refunded: sum(stands.filter(each => intents.has(String(each.payment_intent))).map(each => each.amount)),
    sold: sum(lines.map(line => line.quantity ?? 0))
  }
}

function sum(amounts: number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0)
}

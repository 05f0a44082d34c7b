import type Stripe from 'stripe'
import type { Simulator } from '../../simulator/start.js'
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
  const { services, simulator } = shop.stack
  if (simulator === undefined) throw new Error('This shop has no simulator')
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
  const stripes = recordOf(simulator, orderId, sessionIds)
  // In review nobody has said yet whether the money counts. Whether refunded goods came back Stripe does not know.
  if (status === 'NEEDS_REVIEW') return { ours: { held }, stripes: { held: stripes.held } }
  const money = { held, captured, refunded }
  if (status === 'REFUNDED') return { ours: money, stripes: { ...stripes, sold: undefined } }
  return { ours: { ...money, sold }, stripes }
}

function recordOf(simulator: Simulator, orderId: string, sessionIds: string[]): Required<OrderRecord> {
  const { store } = simulator
  const charges = [...store.table('charge').values()].filter(charge => charge.metadata.orderId === orderId)
  const ofCharges = ({ charge }: { charge: string | Stripe.Charge | null }) => charges.some(each => each.id === charge)
  const refunds = [...store.table('refund').values()].filter(ofCharges)
  const disputes = [...store.table('dispute').values()].filter(ofCharges)
  const sources = new Set([...charges, ...refunds, ...disputes].map(each => each.id))
  const moved = [...store.table('balance_transaction').values()].filter(entry => sources.has(String(entry.source)))

  const paid = sessionIds
    .map(id => store.table('checkout.session').get(id))
    .filter(session => session !== undefined && session.payment_status !== 'unpaid')
  const intents = new Set(paid.map(session => session?.payment_intent))
  const captured = [...store.table('payment_intent').values()].filter(intent => intents.has(intent.id))
  const stands = refunds.filter(each => each.status !== 'failed' && each.status !== 'canceled')
  const lines = paid.flatMap(session => store.lineItems.get(session?.id ?? '') ?? [])
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

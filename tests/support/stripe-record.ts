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

/**
 * The states that an order can be in by Stripe's record alone, which knows nothing of what we have cancelled. One that nobody
 * has let count, beside it or for it, is a case for review.
 */
export async function statesByStripe(shop: Shop, orderId: string): Promise<{ ours: string; possible: string[] }> {
  const { prisma } = shop.stack.services.db
  const order = await prisma.order.findUniqueOrThrow({ where: { id: orderId }, include: { checkouts: true } })
  const account = shop.simulator.record
  const own = new Set(order.checkouts.map(checkout => checkout.sessionId))
  const paid = account.sessionsOf({ orderId }).flatMap(session => {
    const intent = account.intent(String(session.payment_intent))
    return session.status === 'complete' ? [{ session, intent, money: moneyOf(account, intent) }] : []
  })
  const isFree = ({ session }: Paid) => session.payment_status === 'no_payment_required'
  const isCancelled = order.cancelledAt !== null
  const lives = paid.filter(
    each => (isFree(each) && !isCancelled) || each.intent?.status === 'requires_capture' || each.money.left > 0
  )
  const strays = lives.filter(({ session }) => !own.has(session.id))
  const wantsReview = strays.length > 0 || lives.length > 1
  // Money for an order that was cancelled here: a person decides. Without money there is nothing to decide.
  if (wantsReview || (isCancelled && lives.length > 0)) return { ours: order.status, possible: ['NEEDS_REVIEW'] }
  const counted = paid.filter(each => own.has(each.session.id) && !(isCancelled && isFree(each)))
  return { ours: order.status, possible: statesOf(counted) }
}

interface Paid {
  session: Stripe.Checkout.Session
  intent: Stripe.PaymentIntent | undefined
  money: ReturnType<typeof moneyOf>
}

function statesOf(paid: Paid[]): string[] {
  const counted = paid.filter(
    ({ session, intent }) => session.payment_status === 'no_payment_required' || intent?.status === 'succeeded'
  )
  if (counted.some(({ money }) => money.isDisputed)) return ['DISPUTED']
  if (counted.length > 0) {
    const refunded = sum(counted.map(({ money }) => money.refunded))
    if (refunded === 0) return ['PAID']
    return refunded < sum(counted.map(({ money }) => money.captured)) ? ['PARTIALLY_REFUNDED'] : ['REFUNDED']
  }
  const has = (status: Stripe.PaymentIntent.Status) => paid.some(({ intent }) => intent?.status === status)
  if (has('requires_capture')) return ['AUTHORIZED']
  return has('processing') ? ['PROCESSING'] : ['PENDING', 'CANCELLED']
}

function moneyOf(account: AccountRecord, intent: Stripe.PaymentIntent | undefined) {
  const captured = intent?.amount_received ?? 0
  const disputes = intent === undefined ? [] : account.disputesOf(intent.id)
  const refunds = account.refunds().filter(each => each.payment_intent === intent?.id && stands(each))
  const refunded = captured === 0 ? 0 : sum(refunds.map(each => each.amount))
  const lost = sum(disputes.filter(each => each.status === 'lost').map(each => each.amount))
  const isDisputed = disputes.some(({ status }) => status !== 'won' && !status.startsWith('warning_'))
  return { captured, refunded, isDisputed, left: captured - refunded - lost }
}

function stands({ status }: Stripe.Refund): boolean {
  return status !== 'failed' && status !== 'canceled'
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
  const lines = paid.flatMap(session => account.lineItemsOf(session?.id ?? ''))
  return {
    held: sum(moved.map(entry => entry.amount)),
    captured: sum(captured.map(intent => intent.amount_received)),
    refunded: sum(
      refunds
        .filter(stands)
        .filter(each => intents.has(String(each.payment_intent)))
        .map(each => each.amount)
    ),
    sold: sum(lines.map(line => line.quantity ?? 0))
  }
}

function sum(amounts: number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0)
}

import { isDeepStrictEqual } from 'node:util'
import type Stripe from 'stripe'
import { DAY } from '../../shared/duration.js'
import { checkLedger } from '../../shared/reconcile/ledger-check.js'
import { findAuditProblems } from '../../shared/statements/audit-trail.js'
import type { Shop } from './shop.js'
import { bothRecords, statesByStripe } from './stripe-record.js'

/** Everything in which the shop is not what Stripe says and what it promises; nothing when all is well. */
export async function findWrongs(shop: Shop, stockBefore: Map<string, number>): Promise<string[]> {
  return [
    ...(await wrongCheckouts(shop)),
    ...(await wrongOrders(shop)),
    ...(await wrongRefunds(shop)),
    ...(await wrongStock(shop, stockBefore)),
    ...(await wrongEvents(shop)),
    ...(await wrongBooks(shop))
  ]
}

/** Each checkout is what Stripe says of its Session. */
async function wrongCheckouts(shop: Shop): Promise<string[]> {
  const checkouts = await shop.stack.services.db.prisma.checkout.findMany()
  const byId = new Map(checkouts.map(checkout => [checkout.id, checkout]))
  return shop.simulator.record.sessions().flatMap(session => {
    const checkout = byId.get(session.metadata?.checkoutId ?? '')
    // One that was left behind: what somebody paid through it is looked at with its order.
    if (checkout !== undefined && checkout.sessionId !== session.id) return []
    const expected = expectedStatus(session, shop.simulator.record.intent(String(session.payment_intent)))
    return checkout?.status === expected ? [] : [`checkout ${checkout?.id} is ${checkout?.status}, not ${expected}`]
  })
}

function expectedStatus(session: Stripe.Checkout.Session, intent: Stripe.PaymentIntent | undefined): string {
  if (session.status === 'expired') return 'EXPIRED'
  if (session.status === 'open') return 'OPEN'
  if (session.payment_status !== 'unpaid') return 'PAID'
  return intent?.status === 'requires_payment_method' || intent?.status === 'canceled' ? 'FAILED' : 'PROCESSING'
}

/** Each payment is what Stripe says, each order what its own Sessions took, and nobody pays twice without a person seeing it. */
async function wrongOrders(shop: Shop): Promise<string[]> {
  const orders = await shop.stack.services.db.prisma.order.findMany({ include: { payments: true } })
  const wrongs: string[] = []
  for (const order of orders) {
    const record = await bothRecords(shop, order.id)
    if (!isDeepStrictEqual(record.ours, record.stripes)) {
      const [ours, stripes] = [record.ours, record.stripes].map(each => JSON.stringify(each))
      wrongs.push(`order ${order.id} (${order.status}) is ${ours}, and Stripe has ${stripes}`)
    }
    const { ours, possible } = await statesByStripe(shop, order.id)
    if (!possible.includes(ours)) wrongs.push(`order ${order.id} is ${ours}, by Stripe's record ${possible}`)
    const charges = shop.simulator.record
      .chargesOf({ orderId: order.id })
      .filter(charge => charge.status === 'succeeded')
    const captured = charges.reduce((sum, charge) => sum + charge.amount_captured, 0)
    const known = order.payments.reduce((sum, payment) => sum + Number(payment.captured), 0)
    if (known !== captured) wrongs.push(`order ${order.id} has ${known} captured, not ${captured}`)
    const kept = charges.filter(charge => charge.captured && !charge.refunded)
    if (kept.length > 1 && order.status !== 'NEEDS_REVIEW') {
      wrongs.push(`order ${order.id} was paid ${kept.length} times and is ${order.status}`)
    }
  }
  return wrongs
}

/** Each refund of Stripe's is one of ours and the same, and nobody's request was paid twice, or refused and paid. */
async function wrongRefunds(shop: Shop): Promise<string[]> {
  const rows = await shop.stack.services.db.prisma.refund.findMany()
  const made = shop.simulator.record.refunds()
  const states = { pending: 'PENDING', succeeded: 'SUCCEEDED', failed: 'FAILED', canceled: 'CANCELLED' } as const
  const unlike = made.flatMap(refund => {
    const ours = rows.filter(row => row.stripeId === refund.id)
    const expected = [states[refund.status as keyof typeof states], refund.amount]
    if (
      isDeepStrictEqual(
        ours.map(row => [row.status, Number(row.amount)]),
        [expected]
      )
    )
      return []
    return [`refund ${refund.id} is ${JSON.stringify(ours)} and not ${expected}`]
  })
  const ofRequests = rows.flatMap(row => {
    const own = made.filter(refund => refund.metadata?.refundId === row.id)
    const expected = row.requestKey === null || row.status === 'REFUSED' ? 0 : 1
    return own.length === expected ? [] : [`refund ${row.id} (${row.status}) was made ${own.length} times`]
  })
  return [...unlike, ...ofRequests]
}

/** What is not on the shelf was sold and not returned, and what is held is held by somebody who can still pay. */
async function wrongStock(shop: Shop, before: Map<string, number>): Promise<string[]> {
  const products = await shop.stack.services.db.prisma.product.findMany({
    include: { reservations: { include: { checkout: { include: { order: true } } } } }
  })
  return products.flatMap(product => {
    const sum = (status: string) =>
      product.reservations
        .filter(each => each.status === status)
        .reduce((total, each) => total + each.quantity - each.restocked, 0)
    const expected = [(before.get(product.id) ?? 0) - sum('COMMITTED'), sum('HELD')]
    const wrongs =
      String([product.stock, product.reserved]) === String(expected)
        ? []
        : [`${product.slug} has ${product.stock} and ${product.reserved} held, not ${expected.join(' and ')}`]
    const forNobody = product.reservations.filter(
      ({ status, checkout }) =>
        status === 'HELD' &&
        !['OPEN', 'PROCESSING'].includes(checkout.status) &&
        checkout.order?.status !== 'NEEDS_REVIEW'
    )
    return [...wrongs, ...forNobody.map(each => `${product.slug} is held by ${each.checkoutId} for nobody`)]
  })
}

/** Every event was stored and applied. */
async function wrongEvents(shop: Shop): Promise<string[]> {
  const rows = await shop.stack.services.db.prisma.webhookEvent.findMany({ omit: { payload: true } })
  const applied = new Set(rows.filter(row => row.status === 'PROCESSED' || row.status === 'IGNORED').map(row => row.id))
  const missing = shop.simulator.record.events().filter(event => !applied.has(event.id))
  return missing.map(event => `${event.id} (${event.type}) was not applied`)
}

/** The ledger is what Stripe has, and the trail is sound. */
async function wrongBooks(shop: Shop): Promise<string[]> {
  const { services } = shop.stack
  const { differences } = await checkLedger(services, new Date(Date.now() - DAY), new Date(Date.now() + 2 * DAY))
  const problems = await findAuditProblems(services.db.pool)
  return [...differences, ...problems.map(({ chain, problem }) => `audit chain ${chain}: ${problem}`)]
}

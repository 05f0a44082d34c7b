import { type AlertName, alert } from '../shared/alerts.js'
import { writeAudit } from '../shared/audit.js'
import type { Client } from '../shared/database.js'
import { TerminalError } from '../shared/errors.js'
import { newId } from '../shared/ids.js'
import { needsReview, orderState, wentBack } from '../shared/order-status.js'
import type { Services } from '../shared/services.js'
import { moveCheckout } from '../shared/statements/checkouts.js'
import { type KnownOrder, lockOrder, markCancelled, moveOrder, readOrderFacts } from '../shared/statements/orders.js'
import { reviewPayment } from '../shared/statements/payments.js'
import { couldCommitReleased, restockRefunds, settleReservations } from '../shared/statements/stock.js'
import { type CheckoutStatus, isOver, type OrderStatus, orderPath } from '../shared/transitions.js'

/** One transaction that changes an order: who asked for it, and what to send once it is committed. */
export interface Change {
  services: Services
  client: Client
  trail: {
    userId?: string | null
    orderId?: string | null
    checkoutId?: string | null
    eventId?: string | null
    requestId?: string | null
  }
  /** Ids of notifications that the transaction has written. */
  notifications: string[]
  /** Why, for the audit trail. */
  reason?: string
}

/**
 * Brings an order into the state that its checkouts, payments, refunds and disputes make (shared/order-status.ts): its
 * checkouts, its stock and its status. Call it after recording something new, with the checkout in question locked.
 */
export async function settleOrder(change: Change, orderId: string): Promise<OrderStatus> {
  const { client } = change
  const order = await lockOrder(client, orderId)
  if (order === undefined) throw new TerminalError(`there is no order ${orderId}`)
  const known = await readOrderFacts(client, orderId)
  await settleCheckouts(change, orderId, known)
  await flagUnexpected(change, orderId, known)
  await settleStock(change, orderId, known)

  const state = orderState(known)
  const path = orderPath(order.status, state.status, state.neverPaid)
  if (path === undefined) throw new TerminalError(`an order that is ${order.status} cannot become ${state.status}`)
  const sameMoney = order.captured === state.captured && order.refunded === state.refunded
  const steps = path.length === 0 && !sameMoney ? [state.status] : path
  let from = order.status
  for (const to of steps) {
    const { captured, refunded } = state
    await step(change, { orderId, from, to, captured, refunded, currency: order.currency })
    from = to
  }
  return state.status
}

/** Marks an order as cancelled and settles it. A payment can still arrive; it is then a case for review. */
export async function cancelOrder(change: Change, orderId: string, reason: string): Promise<OrderStatus> {
  await lockOrder(change.client, orderId)
  await markCancelled(change.client, orderId, change.services.now())
  return await settleOrder({ ...change, reason }, orderId)
}

/** Enqueues what a committed change has to tell the shop. What the queue store misses, the sweep finds. */
export async function announce({ services, notifications }: Pick<Change, 'services' | 'notifications'>): Promise<void> {
  await Promise.all(notifications.map(id => services.queues.offer('order-notification', id)))
}

/** A completed Session whose payment has ended since: captured, or its authorization gone. */
async function settleCheckouts(change: Change, orderId: string, known: KnownOrder): Promise<void> {
  for (const checkout of known.checkouts.filter(each => each.status === 'PROCESSING')) {
    const payment = known.payments.find(each => each.checkoutId === checkout.id)
    const to = payment?.status === 'SUCCEEDED' ? 'PAID' : payment?.status === 'CANCELLED' ? 'FAILED' : undefined
    if (to === undefined) continue
    await settleCheckout(change, orderId, checkout, to)
    if (to === 'FAILED') {
      await markCancelled(change.client, orderId, change.services.now())
      known.cancelled = true
    }
  }
}

async function settleCheckout(
  change: Change,
  orderId: string,
  checkout: { id: string; status: CheckoutStatus },
  to: 'PAID' | 'FAILED'
): Promise<void> {
  const audit = {
    action: `checkout_${to.toLowerCase()}`,
    status: to === 'PAID' ? ('SUCCESS' as const) : ('FAILED' as const),
    ...change.trail,
    orderId,
    checkoutId: checkout.id,
    before: checkout.status,
    after: to
  }
  await moveCheckout(change.client, checkout.id, { to, now: change.services.now(), audit: [audit] })
  checkout.status = to
}

/** Money for a checkout that is over, for a cancelled order, or for one that is paid already. */
async function flagUnexpected(change: Change, orderId: string, known: KnownOrder): Promise<void> {
  const statusOf = new Map(known.checkouts.map(checkout => [checkout.id, checkout.status]))
  const isLive = (status: string) => status === 'SUCCEEDED' || status === 'AUTHORIZED' || status === 'PROCESSING'
  const taken: string[] = []
  for (const payment of known.payments) {
    const checkout = statusOf.get(payment.checkoutId)
    if (!isLive(payment.status)) continue
    const settles = checkout === 'PAID' || checkout === 'PROCESSING'
    if (payment.reviewReason !== null) {
      if (payment.accepted && settles) taken.push(payment.id)
      continue
    }
    let reason: string | undefined
    if (checkout !== undefined && isOver(checkout)) {
      if (payment.status === 'PROCESSING') continue
      reason = `a payment arrived although the checkout is ${checkout}`
    } else if (settles && known.cancelled) {
      reason = 'a payment arrived for an order that was cancelled'
    } else if (settles && taken.length > 0) {
      reason = `a payment arrived for an order that is paid by ${taken[0]}`
    } else if (settles) {
      taken.push(payment.id)
    }
    if (reason === undefined) continue
    const mayAccept = taken.length === 0 && (await couldCommitReleased(change.client, payment.checkoutId))
    const giveBack = payment.status === 'AUTHORIZED' ? 'cancel' : 'refund'
    await review(change, orderId, payment.id, 'payment_unexpected', reason, mayAccept ? 'accept' : giveBack)
    payment.reviewReason = reason
  }
}

/** Puts a payment in review, once, with an alert that says what an operator would do about it. */
export async function review(
  change: Change,
  orderId: string,
  paymentIntentId: string,
  name: Extract<AlertName, 'payment_unexpected' | 'payment_mismatch'>,
  reason: string,
  action: 'accept' | 'refund' | 'cancel'
): Promise<void> {
  const { client, services, trail } = change
  if (!(await reviewPayment(client, paymentIntentId, { reason, action, now: services.now() }))) return
  const which = action === 'cancel' ? '' : ` --payment ${paymentIntentId}`
  const suggestion = `Suggested: npm run ops -- order ${action} ${orderId}${which}`
  await alert(client, services.log, name, { ...trail, orderId, reason: `${reason}. ${suggestion}` })
}

/** Stock leaves the shelf for a payment that counts, and goes back when none can come. What is in review stays held. */
async function settleStock(change: Change, orderId: string, known: KnownOrder): Promise<void> {
  const { client, services } = change
  for (const checkout of known.checkouts.filter(each => each.held)) {
    const payment = known.payments.find(each => each.checkoutId === checkout.id)
    const cameBack = payment !== undefined && payment.reviewReason !== null && !payment.accepted && wentBack(payment)
    if (isOver(checkout.status) || cameBack) {
      await settleReservations(client, checkout.id, 'RELEASED', services.now())
    } else if (checkout.status === 'PAID' && payment !== undefined && !needsReview(payment)) {
      await settleReservations(client, checkout.id, 'COMMITTED', services.now())
    }
  }
  if (!known.restockDue) return
  const returned = await restockRefunds(client, orderId, services.now())
  if (returned.length === 0) return
  await writeAudit(client, {
    action: 'stock_returned',
    status: 'SUCCESS',
    ...change.trail,
    orderId,
    metadata: { lines: returned }
  })
}

interface Step {
  orderId: string
  from: OrderStatus
  to: OrderStatus
  captured: number
  refunded: number
  currency: string
}

const GOOD: readonly OrderStatus[] = ['PAID', 'PARTIALLY_REFUNDED', 'REFUNDED', 'CANCELLED']
const UNDER_WAY: readonly OrderStatus[] = ['PROCESSING', 'AUTHORIZED']

async function step(change: Change, { orderId, from, to, captured, refunded, currency }: Step): Promise<void> {
  const { client, services } = change
  const notificationId = newId()
  const { moved, notified } = await moveOrder(client, orderId, {
    from,
    to,
    captured,
    refunded,
    now: services.now(),
    notificationId,
    notifies: services.config.notifications !== undefined,
    audit: {
      action: `order_${to === 'PENDING' ? 'payment_failed' : to.toLowerCase()}`,
      status: GOOD.includes(to) ? 'SUCCESS' : UNDER_WAY.includes(to) ? 'PROCESSING' : 'FAILED',
      ...change.trail,
      orderId,
      amount: to.endsWith('REFUNDED') ? refunded : captured,
      currency,
      error: change.reason
    }
  })
  if (!moved) throw new Error(`Order ${orderId} moved on from ${from} while it was locked`)
  if (notified) change.notifications.push(notificationId)
}

import { alert } from '../audit/alerts.js'
import { writeAudit } from '../audit/audit.js'
import { onCommit } from '../database/on-commit.js'
import { TerminalError } from '../errors.js'
import { maskText } from '../identity/masking.js'
import { newId } from '../ids.js'
import { countMoney } from '../metrics/payments.js'
import { afterEnds, checkoutEnds, stockEnd } from '../rules/order-consequences.js'
import { isFree, orderState, type PaymentFacts, wentBack } from '../rules/order-status.js'
import { type OrderStatus, orderPath } from '../rules/transitions.js'
import { unexpectedPayments } from '../rules/unexpected-payments.js'
import { moveCheckout } from '../statements/checkouts.js'
import { type KnownOrder, lockOrder, markCancelled, moveOrder, readOrderFacts } from '../statements/orders.js'
import { reviewPayment } from '../statements/payments.js'
import { couldCommitReleased, moveReservations, restockRefunds } from '../statements/stock.js'
import type { Change } from './change.js'

/**
 * Brings an order into the state that its checkouts, payments, refunds and disputes make (shared/rules/order-status.ts): its
 * checkouts, its stock and its status. Call it after recording something new, with the checkout in question locked.
 */
export async function advanceOrder(change: Change, orderId: string): Promise<OrderStatus> {
  const { client } = change
  const order = await lockOrder(client, orderId)
  if (order === undefined) throw new TerminalError(`there is no order ${orderId}`)
  const read = await readOrderFacts(client, orderId)
  const ended = await endCheckouts(change, orderId, read)
  const known = await reviewUnexpected(change, orderId, ended)
  await endReservations(change, orderId, known)

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
  onCommit(client, () => {
    countMoney(order.currency, 'captured', state.captured - order.captured)
    countMoney(order.currency, 'refunded', state.refunded - order.refunded)
    countMoney(order.currency, 'refund_returned', order.refunded - state.refunded)
  })
  return state.status
}

/** Cancels an order and advances it. A payment can still arrive; it is then a case for review. */
export async function cancelOrder(change: Change, orderId: string, reason: string): Promise<OrderStatus> {
  await lockOrder(change.client, orderId)
  await markCancelled(change.client, orderId, change.services.now())
  return await advanceOrder({ ...change, reason }, orderId)
}

/** Completed Sessions whose payment has ended since: captured, or its authorization gone. */
async function endCheckouts(change: Change, orderId: string, known: KnownOrder): Promise<KnownOrder> {
  const ends = checkoutEnds(known)
  if (ends.length === 0) return known
  const { client, services, trail } = change
  for (const { id, to } of ends) {
    const audit = {
      action: `checkout_${to.toLowerCase()}`,
      status: to === 'PAID' ? ('SUCCESS' as const) : ('FAILED' as const),
      ...trail,
      orderId,
      checkoutId: id,
      before: 'PROCESSING',
      after: to
    }
    await moveCheckout(client, id, { to, now: services.now(), audit: [audit] })
  }
  const after = afterEnds(known, ends)
  if (after.cancelled && !known.cancelled) await markCancelled(client, orderId, services.now())
  return after
}

/**
 * Puts payments in review that cannot simply count, each once with an alert that says what an operator would do about it.
 * Returns what is then known.
 */
async function reviewUnexpected(change: Change, orderId: string, known: KnownOrder): Promise<KnownOrder> {
  const reasons = new Map<string, string>()
  for (const { payment, reason: why, couldCount } of unexpectedPayments(known)) {
    const reason = maskText(why)
    reasons.set(payment.id, reason)
    const isFirst = payment.reviewReason === null
    const action = await suggestion(change, payment, { couldCount, isNews: payment.reviewReason !== reason })
    if (payment.reviewReason === reason && payment.reviewAction === action) continue
    await reviewPayment(change.client, payment.id, { reason, action, now: change.services.now() })
    const isNothing = isFree(payment) && known.cancelled
    if (isFirst && !isNothing && !wentBack(payment)) await alertOfReview(change, orderId, payment, { reason, action })
  }
  const withReason = (payment: PaymentFacts) => {
    const reviewReason = reasons.get(payment.id) ?? payment.reviewReason
    const isVoid = isFree(payment) && known.cancelled && reviewReason !== null && !payment.accepted
    return { ...payment, reviewReason, isVoid }
  }
  return { ...known, payments: known.payments.map(withReason) }
}

/** What an operator would do. What was once to be accepted stays so until another payment counts. */
async function suggestion(
  { client }: Change,
  payment: PaymentFacts,
  { couldCount, isNews }: { couldCount: boolean; isNews: boolean }
): Promise<'accept' | 'refund' | 'cancel'> {
  const giveBack = payment.status === 'AUTHORIZED' ? 'cancel' : 'refund'
  if (!couldCount) return giveBack
  const isAcceptable = isNews
    ? await couldCommitReleased(client, payment.checkoutId)
    : payment.reviewAction === 'accept'
  return isAcceptable ? 'accept' : giveBack
}

async function alertOfReview(
  { client, services, trail }: Change,
  orderId: string,
  payment: PaymentFacts,
  { reason, action }: { reason: string; action: 'accept' | 'refund' | 'cancel' }
): Promise<void> {
  const name = payment.mismatch === null ? 'payment_unexpected' : 'payment_mismatch'
  const suggestion = `Suggested: npm run ops -- order ${action} ${orderId} --payment ${payment.id}`
  await alert(client, services.log, name, { ...trail, orderId, reason: `${reason}. ${suggestion}` })
}

/** Stock leaves the shelf for a payment that counts, and goes back when none can come. What is in review stays held. */
async function endReservations(change: Change, orderId: string, known: KnownOrder): Promise<void> {
  const { client, services } = change
  for (const checkout of known.checkouts.filter(each => each.held)) {
    const to = stockEnd(checkout, known.payments)
    if (to !== undefined) await moveReservations(client, checkout.id, to, services.now())
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
  if (notified) change.due.push({ job: 'order-notification', id: notificationId })
}

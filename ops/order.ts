import { parseArgs } from 'node:util'
import type Stripe from 'stripe'
import { writeAudit } from '../shared/audit/audit.js'
import { transaction } from '../shared/database/database.js'
import { MINUTE } from '../shared/duration.js'
import { toMinorUnits } from '../shared/money.js'
import { isFree, isLive, needsReview, type OrderFacts, wentBack } from '../shared/rules/order-status.js'
import { parseRestock } from '../shared/rules/restock.js'
import { type CheckoutStatus, isPayable, type PaymentStatus } from '../shared/rules/transitions.js'
import type { Services } from '../shared/runtime/services.js'
import { isUnknownToStripe } from '../shared/runtime/stripe-client.js'
import { type CheckoutRow, lockCheckout, moveCheckout, readCheckout } from '../shared/statements/checkouts.js'
import type { DueRow } from '../shared/statements/due-rows.js'
import { findSiblings, lockOrder, type OrderRow, readOrderFacts } from '../shared/statements/orders.js'
import { acceptPayment, findPaymentsOf, type PaymentRow } from '../shared/statements/payments.js'
import { type RefundRow, readRefund } from '../shared/statements/refunds.js'
import { commitReleased, settleReservations } from '../shared/statements/stock.js'
import { foundIntent, storeFound } from '../workers/found-events.js'
import { requestRefunds } from '../workers/refund-request.js'
import { applySession, endSession, expireCheckout } from '../workers/session-expiry.js'
import { cancelOrder, enqueueDue, settleOrder } from '../workers/settlement.js'
import { applyEvent } from '../workers/webhook-processing.js'
import { operator, why, withServices } from './environment.js'
import { print, printJson } from './print.js'
import { required, UsageError } from './usage-error.js'

const REFUND_WAIT_MS = 20_000
const POLL_MS = 200

const actions: Record<string, ((services: Services, id: string, args: string[]) => Promise<void>) | undefined> = {
  show,
  refund,
  capture,
  cancel,
  accept
}

export async function order([action = '', given, ...args]: string[]): Promise<void> {
  const run = actions[action]
  if (run === undefined) throw new UsageError(`order takes ${Object.keys(actions).join(', ')}.`)
  const id = required(given, 'The order’s id')
  await withServices(services => run(services, id, args))
}

async function show({ db }: Services, id: string): Promise<void> {
  const found = await db.prisma.order.findUnique({
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
  if (found === null) throw new Error(`There is no order ${id}.`)
  const audit = await db.prisma.paymentAuditLog.findMany({ where: { orderId: id }, orderBy: { id: 'asc' } })
  printJson({ ...found, audit })
}

async function refund(services: Services, id: string, args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      amount: { type: 'string' },
      reason: { type: 'string' },
      restock: { type: 'string' },
      payment: { type: 'string' },
      key: { type: 'string' }
    }
  })
  const { currency } = await readOrder(services, id)
  const restock = values.restock === undefined ? undefined : parseRestock(values.restock)
  if (restock === null)
    throw new UsageError('--restock takes all, or quantities by product such as PRODUCT=2,PRODUCT=1.')
  const refunds = await requestRefunds(services, {
    orderId: id,
    amount: values.amount === undefined ? undefined : amountIn(values.amount, currency),
    reason: await why(values.reason),
    restock,
    paymentIntentId: values.payment,
    key: values.key,
    operator: operator()
  })
  for (const each of refunds) report(await settled(services, each))
}

/** Waits for the workers to ask Stripe. */
async function settled({ db }: Services, asked: RefundRow): Promise<RefundRow> {
  const until = Date.now() + REFUND_WAIT_MS
  for (;;) {
    const now = (await readRefund(db.pool, asked.id)) ?? asked
    if (now.status !== 'REQUESTED' || Date.now() > until) return now
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
}

function report(refund: RefundRow): void {
  const what = `Refund ${refund.id} of ${refund.paymentIntentId}`
  if (refund.status === 'REFUSED') throw new Error(`${what} was refused: ${refund.failureReason}`)
  if (refund.status === 'REQUESTED') return print(`${what} is written down; the workers will ask Stripe for it.`)
  print(`${what} is ${refund.status} (${refund.stripeId}).`)
}

async function capture(services: Services, id: string, args: string[]): Promise<void> {
  const options = { amount: { type: 'string' }, reason: { type: 'string' }, payment: { type: 'string' } } as const
  const { values } = parseArgs({ args, options })
  const { currency } = await readOrder(services, id)
  const payment = await capturable(services, id, values.payment)
  // What can be captured is what Stripe holds, not what we remember.
  const authorized = await services.stripe.paymentIntents.retrieve(payment.paymentIntentId)
  if (authorized.status !== 'requires_capture') {
    await applyIntent(services, authorized)
    throw new Error(`Nothing of ${authorized.id} can be captured: at Stripe it is ${authorized.status}.`)
  }
  const amount = values.amount === undefined ? authorized.amount_capturable : amountIn(values.amount, currency)
  if (amount > authorized.amount_capturable) throw new UsageError('More than was authorized cannot be captured.')
  const reason = await why(values.reason)
  await noteOperator(services, payment, { action: 'order_capture_requested', amount, reason })
  const intent = await services.stripe.paymentIntents.capture(
    payment.paymentIntentId,
    { amount_to_capture: amount },
    { idempotencyKey: `${payment.paymentIntentId}-capture-${amount}-${minuteOf(services)}` }
  )
  await applyIntent(services, intent)
  print(`Order ${id}: ${intent.id} is captured.`)
}

/** Ends what can still be paid, at Stripe first; a customer who was faster keeps the order. */
async function cancel(services: Services, id: string, args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { reason: { type: 'string' }, payment: { type: 'string' } } })
  const { status } = await readOrder(services, id)
  const given = await why(values.reason)
  const payment = theOne(await findAuthorized(services, id, values.payment))
  if (payment !== undefined) {
    const { amount } = payment
    await noteOperator(services, payment, { action: 'order_cancel_requested', amount, reason: given })
    const intent = await services.stripe.paymentIntents.cancel(
      payment.paymentIntentId,
      {},
      { idempotencyKey: `${payment.paymentIntentId}-cancel-${minuteOf(services)}` }
    )
    await applyIntent(services, intent)
    const after = await readOrder(services, id)
    return print(`${intent.id} is not charged; the order is ${after.status}.`)
  }
  if (status !== 'PENDING' && !(await isFreeInReview(services, id)))
    throw new Error(`The order is ${status}; only a PENDING or AUTHORIZED one can be cancelled.`)
  for (const checkout of await findSiblings(services.db.pool, id, '')) {
    if (isOpenAtStripe(checkout.status)) await expireCheckout(services, checkout)
  }
  const due: DueRow[] = []
  await transaction(services.db.pool, async client => {
    const after = await lockOrder(client, id)
    if (after?.status !== status) throw new Error(`The customer was faster: the order is ${after?.status}.`)
    const open = (await findSiblings(client, id, '')).find(checkout => isPayable(checkout.status))
    if (open !== undefined) throw new Error(`Checkout ${open.id} has just been opened for it. Run the command again.`)
    const change = { services, client, due, trail: { userId: after.userId, orderId: id } }
    const reason = given ?? `cancelled by ${operator()}`
    await writeAudit(client, {
      action: 'order_cancel_requested',
      status: 'SUCCESS',
      orderId: id,
      metadata: { operator: operator(), reason }
    })
    await cancelOrder(change, id, reason)
  })
  await enqueueDue({ services, due })
  print(`Order ${id} is cancelled.`)
}

/** What is in review took no money: with the order it is given up. */
async function isFreeInReview({ db }: Services, orderId: string): Promise<boolean> {
  const live = (await readOrderFacts(db.pool, orderId)).payments.filter(each => isLive(each) && !wentBack(each))
  return live.length > 0 && live.every(each => isFree(each) && needsReview(each))
}

/** Lets a payment in review count for its order: takes its stock, if it is still there, and pays the order. */
async function accept(services: Services, id: string, args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { payment: { type: 'string' }, note: { type: 'string' } } })
  const payment = await reviewed(services, id, values.payment)
  const note = await why(values.note)
  refuseUnpaid(payment, await readCheckout(services.db.pool, payment.checkoutId))
  await closeSessions(services, payment)
  const due: DueRow[] = []
  const status = await transaction(services.db.pool, async client => {
    const checkout = await lockCheckout(client, payment.checkoutId)
    await lockOrder(client, id)
    const now = services.now()
    const reopened = (await findSiblings(client, id, payment.checkoutId)).find(each => isOpenAtStripe(each.status))
    if (reopened !== undefined)
      throw new Error(`Checkout ${reopened.id} has just been opened for it. Run the command again.`)
    refuseSecond(await readOrderFacts(client, id), payment)
    refuseUnpaid(payment, checkout)
    if (!(await acceptPayment(client, payment.paymentIntentId, operator(), now)))
      throw new Error('Somebody was faster.')
    const isPaid = payment.status === 'SUCCEEDED'
    if (isPaid) {
      await settleReservations(client, payment.checkoutId, 'COMMITTED', now)
      if (!(await commitReleased(client, payment.checkoutId, now))) {
        const instead = `npm run ops -- order refund ${id} --payment ${payment.paymentIntentId}`
        throw new Error(`The goods are gone. Refund instead: ${instead}`)
      }
    }
    const trail = { userId: checkout?.userId, orderId: id, checkoutId: payment.checkoutId }
    const audit = {
      action: 'payment_accepted',
      status: 'SUCCESS' as const,
      ...trail,
      amount: payment.captured,
      currency: payment.currency,
      before: checkout?.status,
      after: isPaid ? 'PAID' : checkout?.status,
      metadata: { operator: operator(), note: note ?? null, reason: payment.reviewReason }
    }
    const moved =
      isPaid && (await moveCheckout(client, payment.checkoutId, { to: 'PAID', byOperator: true, now, audit: [audit] }))
    if (!moved) await writeAudit(client, audit)
    return await settleOrder({ services, client, due, trail, reason: note }, id)
  })
  await enqueueDue({ services, due })
  print(`Payment ${payment.paymentIntentId} counts now; the order is ${status}.`)
}

/** The payment in review that is meant; what went back, or was decided about, is none. */
async function reviewed({ db }: Services, orderId: string, paymentIntentId?: string): Promise<PaymentRow> {
  const inReview = (await readOrderFacts(db.pool, orderId)).payments.filter(needsReview).map(each => each.id)
  const [payment, ...others] = (await findPaymentsOf(db.pool, orderId)).filter(
    each =>
      inReview.includes(each.paymentIntentId) && (paymentIntentId ?? each.paymentIntentId) === each.paymentIntentId
  )
  if (payment === undefined)
    throw new Error(
      paymentIntentId === undefined
        ? `Order ${orderId} has no payment in review.`
        : `${paymentIntentId} is not in review for order ${orderId}.`
    )
  if (others.length > 0) throw new UsageError('Several payments are in review; name one with --payment.')
  return payment
}

/** One payment pays an order: while another one holds money, or can still take it, a second one may not count too. */
function refuseSecond({ payments }: OrderFacts, { orderId, paymentIntentId, status }: PaymentRow): void {
  const other = payments.find(
    each => each.id !== paymentIntentId && isLive(each) && !needsReview(each) && !wentBack(each)
  )
  if (other === undefined) return
  const first: Partial<Record<PaymentStatus, string>> = {
    AUTHORIZED: `Cancel that one first: npm run ops -- order cancel ${orderId} --payment ${other.id}`,
    SUCCEEDED: `Refund that one first, or this one instead: npm run ops -- order refund ${orderId} --payment …`
  }
  // With the other one its checkout ends, and what is not captured yet could not pay that any more.
  const advice =
    status === 'AUTHORIZED'
      ? `Cancel this one: npm run ops -- order cancel ${orderId} --payment ${paymentIntentId}`
      : (first[other.status] ?? 'Wait for its end, or refund this one.')
  throw new Error(`The order has another payment, ${other.id}, which is ${other.status}. ${advice}`)
}

function refuseUnpaid({ status, orderId }: PaymentRow, checkout: CheckoutRow | undefined): void {
  if (status === 'SUCCEEDED' || checkout?.status === 'PROCESSING') return
  throw new Error(`Its checkout is ${checkout?.status} and nothing is captured: npm run ops -- order cancel ${orderId}`)
}

/**
 * Before a payment counts, nothing else may be able to pay its order: what is open expires at Stripe. The payment's own
 * checkout is not told, so that it keeps its goods. Throws when a customer was faster and has paid there too.
 */
async function closeSessions(services: Services, payment: PaymentRow): Promise<void> {
  const { orderId, paymentIntentId, checkoutId } = payment
  const open = (await findSiblings(services.db.pool, orderId, '')).filter(({ status }) => isOpenAtStripe(status))
  for (const checkout of open) {
    const session = await endSession(services, checkout).catch(error => {
      if (!isUnknownToStripe(error)) throw error
      const command = `npm run ops -- checkout expire ${checkout.id} --unknown-to-stripe --reason "…"`
      throw new Error(`Stripe does not know the Session of checkout ${checkout.id}. If it was deleted: ${command}`)
    })
    if (session.status === 'expired' && checkout.id === checkoutId) continue
    await applySession(services, checkout, session)
    const after = await readCheckout(services.db.pool, checkout.id)
    const isPaid = after?.status === 'PAID' || after?.status === 'PROCESSING'
    if (!isPaid || intentOf(session) === paymentIntentId) continue
    const refund = `npm run ops -- order refund ${orderId} --payment ${paymentIntentId}`
    throw new Error(
      `The customer was faster: Session ${session.id} of checkout ${checkout.id} is paid too. Refund the one in review: ${refund}`
    )
  }
}

function intentOf({ payment_intent: intent }: Stripe.Checkout.Session): string | undefined {
  return typeof intent === 'string' ? intent : intent?.id
}

function isOpenAtStripe(status: CheckoutStatus): boolean {
  return status === 'OPEN' || status === 'VERIFIED'
}

async function readOrder({ db }: Services, id: string): Promise<OrderRow> {
  const { rows } = await db.pool.query<OrderRow>('SELECT * FROM "Order" WHERE "id" = $1', [id])
  if (rows[0] === undefined) throw new Error(`There is no order ${id}.`)
  return rows[0]
}

async function findAuthorized({ db }: Services, id: string, paymentIntentId?: string): Promise<PaymentRow[]> {
  return (await findPaymentsOf(db.pool, id)).filter(
    each => each.status === 'AUTHORIZED' && (paymentIntentId ?? each.paymentIntentId) === each.paymentIntentId
  )
}

/** The only one of several that can be meant. */
function theOne(payments: PaymentRow[]): PaymentRow | undefined {
  const [payment, ...others] = payments
  if (others.length === 0) return payment
  const names = payments.map(each => each.paymentIntentId).join(', ')
  throw new UsageError(`The order has several authorizations (${names}); name one with --payment.`)
}

async function capturable(services: Services, id: string, paymentIntentId?: string): Promise<PaymentRow> {
  const authorized = await findAuthorized(services, id, paymentIntentId)
  const isInReview = (each: PaymentRow) => each.reviewReason !== null && each.acceptedAt === null
  const payment = theOne(authorized.filter(each => !isInReview(each)))
  if (payment !== undefined) return payment
  const [reviewed] = authorized
  if (reviewed === undefined) throw new Error(`Order ${id} has no authorization that could be captured.`)
  const { paymentIntentId: name, reviewReason } = reviewed
  throw new Error(`${name} is in review: ${reviewReason}. Accept it first, or cancel it.`)
}

/** Both end the PaymentIntent once, however often they are asked for; a key that met an error of Stripe's is used up. */
function minuteOf({ now }: Services): number {
  return Math.floor(now().getTime() / MINUTE)
}

/** Who asks for it, and why, is written down before Stripe is asked. */
async function noteOperator(
  { db }: Services,
  payment: PaymentRow,
  request: { action: string; amount: number; reason: string | undefined }
): Promise<void> {
  await writeAudit(db.pool, {
    action: request.action,
    status: 'PROCESSING',
    orderId: payment.orderId,
    checkoutId: payment.checkoutId,
    amount: request.amount,
    currency: payment.currency,
    metadata: { operator: operator(), reason: request.reason ?? null, paymentIntent: payment.paymentIntentId }
  })
}

/** What Stripe has answered takes the way of an event; the webhook that tells it too finds nothing to do. */
async function applyIntent(services: Services, intent: Parameters<typeof foundIntent>[0]): Promise<void> {
  const found = foundIntent(intent)
  const eventId = found === undefined ? undefined : await storeFound(services, found, `ops-${operator()}`)
  if (eventId !== undefined) await applyEvent(services, eventId)
}

function amountIn(text: string, currency: string): number {
  const amount = /^\d+(\.\d+)?$/.test(text) ? toMinorUnits(Number(text), currency) : undefined
  if (amount === undefined) throw new UsageError(`--amount: ${currency} has no amount "${text}".`)
  return amount
}

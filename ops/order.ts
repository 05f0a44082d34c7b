import { parseArgs } from 'node:util'
import { toMinorUnits } from '../shared/money.js'
import { acceptReviewed } from '../shared/orders/accept.js'
import { answeredRefund } from '../shared/orders/answered-refund.js'
import { cancelWhatIsOpen } from '../shared/orders/cancel.js'
import { capturePayment } from '../shared/orders/capture.js'
import { requestRefunds } from '../shared/orders/refund.js'
import { Refused } from '../shared/refused.js'
import { parseRestock } from '../shared/rules/restock.js'
import type { Services } from '../shared/runtime/services.js'
import { showTrail } from '../shared/statements/audit-trail.js'
import { type OrderRow, readOrder, showOrder } from '../shared/statements/orders.js'
import type { RefundRow } from '../shared/statements/refunds.js'
import { operator, why, withServices } from './environment.js'
import { print, printJson } from './print.js'
import { required, UsageError } from './usage-error.js'

const REFUND_WAIT_MS = 20_000

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
  const found = await showOrder(db, id)
  if (found === null) throw new Error(`There is no order ${id}.`)
  printJson({ ...found, audit: await showTrail(db, { orderId: id }) })
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
  const { currency } = await orderOf(services, id)
  const { productIdFormat } = services.config.catalogue
  const restock = values.restock === undefined ? undefined : parseRestock(values.restock, productIdFormat)
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
  for (const each of refunds) report(await answeredRefund(services, each, REFUND_WAIT_MS))
}

function report(refund: RefundRow): void {
  const what = `Refund ${refund.id} of ${refund.paymentIntentId}`
  if (refund.status === 'REFUSED') throw new Error(`${what} was refused: ${refund.failureReason}`)
  if (refund.status === 'REQUESTED') return print(`${what} is recorded; the workers will request it from Stripe.`)
  print(`${what} is ${refund.status} (${refund.stripeId}).`)
}

async function capture(services: Services, id: string, args: string[]): Promise<void> {
  const options = { amount: { type: 'string' }, reason: { type: 'string' }, payment: { type: 'string' } } as const
  const { values } = parseArgs({ args, options })
  const { currency } = await orderOf(services, id)
  const captured = await capturePayment(services, {
    ...(await inputOf(id, values.payment, values.reason)),
    amount: values.amount === undefined ? undefined : amountIn(values.amount, currency)
  })
  print(`Order ${id}: ${captured} is captured.`)
}

async function cancel(services: Services, id: string, args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { reason: { type: 'string' }, payment: { type: 'string' } } })
  await orderOf(services, id)
  const cancelled = await cancelWhatIsOpen(services, await inputOf(id, values.payment, values.reason))
  if (!('paymentIntentId' in cancelled)) return print(`Order ${id} is cancelled.`)
  print(`${cancelled.paymentIntentId} is not charged; the order is ${cancelled.status}.`)
}

async function accept(services: Services, id: string, args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { payment: { type: 'string' }, note: { type: 'string' } } })
  await orderOf(services, id)
  const accepted = await acceptReviewed(services, await inputOf(id, values.payment, values.note))
  print(`Payment ${accepted.paymentIntentId} counts now; the order is ${accepted.status}.`)
}

async function inputOf(orderId: string, paymentIntentId: string | undefined, reason: string | undefined) {
  return { orderId, paymentIntentId, reason: await why(reason), operator: operator() }
}

async function orderOf({ db }: Services, id: string): Promise<OrderRow> {
  const order = await readOrder(db.pool, id)
  if (order === undefined) throw new Refused('order_not_found', `There is no order ${id}.`)
  return order
}

function amountIn(text: string, currency: string): number {
  const amount = /^\d+(\.\d+)?$/.test(text) ? toMinorUnits(Number(text), currency) : undefined
  if (amount === undefined) throw new UsageError(`--amount: ${currency} has no amount "${text}".`)
  return amount
}

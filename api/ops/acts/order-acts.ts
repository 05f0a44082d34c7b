import { z } from 'zod'
import { type MinorUnits, parsePrice } from '../../../shared/money.js'
import { acceptReviewed } from '../../../shared/orders/accept.js'
import { answeredRefund } from '../../../shared/orders/answered-refund.js'
import { cancelWhatIsOpen } from '../../../shared/orders/cancel.js'
import { capturePayment } from '../../../shared/orders/capture.js'
import type { OperatorInput } from '../../../shared/orders/operator-request.js'
import { requestRefunds } from '../../../shared/orders/refund.js'
import { reconcileOrder } from '../../../shared/reconcile/reconcile-order.js'
import { Refused } from '../../../shared/refused.js'
import type { Services } from '../../../shared/runtime/services.js'
import { type OrderRow, readOrder } from '../../../shared/statements/orders.js'
import { type ActBy, type AnyAct, act, text, why } from './act.js'

const REFUND_WAIT_MS = 5_000

const payment = text(255).optional()
const amount = z.union([text(30), z.number()]).optional()
const quantity = z.int().min(1).max(999_999)
const restock = z.union([z.literal('all'), z.record(text(64), quantity)]).optional()

export const orderActs: AnyAct[] = [
  act({
    path: '/orders/:id/refund',
    body: z.strictObject({ reason: why, amount, restock, payment }),
    async run(services, id, body, { operator, key }) {
      const order = await orderOf(services, id)
      const refunds = await requestRefunds(services, {
        orderId: id,
        amount: amountIn(body.amount, order.currency),
        reason: body.reason,
        restock: body.restock,
        paymentIntentId: body.payment,
        key,
        operator
      })
      return { refunds: await Promise.all(refunds.map(each => answeredRefund(services, each, REFUND_WAIT_MS))) }
    }
  }),
  act({
    path: '/orders/:id/capture',
    body: z.strictObject({ reason: why, amount, payment }),
    async run(services, id, body, by) {
      const order = await orderOf(services, id)
      const input = { ...inputOf(id, body, by), amount: amountIn(body.amount, order.currency) }
      return { paymentIntentId: await capturePayment(services, input), status: await statusOf(services, id) }
    }
  }),
  act({
    path: '/orders/:id/cancel',
    body: z.strictObject({ reason: why, payment }),
    run: (services, id, body, by) => cancelWhatIsOpen(services, inputOf(id, body, by))
  }),
  act({
    path: '/orders/:id/accept',
    body: z.strictObject({ reason: why, payment }),
    async run(services, id, body, by) {
      await orderOf(services, id)
      return await acceptReviewed(services, inputOf(id, body, by))
    }
  }),
  act({
    path: '/orders/:id/reconcile',
    body: z.strictObject({ reason: why }),
    run: (services, id, { reason }, { operator, requestId }) =>
      reconcileOrder(services, id, { operator, reason, requestId })
  })
]

function inputOf(orderId: string, body: { reason: string; payment?: string }, { operator }: ActBy): OperatorInput {
  return { orderId, paymentIntentId: body.payment, reason: body.reason, operator }
}

async function orderOf({ db }: Services, id: string): Promise<OrderRow> {
  const order = await readOrder(db.pool, id)
  if (order === undefined) throw new Refused('order_not_found', `There is no order ${id}.`)
  return order
}

async function statusOf(services: Services, id: string): Promise<OrderRow['status']> {
  return (await orderOf(services, id)).status
}

/** The minor units of an amount in major units, "5.00" or 5; undefined for all there is. */
function amountIn(given: string | number | undefined, currency: string): MinorUnits | undefined {
  if (given === undefined) return undefined
  const read = parsePrice(String(given).trim(), currency)
  if (read === undefined || read <= 0) throw new Refused('invalid_input', `${currency} has no amount "${given}".`)
  return read
}

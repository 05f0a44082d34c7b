import { writeAudit } from '../audit/audit.js'
import { newId } from '../ids.js'
import { Refused } from '../refused.js'
import type { Services } from '../runtime/services.js'
import { findSiblings, readOrder } from '../statements/orders.js'
import { findPaymentsOf } from '../statements/payments.js'
import { askEach } from './ask-each.js'
import type { Candidate } from './objects/candidates.js'
import { examine } from './objects/examine.js'

export interface OrderReconciled {
  /** Payments, and Sessions without one, that were compared. */
  compared: number
  /** In what our rows were not what Stripe has, and what still differs after it was applied. */
  differences: string[]
  remaining: string[]
  /** What could not be read or applied. */
  errors: string[]
}

/** Compares all that Stripe has of one order with our rows, and applies what nobody has told, audited with who and why. */
export async function reconcileOrder(
  services: Services,
  orderId: string,
  by: { operator: string; reason?: string; requestId: string }
): Promise<OrderReconciled> {
  const { pool } = services.db
  const order = await readOrder(pool, orderId)
  if (order === undefined) throw new Refused('order_not_found', `There is no order ${orderId}.`)
  const report: OrderReconciled = { compared: 0, differences: [], remaining: [], errors: [] }
  const run = { id: newId(), requestId: by.requestId }
  await askEach(await candidatesOf(services, orderId), report.errors, async candidate => {
    const found = await examine(services, run, candidate)
    if (found.kind === 'foreign') return
    report.compared++
    if (found.kind !== 'different') return
    report.differences.push(...found.differences)
    report.remaining.push(...found.remaining)
    report.errors.push(...found.errors)
  })
  const { errors, remaining } = report
  await writeAudit(pool, {
    action: 'order_reconciled',
    status: errors.length === 0 && remaining.length === 0 ? 'SUCCESS' : 'FAILED',
    userId: order.userId,
    orderId,
    requestId: by.requestId,
    metadata: { operator: by.operator, reason: by.reason ?? null, ...report }
  })
  return report
}

/** The payments of an order, and its Sessions of which none is known. */
async function candidatesOf({ db }: Services, orderId: string): Promise<Candidate[]> {
  const payments = await findPaymentsOf(db.pool, orderId)
  const intents = payments.map(({ paymentIntentId }) => paymentIntentId).filter(id => id.startsWith('pi_'))
  const known = new Set(payments.filter(each => intents.includes(each.paymentIntentId)).map(each => each.checkoutId))
  const checkouts = await findSiblings(db.pool, orderId, '')
  return [
    ...intents.map(intentId => ({ key: intentId, intentId })),
    ...checkouts.flatMap(({ id, sessionId }) =>
      sessionId === null || known.has(id) ? [] : [{ key: sessionId, sessionId }]
    )
  ]
}

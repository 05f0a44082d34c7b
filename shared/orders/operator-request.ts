import { writeAudit } from '../audit/audit.js'
import type { Queryable } from '../database/database.js'
import { Refused } from '../refused.js'
import type { Services } from '../runtime/services.js'
import { findPaymentsOf, type PaymentRow } from '../statements/payments.js'
import { applySyntheticEvent, intentEvent } from './synthetic-events.js'

/** What an operator asks for, of one order. */
export interface OperatorInput {
  orderId: string
  /** Only this payment of the order. */
  paymentIntentId?: string
  reason?: string
  operator: string
}

/** The payments that an input can mean: those of the order, or the one of them that it names. */
export async function findMeant(
  db: Queryable,
  { orderId, paymentIntentId }: Pick<OperatorInput, 'orderId' | 'paymentIntentId'>
): Promise<PaymentRow[]> {
  const payments = await findPaymentsOf(db, orderId)
  return payments.filter(each => paymentIntentId === undefined || each.paymentIntentId === paymentIntentId)
}

export async function findAuthorized({ db }: Services, input: OperatorInput): Promise<PaymentRow[]> {
  return (await findMeant(db.pool, input)).filter(each => each.status === 'AUTHORIZED')
}

/** The only one of several that can be meant. */
export function theOne(payments: PaymentRow[]): PaymentRow | undefined {
  const [payment, ...others] = payments
  if (others.length === 0) return payment
  const names = payments.map(each => each.paymentIntentId).join(', ')
  throw new Refused('unclear_input', `The order has several authorizations (${names}); name one with --payment.`)
}

/** Who asks for it, and why, is written down before Stripe is asked. */
export async function noteOperator(
  { db }: Services,
  payment: PaymentRow,
  request: { action: string; amount: number; input: OperatorInput }
): Promise<void> {
  const { operator, reason } = request.input
  await writeAudit(db.pool, {
    action: request.action,
    status: 'PROCESSING',
    orderId: payment.orderId,
    checkoutId: payment.checkoutId,
    amount: request.amount,
    currency: payment.currency,
    metadata: { operator, reason: reason ?? null, paymentIntent: payment.paymentIntentId }
  })
}

/** What Stripe has answered takes the way of an event; the webhook that tells it too finds nothing to do. */
export async function applyIntent(
  services: Services,
  intent: Parameters<typeof intentEvent>[0],
  operator: string
): Promise<void> {
  const event = intentEvent(intent)
  if (event !== undefined) await applySyntheticEvent(services, event, `ops-${operator}`)
}

import { writeAudit } from '../audit/audit.js'
import type { Services } from '../runtime/services.js'
import { findPaymentsOf, type PaymentRow } from '../statements/payments.js'
import { applyEvent } from './apply-event.js'
import { UnclearWish } from './refused.js'
import { foundIntent, storeFound } from './synthetic-events.js'

/** A wish of an operator's for one order. */
export interface OperatorWish {
  orderId: string
  /** Only this payment of the order. */
  paymentIntentId?: string
  reason?: string
  operator: string
}

export async function findAuthorized({ db }: Services, wish: OperatorWish): Promise<PaymentRow[]> {
  const { orderId, paymentIntentId } = wish
  return (await findPaymentsOf(db.pool, orderId)).filter(
    each => each.status === 'AUTHORIZED' && (paymentIntentId ?? each.paymentIntentId) === each.paymentIntentId
  )
}

/** The only one of several that can be meant. */
export function theOne(payments: PaymentRow[]): PaymentRow | undefined {
  const [payment, ...others] = payments
  if (others.length === 0) return payment
  const names = payments.map(each => each.paymentIntentId).join(', ')
  throw new UnclearWish(`The order has several authorizations (${names}); name one with --payment.`)
}

/** Who asks for it, and why, is written down before Stripe is asked. */
export async function noteOperator(
  { db }: Services,
  payment: PaymentRow,
  request: { action: string; amount: number; wish: OperatorWish }
): Promise<void> {
  const { operator, reason } = request.wish
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
  intent: Parameters<typeof foundIntent>[0],
  operator: string
): Promise<void> {
  const found = foundIntent(intent)
  const eventId = found === undefined ? undefined : await storeFound(services, found, `ops-${operator}`)
  if (eventId !== undefined) await applyEvent(services, eventId)
}

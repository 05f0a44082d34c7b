import type Stripe from 'stripe'
import { alert } from '../shared/alerts.js'
import { writeAudit } from '../shared/audit.js'
import { transaction } from '../shared/database.js'
import { HOUR, MINUTE } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import { formatRestock } from '../shared/restock.js'
import type { Services } from '../shared/services.js'
import { countServerError } from '../shared/statements/due-rows.js'
import { type RefundRow, readRefund, refuseRefund } from '../shared/statements/refunds.js'
import { classifyStripeError, idempotencyKeyOf, isServerError, listRefunds } from '../shared/stripe.js'
import { storeFound } from './found-events.js'
import type { Job } from './job.js'
import { applyEvent } from './webhook-processing.js'

/** Stripe keeps an idempotency key for at least a day; https://docs.stripe.com/api/idempotent_requests */
const KEY_IS_SAFE_FOR = 20 * HOUR
/** Money would go twice if Stripe, after an error of its own, made the refund after all: it is given time to. */
const ANOTHER_KEY_AFTER = 10 * MINUTE
const STRIPE_REASONS = ['duplicate', 'fraudulent', 'requested_by_customer']

/** Asks Stripe for a refund that an operator has requested: REQUESTED → what Stripe says, or FAILED when it refuses. */
export const refundCreation: Job<'refund-creation'> = {
  name: 'refund-creation',
  async handle(services, { refundId }) {
    const refund = await readRefund(services.db.pool, refundId)
    if (refund === undefined) throw new Error(`There is no refund ${refundId}`)
    if (refund.status !== 'REQUESTED') return
    try {
      const made = (await findMade(services, refund)) ?? (await create(services, refund))
      const found = { type: 'refund.created', object: made, state: made.status ?? 'pending' }
      const eventId = await storeFound(services, found, `refund-${refund.id}`)
      if (eventId !== undefined) await applyEvent(services, eventId)
    } catch (error) {
      if (isServerError(error)) await countServerError(services.db.pool, 'Refund', refund.id)
      if (classifyStripeError(error) !== 'refused') throw error
      await refuse(services, refund, messageOf(error))
    }
  }
}

async function create({ stripe, now }: Services, refund: RefundRow): Promise<Stripe.Refund> {
  const age = now().getTime() - refund.createdAt.getTime()
  const idempotencyKey = age < ANOTHER_KEY_AFTER ? refund.id : idempotencyKeyOf(refund)
  const isKnownReason = refund.reason !== null && STRIPE_REASONS.includes(refund.reason)
  return await stripe.refunds.create(
    {
      payment_intent: refund.paymentIntentId,
      amount: refund.amount,
      ...(isKnownReason ? { reason: refund.reason as Stripe.RefundCreateParams.Reason } : {}),
      metadata: {
        refundId: refund.id,
        orderId: refund.orderId,
        ...(refund.reason !== null && !isKnownReason ? { note: refund.reason } : {}),
        ...(refund.restock === null ? {} : { restock: formatRestock(refund.restock) })
      }
    },
    { idempotencyKey }
  )
}

/** After an error of Stripe's own, or when the idempotency key may be forgotten: did an earlier try make it? */
async function findMade({ stripe, now }: Services, refund: RefundRow): Promise<Stripe.Refund | undefined> {
  const isKeyKept = now().getTime() - refund.createdAt.getTime() < KEY_IS_SAFE_FOR
  if (isKeyKept && refund.serverErrors === 0) return undefined
  const refunds = await listRefunds(stripe, refund.paymentIntentId)
  return refunds.find(made => made.metadata?.refundId === refund.id)
}

async function refuse(services: Services, refund: RefundRow, reason: string): Promise<void> {
  await transaction(services.db.pool, async client => {
    if (!(await refuseRefund(client, refund.id, reason, services.now()))) return
    await writeAudit(client, {
      action: 'refund_refused',
      status: 'FAILED',
      orderId: refund.orderId,
      amount: refund.amount,
      currency: refund.currency,
      before: 'REQUESTED',
      after: 'FAILED',
      error: reason,
      metadata: { refund: refund.id, operator: refund.requestedBy }
    })
    await alert(client, services.log, 'refund_refused', { orderId: refund.orderId, reason: `${refund.id}: ${reason}` })
  })
}

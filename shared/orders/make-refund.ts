import type Stripe from 'stripe'
import { alert, alertOnce } from '../audit/alerts.js'
import { writeAudit } from '../audit/audit.js'
import { transaction } from '../database/database.js'
import { HOUR, MINUTE } from '../duration.js'
import { messageOf } from '../errors.js'
import { INSTALLATION } from '../rules/ownership.js'
import { restockMetadata } from '../rules/restock.js'
import { fittingMetadata } from '../rules/stripe-limits.js'
import type { Services } from '../runtime/services.js'
import {
  classifyStripeError,
  idempotencyKeyOf,
  isKeySpent,
  isUnknownToStripe,
  listRefunds
} from '../runtime/stripe-client.js'
import { countServerError } from '../statements/due-rows.js'
import { readInstallation } from '../statements/installation.js'
import { lockOrder } from '../statements/orders.js'
import { type RefundRow, readRefund, refuseRefund } from '../statements/refunds.js'
import { applySyntheticEvent } from './synthetic-events.js'

/** Stripe keeps an idempotency key for at least a day; https://docs.stripe.com/api/idempotent_requests */
const KEY_IS_SAFE_FOR = 20 * HOUR
/**
 * Money would go twice if Stripe, after an error of its own, made the refund after all: it is given time to, from the last
 * error on (docs/decisions/0012).
 */
const ANOTHER_KEY_AFTER = 10 * MINUTE
const STRIPE_REASONS = ['duplicate', 'fraudulent', 'requested_by_customer']

/** Asks Stripe for a refund that an operator has requested: REQUESTED → what Stripe says, or REFUSED. */
export async function makeRefund(services: Services, refundId: string): Promise<void> {
  const refund = await readRefund(services.db.pool, refundId)
  if (refund === undefined) throw new Error(`There is no refund ${refundId}`)
  if (refund.status !== 'REQUESTED') return
  const made = await makeAtStripe(services, refund).catch(async error => {
    if (isUnknownToStripe(error)) await reportUnknownPayment(services, refund)
    throw error
  })
  if (made instanceof Error) return await refuse(services, refund, messageOf(made))
  const event = { type: 'refund.created', object: made, state: made.status ?? 'pending' }
  await applySyntheticEvent(services, event, `refund-${refund.id}`)
}

/**
 * The refund as Stripe has it, or why Stripe refuses to make it. An earlier try may have made it although its answer was
 * lost or was an error: so a "no", and another key, come only after a look at what there is.
 */
async function makeAtStripe(services: Services, refund: RefundRow): Promise<Stripe.Refund | Error> {
  const { db, now } = services
  if (mayBeMade(refund, now())) {
    const made = await findMade(services, refund)
    if (made !== undefined) return made
    const quiet = (refund.serverErrorAt?.getTime() ?? 0) + ANOTHER_KEY_AFTER
    if (quiet > now().getTime()) {
      throw new Error(
        `Stripe met an error of its own; the next try has another key and waits until ${new Date(quiet).toISOString()}`
      )
    }
  }
  try {
    return await create(services, refund)
  } catch (error) {
    if (isKeySpent(error)) await countServerError(db.pool, 'Refund', refund.id, now())
    // Money was captured through this payment: an account that does not have it says nothing of its refunds.
    if (classifyStripeError(error) !== 'refused' || isUnknownToStripe(error)) throw error
    return (await findMade(services, refund)) ?? (error as Error)
  }
}

async function create({ stripe, db }: Services, refund: RefundRow): Promise<Stripe.Refund> {
  const [installation] = await readInstallation(db.pool)
  const isKnownReason = refund.reason !== null && STRIPE_REASONS.includes(refund.reason)
  return await stripe.refunds.create(
    {
      payment_intent: refund.paymentIntentId,
      amount: refund.amount,
      ...(isKnownReason ? { reason: refund.reason as Stripe.RefundCreateParams.Reason } : {}),
      metadata: fittingMetadata({
        [INSTALLATION]: installation,
        refundId: refund.id,
        orderId: refund.orderId,
        ...(isKnownReason ? {} : { note: refund.reason }),
        ...restockMetadata(refund.restock)
      })
    },
    { idempotencyKey: idempotencyKeyOf(refund) }
  )
}

/** An earlier try met an error of Stripe's own, or Stripe may have forgotten its idempotency key. */
function mayBeMade({ createdAt, serverErrors }: RefundRow, now: Date): boolean {
  return serverErrors > 0 || now.getTime() - createdAt.getTime() >= KEY_IS_SAFE_FOR
}

async function findMade({ stripe }: Services, refund: RefundRow): Promise<Stripe.Refund | undefined> {
  const refunds = await listRefunds(stripe, refund.paymentIntentId)
  return refunds.find(made => made.metadata?.refundId === refund.id)
}

/** One alert for all that wait: the API key is then of another account, or test data was deleted. */
async function reportUnknownPayment({ db, log }: Services, { id, orderId, paymentIntentId }: RefundRow): Promise<void> {
  const reason = `Stripe has no ${paymentIntentId}, of which refund ${id} is asked for`
  await alertOnce(db.pool, log, 'payment_unknown', { orderId, subject: 'refunds', reason })
}

async function refuse(services: Services, refund: RefundRow, reason: string): Promise<void> {
  await transaction(services.db.pool, async client => {
    await lockOrder(client, refund.orderId)
    if (!(await refuseRefund(client, refund.id, reason, services.now()))) return
    await writeAudit(client, {
      action: 'refund_refused',
      status: 'FAILED',
      orderId: refund.orderId,
      amount: refund.amount,
      currency: refund.currency,
      before: 'REQUESTED',
      after: 'REFUSED',
      error: reason,
      metadata: { refund: refund.id, operator: refund.requestedBy }
    })
    await alert(client, services.log, 'refund_refused', { orderId: refund.orderId, reason: `${refund.id}: ${reason}` })
  })
}

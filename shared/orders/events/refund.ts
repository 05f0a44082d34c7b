import type Stripe from 'stripe'
import { alert } from '../../audit/alerts.js'
import { writeAudit } from '../../audit/audit.js'
import { newId } from '../../ids.js'
import { restockOf } from '../../rules/restock.js'
import type { RefundStatus } from '../../rules/transitions.js'
import { recordRefund } from '../../statements/refunds.js'
import {
  about,
  amountOf,
  currencyOf,
  type EventContext,
  type EventHandler,
  ensurePayment,
  follow,
  NOT_OURS,
  objectOf,
  optional,
  ownIdOf,
  processed,
  refuse,
  textOf
} from './context.js'
import { lockPaid, type Paid } from './owner.js'
import { isRelease } from './release.js'

/** https://docs.stripe.com/refunds#refund-events */
export const refundHandlers: Record<string, EventHandler> = {
  'refund.created': onRefund,
  'refund.updated': onRefund,
  'refund.failed': onRefund,
  'charge.refund.updated': onRefund
}

async function onRefund(context: EventContext) {
  const refund = objectOf<Stripe.Refund>(context, 'refund')
  const paid = await lockPaid(context, refund)
  if (paid === undefined) return NOT_OURS
  const { checkout } = paid
  const inner = about(context, checkout)
  const released = await applyRefund(inner, paid, refund)
  follow(inner, checkout.orderId)
  if (!released) return processed(checkout, `refund ${refund.id} is ${refund.status}`)
  return processed(checkout, `no refund: ${refund.id} let go of what was held and never captured`)
}

/** Records a refund as Stripe has it. Returns whether it is none: what was held was let go of. */
export async function applyRefund(context: EventContext, paid: Paid, refund: Stripe.Refund): Promise<boolean> {
  const { client, services, trail } = context
  const { checkout, paymentIntentId } = paid
  const currency = currencyOf(refund.currency)
  const amount = amountOf(refund.amount, 'amount')
  if (amount === 0) refuse('amount', amount, 'more than nothing')
  const released = await isRelease(context, paid, refund)
  await ensurePayment(context, checkout, { paymentIntentId, amount, currency })
  const known = await recordRefund(client, {
    stripeId: refund.id,
    ownId: ownIdOf(refund.metadata?.refundId) ?? null,
    newId: newId(),
    paymentIntentId,
    orderId: checkout.orderId,
    status: released ? 'RELEASED' : statusOf(refund),
    amount,
    currency,
    reason: optional(textOf, refund.reason, 'reason') ?? null,
    failureReason: optional(textOf, refund.failure_reason, 'failure_reason') ?? null,
    restock: restockOf(refund.metadata, services.config.catalogue.productIdFormat),
    now: services.now()
  })
  if (known.status === known.before) return released
  const failed = known.status === 'FAILED'
  await writeAudit(client, {
    action: `refund_${known.status.toLowerCase()}`,
    status: failed ? 'FAILED' : known.status === 'PENDING' ? 'PROCESSING' : 'SUCCESS',
    ...trail,
    amount: known.amount,
    currency: known.currency,
    before: known.before,
    after: known.status,
    error: known.failureReason,
    metadata: { refund: known.id, stripeId: refund.id, reason: known.reason }
  })
  if (known.before === 'REFUSED') {
    const reason = `refund ${known.id} of ${paymentIntentId} is ${known.status} at Stripe (${refund.id})`
    await alert(client, services.log, 'refund_made_late', { ...trail, reason })
  }
  if (failed) {
    const reason = `refund ${refund.id} of ${paymentIntentId} failed: ${known.failureReason ?? 'no reason given'}`
    await alert(client, services.log, 'refund_failed', { ...trail, reason })
  }
  return released
}

/** https://docs.stripe.com/api/refunds/object#refund_object-status; what is not known yet is taken for pending. */
export function statusOf(refund: Stripe.Refund): Exclude<RefundStatus, 'REQUESTED' | 'REFUSED' | 'RELEASED'> {
  const status = optional(textOf, refund.status, 'status')
  if (status === 'succeeded') return 'SUCCEEDED'
  if (status === 'failed') return 'FAILED'
  if (status === 'canceled') return 'CANCELLED'
  return 'PENDING'
}

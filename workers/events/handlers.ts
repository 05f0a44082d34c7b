import type Stripe from 'stripe'
import { type EventContext, type EventHandler, idOf, objectOf } from './context.js'
import { disputeHandlers } from './dispute.js'
import { paymentHandlers, takeSignal } from './payment.js'
import { refundHandlers } from './refund.js'
import { sessionHandlers } from './session.js'

/**
 * The event types that change something. All others are stored and IGNORED.
 * https://docs.stripe.com/api/events/types
 */
export const eventHandlers: Record<string, EventHandler | undefined> = {
  ...sessionHandlers,
  ...paymentHandlers,
  ...refundHandlers,
  ...disputeHandlers,
  'radar.early_fraud_warning.created': onWarning,
  'radar.early_fraud_warning.updated': onWarning,
  'review.opened': onReview,
  'review.closed': onReview
}

/** https://docs.stripe.com/disputes/prevention/fraud-types#early-fraud-warnings */
async function onWarning(context: EventContext) {
  const warning = objectOf<Stripe.Radar.EarlyFraudWarning>(context, 'radar.early_fraud_warning')
  return await takeSignal(context, 'EARLY_FRAUD_WARNING', {
    id: warning.id,
    paymentIntentId: idOf(warning.payment_intent),
    chargeId: idOf(warning.charge),
    code: warning.fraud_type,
    open: warning.actionable,
    detail: { fraudType: warning.fraud_type, actionable: warning.actionable }
  })
}

/** https://docs.stripe.com/radar/reviews */
async function onReview(context: EventContext) {
  const review = objectOf<Stripe.Review>(context, 'review')
  return await takeSignal(context, 'REVIEW', {
    id: review.id,
    paymentIntentId: idOf(review.payment_intent),
    chargeId: idOf(review.charge),
    code: review.closed_reason ?? review.reason,
    open: review.open,
    detail: { reason: review.reason, openedReason: review.opened_reason, closedReason: review.closed_reason }
  })
}

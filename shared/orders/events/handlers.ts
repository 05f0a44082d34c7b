import type Stripe from 'stripe'
import { type EventContext, type EventHandler, flagOf, objectOf, optional, textOf } from './context.js'
import { disputeHandlers } from './dispute.js'
import { paymentHandlers, recordFraudSignal } from './payment.js'
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

/** "For updates on all refunds, listen to `refund.updated` instead." https://docs.stripe.com/api/events/types#event_types-charge.refund.updated */
const EARLIER_NAMES = ['charge.refund.updated']

/** What an endpoint has to be sent, in the order of the handlers. */
export const neededEventTypes: readonly string[] = Object.keys(eventHandlers).filter(
  type => !EARLIER_NAMES.includes(type)
)

/** https://docs.stripe.com/disputes/prevention/fraud-types#early-fraud-warnings */
async function onWarning(context: EventContext) {
  const warning = objectOf<Stripe.Radar.EarlyFraudWarning>(context, 'radar.early_fraud_warning')
  const fraudType = textOf(warning.fraud_type, 'fraud_type')
  const actionable = flagOf(warning.actionable, 'actionable')
  return await recordFraudSignal(context, 'EARLY_FRAUD_WARNING', warning, {
    id: warning.id,
    code: fraudType,
    open: actionable,
    detail: { fraudType, actionable }
  })
}

/** https://docs.stripe.com/radar/reviews */
async function onReview(context: EventContext) {
  const review = objectOf<Stripe.Review>(context, 'review')
  const reason = textOf(review.reason, 'reason')
  const closedReason = optional(textOf, review.closed_reason, 'closed_reason') ?? null
  return await recordFraudSignal(context, 'REVIEW', review, {
    id: review.id,
    code: closedReason ?? reason,
    open: flagOf(review.open, 'open'),
    detail: { reason, openedReason: optional(textOf, review.opened_reason, 'opened_reason') ?? null, closedReason }
  })
}

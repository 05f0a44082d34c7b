import {
  type CheckoutStatus,
  checkoutRules,
  type NotificationStatus,
  type OrderStatus,
  type PaymentStatus,
  paymentRules,
  type RefundStatus,
  type ReservationStatus,
  sourcesOf,
  type WebhookEventStatus,
  webhookEventRules
} from './transitions.js'

// States by what they mean, for whoever looks for rows. What a job works off follows from the tables of transitions.

type Groups<S extends string> = Record<string, readonly S[]>

export const checkoutStates = {
  /** The prices are to be verified. */
  received: sourcesOf(checkoutRules, 'VERIFIED'),
  /** The Session is to be created. */
  verified: sourcesOf(checkoutRules, 'OPEN'),
  /** The customer can be on Stripe's page. */
  open: ['OPEN'],
  /** Submitted, and the money is on its way. */
  processing: ['PROCESSING'],
  /** The workers still have something to do before the customer can be answered. */
  inFlight: ['RECEIVED', 'VERIFIED'],
  /** The customer can still pay through it, now or once its Session exists. */
  payable: ['RECEIVED', 'VERIFIED', 'OPEN'],
  /** It is verified, and Stripe can still end it unpaid. */
  expirable: sourcesOf(checkoutRules, 'EXPIRED'),
  /** Its Session exists and is not over. */
  atStripe: ['OPEN', 'PROCESSING'],
  /** Money can still come without an operator's word. */
  awaitingMoney: sourcesOf(checkoutRules, 'PAID'),
  running: ['RECEIVED', 'VERIFIED', 'OPEN', 'PROCESSING'],
  refused: ['REJECTED', 'FAILED'],
  paid: ['PAID'],
  /** It ended without a payment. */
  over: ['EXPIRED', 'FAILED', 'REJECTED']
} as const satisfies Groups<CheckoutStatus>

export const orderStates = {
  pending: ['PENDING'],
  paid: ['PAID'],
  inReview: ['NEEDS_REVIEW'],
  /** Somebody may still pay it, or look at how it was paid. */
  running: ['PENDING', 'PROCESSING', 'AUTHORIZED', 'NEEDS_REVIEW']
} as const satisfies Groups<OrderStatus>

export const paymentStates = {
  authorized: ['AUTHORIZED'],
  succeeded: ['SUCCEEDED'],
  running: sourcesOf(paymentRules, 'FAILED')
} as const satisfies Groups<PaymentStatus>

export const refundStates = {
  /** Stripe is to be asked for it. */
  requested: ['REQUESTED'],
  /** Stripe has it, and the money has not left. */
  pending: ['PENDING'],
  /** Stripe gives the money back, or has. */
  outgoing: ['PENDING', 'SUCCEEDED'],
  /** Its money cannot be given back a second time. */
  claimed: ['REQUESTED', 'PENDING', 'SUCCEEDED'],
  returned: ['FAILED', 'CANCELLED'],
  /** Stripe let go of money that was never captured. */
  released: ['RELEASED'],
  /** What a charge's `amount_refunded` may count. */
  countedByCharge: ['PENDING', 'SUCCEEDED', 'RELEASED']
} as const satisfies Groups<RefundStatus>

export const reservationStates = {
  held: ['HELD'],
  committed: ['COMMITTED']
} as const satisfies Groups<ReservationStatus>

export const eventStates = {
  /** It is to be applied. */
  received: sourcesOf(webhookEventRules, 'PROCESSED'),
  dead: ['DEAD'],
  /** Nobody has anything to do with it any more. */
  closed: ['PROCESSED', 'IGNORED', 'RESOLVED']
} as const satisfies Groups<WebhookEventStatus>

export const notificationStates = {
  pending: ['PENDING'],
  failed: ['FAILED']
} as const satisfies Groups<NotificationStatus>

/** Of the rows of the audit trail, which never move. */
export const auditStates = {
  failed: ['FAILED']
} as const satisfies Groups<'SUCCESS' | 'FAILED' | 'PROCESSING'>

function isOf(group: readonly CheckoutStatus[], status: CheckoutStatus): boolean {
  return group.includes(status)
}

/** The customer can still pay through this checkout, now or once its Session exists. */
export function isPayable(status: CheckoutStatus): boolean {
  return isOf(checkoutStates.payable, status)
}

/** The workers still have something to do before the customer can be answered. */
export function isInFlight(status: CheckoutStatus): boolean {
  return isOf(checkoutStates.inFlight, status)
}

/** It ended without a payment. */
export function isOver(status: CheckoutStatus): boolean {
  return isOf(checkoutStates.over, status)
}

/** Nothing but an operator moves this checkout any more. */
export function isEnded(status: CheckoutStatus): boolean {
  return !isOf(checkoutStates.running, status)
}

import type Stripe from 'stripe'
import { type Account, type Cause, NO_REQUEST, seconds } from './account.js'
import { book } from './charges.js'
import { invalidRequest, noSuch } from './errors.js'
import { stripeId } from './ids.js'
import type { Params } from './params.js'

const DAY_SECONDS = 86_400
const EVIDENCE_DAYS = 9
/** https://stripe.com/pricing: what a received dispute costs, in minor units. */
const DISPUTE_FEE = 2_000

/** What a test card brings after the payment: https://docs.stripe.com/testing#disputes */
export function disputeCharge(account: Account, charge: Stripe.Charge, kind: 'fraudulent' | 'inquiry'): void {
  const inquiry = kind === 'inquiry'
  const dispute = {
    id: stripeId('du'),
    object: 'dispute',
    amount: charge.amount_captured,
    balance_transactions: [],
    charge: charge.id,
    created: seconds(account),
    currency: charge.currency,
    enhanced_eligibility_types: [],
    evidence: {},
    evidence_details: {
      due_by: seconds(account) + EVIDENCE_DAYS * DAY_SECONDS,
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0
    },
    is_charge_refundable: inquiry,
    livemode: false,
    metadata: {},
    payment_intent: charge.payment_intent,
    payment_method_details: {
      card: { brand: 'visa', case_type: inquiry ? 'inquiry' : 'chargeback', network_reason_code: '10' },
      type: 'card'
    },
    reason: inquiry ? 'general' : 'fraudulent',
    status: inquiry ? 'warning_needs_response' : 'needs_response'
  } as unknown as Stripe.Dispute
  account.store.put('dispute', dispute)
  charge.disputed = true
  account.store.put('charge', charge)
  account.emit('charge.dispute.created', dispute, NO_REQUEST)
  if (!inquiry) withdraw(account, dispute)
}

function withdraw(account: Account, dispute: Stripe.Dispute): void {
  move(account, dispute, -dispute.amount, DISPUTE_FEE, 'Chargeback withdrawal')
  account.emit('charge.dispute.funds_withdrawn', dispute, NO_REQUEST)
}

function move(account: Account, dispute: Stripe.Dispute, amount: number, fee: number, what: string): void {
  const entry = { amount, fee, currency: dispute.currency, source: dispute.id, type: 'adjustment' as const }
  const transaction = book(account, { ...entry, description: `${what} for ${dispute.charge}` })
  dispute.balance_transactions = [...dispute.balance_transactions, transaction]
  account.store.put('dispute', dispute)
}

/** POST /v1/disputes/:id: the test evidence decides at once. */
export function updateDispute(account: Account, id: string, params: Params, cause: Cause): Stripe.Dispute {
  const dispute = getDispute(account, id)
  const text = params.hash('evidence')?.string('uncategorized_text')
  const submit = params.boolean('submit') ?? true
  dispute.metadata = { ...dispute.metadata, ...params.metadata() }
  params.finish()
  refuseClosed(dispute)
  if (text !== undefined) dispute.evidence_details.has_evidence = true
  if (text !== undefined && submit) {
    dispute.evidence_details.submission_count++
    dispute.status = isInquiry(dispute) ? 'warning_under_review' : 'under_review'
  }
  account.store.put('dispute', dispute)
  account.emit('charge.dispute.updated', dispute, cause)
  if (submit && text === 'winning_evidence') close(account, dispute, true, cause)
  if (submit && text === 'losing_evidence') close(account, dispute, false, cause)
  return dispute
}

/** POST /v1/disputes/:id/close: accepts it as lost. */
export function closeDispute(account: Account, id: string, params: Params, cause: Cause): Stripe.Dispute {
  params.finish()
  const dispute = getDispute(account, id)
  refuseClosed(dispute)
  close(account, dispute, false, cause)
  return dispute
}

function close(account: Account, dispute: Stripe.Dispute, won: boolean, cause: Cause): void {
  if (isInquiry(dispute)) dispute.status = 'warning_closed'
  else dispute.status = won ? 'won' : 'lost'
  account.store.put('dispute', dispute)
  account.emit('charge.dispute.closed', dispute, cause)
  if (dispute.status !== 'won') return
  move(account, dispute, dispute.amount, 0, 'Chargeback reversal')
  account.emit('charge.dispute.funds_reinstated', dispute, cause)
}

function isInquiry(dispute: Stripe.Dispute): boolean {
  return dispute.status.startsWith('warning_')
}

function refuseClosed(dispute: Stripe.Dispute): void {
  if (['won', 'lost', 'warning_closed'].includes(dispute.status)) {
    throw invalidRequest(`This dispute is already closed with the status ${dispute.status}.`)
  }
}

function getDispute(account: Account, id: string): Stripe.Dispute {
  const dispute = account.store.table('dispute').get(id)
  if (dispute === undefined) throw noSuch('dispute', id)
  return dispute
}

/** https://docs.stripe.com/testing#fraud-prevention */
export function warnOfFraud(account: Account, charge: Stripe.Charge): void {
  const warning = {
    id: stripeId('issfr'),
    object: 'radar.early_fraud_warning',
    actionable: true,
    charge: charge.id,
    created: seconds(account),
    fraud_type: 'unauthorized_use_of_card',
    livemode: false,
    payment_intent: charge.payment_intent
  } as Stripe.Radar.EarlyFraudWarning
  account.store.put('radar.early_fraud_warning', warning)
  account.emit('radar.early_fraud_warning.created', warning, NO_REQUEST)
}

export function openReview(account: Account, charge: Stripe.Charge): void {
  const review = {
    id: stripeId('prv'),
    object: 'review',
    billing_zip: null,
    charge: charge.id,
    closed_reason: null,
    created: seconds(account),
    ip_address: null,
    ip_address_location: null,
    livemode: false,
    open: true,
    opened_reason: 'rule',
    payment_intent: charge.payment_intent,
    reason: 'rule',
    session: null
  } as unknown as Stripe.Review
  account.store.put('review', review)
  account.emit('review.opened', review, NO_REQUEST)
}

/** POST /v1/reviews/:id/approve */
export function approveReview(account: Account, id: string, params: Params, cause: Cause): Stripe.Review {
  params.finish()
  const review = account.store.table('review').get(id)
  if (review === undefined) throw noSuch('review', id)
  Object.assign(review, { open: false, closed_reason: 'approved', reason: 'approved' })
  account.store.put('review', review)
  account.emit('review.closed', review, cause)
  return review
}

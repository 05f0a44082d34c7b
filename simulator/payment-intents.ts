import type Stripe from 'stripe'
import { type Account, type Cause, NO_REQUEST, seconds } from './account.js'
import { bookCharge, createCharge, createPaymentMethod, type Payer } from './charges.js'
import { ApiError, invalidRequest, noSuch } from './errors.js'
import { stripeId } from './ids.js'
import type { Params } from './params.js'
import { refundRelease } from './releases.js'
import type { StoredIntentData } from './store.js'

/** What a Session hands to the PaymentIntent that it makes when the customer submits. */
export interface IntentData extends StoredIntentData {
  amount: number
  currency: string
  methodTypes: string[]
}

export function createIntent(account: Account, data: IntentData): Stripe.PaymentIntent {
  const id = stripeId('pi')
  const intent: Stripe.PaymentIntent = {
    id,
    object: 'payment_intent',
    allowed_payment_method_types: null,
    amount: data.amount,
    amount_capturable: 0,
    amount_details: { tip: {} },
    amount_received: 0,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: null,
    canceled_at: null,
    cancellation_reason: null,
    capture_method: data.captureMethod,
    client_secret: `${id}_secret_${stripeId('x').slice(2)}`,
    confirmation_method: 'automatic',
    created: seconds(account),
    currency: data.currency,
    customer: null,
    customer_account: null,
    description: data.description,
    excluded_payment_method_types: null,
    last_payment_error: null,
    latest_charge: null,
    livemode: false,
    managed_payments: null,
    metadata: data.metadata,
    next_action: null,
    on_behalf_of: null,
    payment_method: null,
    payment_method_configuration_details: null,
    payment_method_options: {
      card: { installments: null, mandate_options: null, network: null, request_three_d_secure: 'automatic' }
    },
    payment_method_types: data.methodTypes,
    payment_record: null,
    processing: null,
    receipt_email: data.receiptEmail,
    review: null,
    setup_future_usage: null,
    shipping: data.shipping ?? null,
    source: null,
    statement_descriptor: data.statementDescriptor,
    statement_descriptor_suffix: data.statementDescriptorSuffix,
    status: 'requires_payment_method',
    transfer_data: null,
    transfer_group: null
  }
  account.store.put('payment_intent', intent)
  account.emit('payment_intent.created', intent, NO_REQUEST)
  return intent
}

/** Tries to pay; the result is the intent's new status. A decline leaves it at requires_payment_method. */
export function confirmIntent(
  account: Account,
  intent: Stripe.PaymentIntent,
  payer: Payer
): Stripe.PaymentIntent.Status {
  const paymentMethod = createPaymentMethod(account, payer)
  if (payer.method.type === 'card' && payer.method.card.decline !== undefined)
    return declineIntent(account, intent, paymentMethod, payer)
  intent.payment_method = paymentMethod.id
  intent.last_payment_error = null
  if (payer.method.type === 'sepa_debit') return startDebit(account, intent, paymentMethod, payer)

  const manual = intent.capture_method === 'manual'
  const charge = createCharge(account, intent, paymentMethod, payer, { status: 'succeeded', captured: !manual })
  intent.latest_charge = charge.id
  if (manual) {
    intent.status = 'requires_capture'
    intent.amount_capturable = intent.amount
    save(account, intent)
    account.emit('charge.succeeded', charge, NO_REQUEST)
    account.emit('payment_intent.amount_capturable_updated', intent, NO_REQUEST)
    return intent.status
  }
  // With automatic_async the balance transaction comes a moment later, in charge.updated:
  // https://docs.stripe.com/payments/payment-intents/asynchronous-capture
  if (intent.capture_method === 'automatic') bookCharge(account, charge, charge.amount)
  succeed(account, intent)
  account.emit('charge.succeeded', charge, NO_REQUEST)
  account.emit('payment_intent.succeeded', intent, NO_REQUEST)
  return intent.status
}

/** What automatic_async leaves for later. Call it once the Session's own event is out. */
export function finishAsyncCapture(account: Account, intent: Stripe.PaymentIntent): void {
  const charge = account.store.table('charge').get(String(intent.latest_charge))
  if (charge === undefined || charge.balance_transaction !== null || charge.status !== 'succeeded' || !charge.captured)
    return
  bookCharge(account, charge, charge.amount)
  account.emit('charge.updated', charge, NO_REQUEST, { balance_transaction: null, receipt_url: null })
}

function declineIntent(
  account: Account,
  intent: Stripe.PaymentIntent,
  paymentMethod: Stripe.PaymentMethod,
  payer: Payer
): 'requires_payment_method' {
  const decline = payer.method.type === 'card' ? payer.method.card.decline : undefined
  const charge = createCharge(account, intent, paymentMethod, payer, { status: 'failed', captured: false })
  intent.status = 'requires_payment_method'
  intent.payment_method = null
  intent.latest_charge = charge.id
  intent.last_payment_error = {
    advice_code: 'try_again_later',
    charge: charge.id,
    code: (decline?.code ?? 'payment_intent_payment_attempt_failed') as Stripe.PaymentIntent.LastPaymentError.Code,
    decline_code: decline?.declineCode,
    doc_url: `https://docs.stripe.com/error-codes/${(decline?.code ?? 'card-declined').replaceAll('_', '-')}`,
    message: decline?.message ?? 'The bank declined the debit.',
    payment_method: paymentMethod,
    type: 'card_error'
  }
  save(account, intent)
  account.emit('charge.failed', charge, NO_REQUEST)
  account.emit('payment_intent.payment_failed', intent, NO_REQUEST)
  return 'requires_payment_method'
}

function startDebit(
  account: Account,
  intent: Stripe.PaymentIntent,
  paymentMethod: Stripe.PaymentMethod,
  payer: Payer
): 'processing' {
  const charge = createCharge(account, intent, paymentMethod, payer, { status: 'pending', captured: true })
  intent.status = 'processing'
  intent.latest_charge = charge.id
  save(account, intent)
  account.emit('payment_intent.processing', intent, NO_REQUEST)
  account.emit('charge.pending', charge, NO_REQUEST)
  return 'processing'
}

/** The bank has answered: the debit is paid or has failed. */
export function settleDebit(account: Account, intent: Stripe.PaymentIntent, succeeds: boolean): void {
  const charge = account.store.table('charge').get(String(intent.latest_charge))
  if (charge === undefined || intent.status !== 'processing') return
  charge.status = succeeds ? 'succeeded' : 'failed'
  charge.paid = succeeds
  if (succeeds) {
    charge.amount_captured = charge.amount
    bookCharge(account, charge, charge.amount)
    succeed(account, intent)
    account.emit('charge.succeeded', charge, NO_REQUEST)
    account.emit('payment_intent.succeeded', intent, NO_REQUEST)
    return
  }
  charge.failure_code = 'insufficient_funds'
  charge.failure_message = 'The customer’s account has insufficient funds to cover this payment.'
  account.store.put('charge', charge)
  intent.status = 'requires_payment_method'
  intent.last_payment_error = {
    charge: charge.id,
    code: 'payment_intent_payment_attempt_failed',
    doc_url: 'https://docs.stripe.com/error-codes/payment-intent-payment-attempt-failed',
    message: charge.failure_message,
    payment_method: account.store.table('payment_method').get(String(intent.payment_method)),
    type: 'card_error'
  }
  intent.payment_method = null
  save(account, intent)
  account.emit('charge.failed', charge, NO_REQUEST)
  account.emit('payment_intent.payment_failed', intent, NO_REQUEST)
}

function succeed(account: Account, intent: Stripe.PaymentIntent): void {
  intent.status = 'succeeded'
  intent.amount_received = intent.amount
  intent.amount_capturable = 0
  save(account, intent)
}

function save(account: Account, intent: Stripe.PaymentIntent): void {
  account.store.put('payment_intent', intent)
}

export function getIntent(account: Account, id: string): Stripe.PaymentIntent {
  const intent = account.store.table('payment_intent').get(id)
  if (intent === undefined) throw noSuch('payment_intent', id, 'intent')
  return intent
}

/** POST /v1/payment_intents/:id/capture */
export function captureIntent(account: Account, id: string, params: Params, cause: Cause): Stripe.PaymentIntent {
  const intent = getIntent(account, id)
  const amount = params.integer('amount_to_capture', { min: 1 })
  params.notSimulated('application_fee_amount', 'final_capture', 'transfer_data')
  params.finish()
  if (intent.status !== 'requires_capture') throw unexpectedState(intent, 'captured', 'requires_capture')
  const captured = amount ?? intent.amount_capturable
  if (captured > intent.amount_capturable) {
    throw invalidRequest(
      `The capture amount ${captured} is greater than the remaining amount you can capture for this charge, ${intent.amount_capturable}.`,
      { code: 'amount_too_large', param: 'amount_to_capture' }
    )
  }
  const charge = account.store.table('charge').get(String(intent.latest_charge)) as Stripe.Charge
  charge.captured = true
  charge.amount_captured = captured
  const left = charge.amount - captured
  const refundsLeft = account.refundsReleases && left > 0
  bookCharge(account, charge, refundsLeft ? charge.amount : captured)
  intent.status = 'succeeded'
  intent.amount_received = captured
  intent.amount_capturable = 0
  save(account, intent)
  for (const session of account.store.table('checkout.session').values()) {
    if (session.payment_intent === intent.id) session.payment_status = 'paid'
  }
  account.emit('charge.captured', charge, cause)
  if (refundsLeft) refundRelease(account, charge, { amount: left, reason: null, isBooked: true }, cause)
  account.emit('payment_intent.succeeded', intent, cause)
  return intent
}

/** Not among the library's values yet. */
const EXPIRED = 'expired' as Stripe.PaymentIntent.CancellationReason

/** Cancels the authorizations that nobody has captured in time. */
export function lapseAuthorizations(account: Account): void {
  for (const intent of account.store.table('payment_intent').values()) {
    if (intent.status !== 'requires_capture') continue
    const charge = account.store.table('charge').get(String(intent.latest_charge))
    const before = charge?.payment_method_details?.card?.capture_before
    if (charge === undefined || before === undefined || before > seconds(account)) continue
    account.emit('charge.expired', charge, NO_REQUEST)
    endAuthorization(account, intent, account.refundsReleases ? 'automatic' : EXPIRED, NO_REQUEST)
  }
}

/** POST /v1/payment_intents/:id/cancel */
export function cancelIntent(account: Account, id: string, params: Params, cause: Cause): Stripe.PaymentIntent {
  const intent = getIntent(account, id)
  const reason = params.string('cancellation_reason', {
    oneOf: ['duplicate', 'fraudulent', 'requested_by_customer', 'abandoned']
  })
  params.finish()
  const cancelable = ['requires_payment_method', 'requires_capture', 'requires_confirmation', 'requires_action']
  if (!cancelable.includes(intent.status)) throw unexpectedState(intent, 'canceled', cancelable.join(', '))
  endAuthorization(account, intent, (reason as Stripe.PaymentIntent.CancellationReason | undefined) ?? null, cause)
  return intent
}

function endAuthorization(
  account: Account,
  intent: Stripe.PaymentIntent,
  reason: Stripe.PaymentIntent.CancellationReason | null,
  cause: Cause
): void {
  const charge = account.store.table('charge').get(String(intent.latest_charge))
  intent.status = 'canceled'
  intent.amount_capturable = 0
  intent.canceled_at = seconds(account)
  intent.cancellation_reason = reason
  if (account.refundsReleases && charge !== undefined && charge.status === 'succeeded' && !charge.captured) {
    const expired = reason === 'automatic' ? 'expired_uncaptured_charge' : null
    refundRelease(account, charge, { amount: charge.amount, reason: expired, isBooked: false }, cause)
  }
  save(account, intent)
  account.emit('payment_intent.canceled', intent, cause)
}

/** POST /v1/payment_intents/:id: what can be changed without touching the payment. */
export function updateIntent(account: Account, id: string, params: Params): Stripe.PaymentIntent {
  const intent = getIntent(account, id)
  Object.assign(intent.metadata, params.metadata())
  intent.description = params.string('description') ?? intent.description
  params.finish()
  save(account, intent)
  return intent
}

function unexpectedState(intent: Stripe.PaymentIntent, verb: string, needed: string): ApiError {
  return new ApiError(400, {
    type: 'invalid_request_error',
    code: 'payment_intent_unexpected_state',
    message: `This PaymentIntent could not be ${verb} because it has a status of ${intent.status}. Only a PaymentIntent with one of the following statuses may be ${verb}: ${needed}.`,
    payment_intent: intent
  })
}

import type Stripe from 'stripe'
import { alert } from '../../audit/alerts.js'
import { writeAudit } from '../../audit/audit.js'
import { onCommit } from '../../database/on-commit.js'
import { countMoney } from '../../metrics/payments.js'
import type { PaymentStatus } from '../../rules/transitions.js'
import { lockSubject } from '../../statements/fraud.js'
import { findPayment, recordPayment, recordSignal } from '../../statements/payments.js'
import { refundedAtStripe } from '../../statements/refunds.js'
import { endWhatIsTested, reportTesting } from './card-testing.js'
import {
  type AppliedEvent,
  about,
  amountOf,
  currencyOf,
  type EventContext,
  type EventHandler,
  flagOf,
  follow,
  idOf,
  NOT_OURS,
  type OwnCheckout,
  objectOf,
  optional,
  processed,
  textOf,
  timeOf
} from './context.js'
import { recordIntent } from './intent.js'
import { type AboutPayment, lockPaid, lockPayer, readPayer } from './owner.js'
import { applyRefund } from './refund.js'

/** PaymentIntents and charges. https://docs.stripe.com/payments/paymentintents/lifecycle */
export const paymentHandlers: Record<string, EventHandler> = {
  'payment_intent.processing': onIntent('PROCESSING'),
  'payment_intent.amount_capturable_updated': onIntent('AUTHORIZED'),
  'payment_intent.succeeded': onIntent('SUCCEEDED'),
  'payment_intent.canceled': onIntent('CANCELLED'),
  'payment_intent.payment_failed': decline,
  'charge.succeeded': onCharge,
  'charge.captured': onCharge,
  'charge.updated': onCharge,
  'charge.refunded': onCharge
}

const KNOWN = 'nothing to do: it was known already'

function onIntent(status: PaymentStatus): EventHandler {
  return async context => {
    const intent = objectOf<Stripe.PaymentIntent>(context, 'payment_intent')
    const checkout = await lockPayer(context, intent, intent.id)
    if (checkout === undefined) return NOT_OURS
    const changed = await recordIntent(context, checkout, intent, status)
    if (!changed) return processed(checkout, KNOWN)
    follow(about(context, checkout), checkout.orderId)
    return processed(checkout)
  }
}

/** A declined try: kept with its code. The customer can try again on the same page until a limit of the fraud rules is passed. */
async function decline(context: EventContext): Promise<AppliedEvent> {
  const intent = objectOf<Stripe.PaymentIntent>(context, 'payment_intent')
  const checkout = await readPayer(context, intent, intent.id)
  if (checkout === undefined) return NOT_OURS
  const { services, client } = context
  await lockSubject(client, checkout)
  const error = intent.last_payment_error
  const method = error?.payment_method
  const errorCode = optional(textOf, error?.code, 'last_payment_error.code') ?? null
  const declineCode = optional(textOf, error?.decline_code, 'last_payment_error.decline_code') ?? null
  const message = optional(textOf, error?.message, 'last_payment_error.message') ?? null
  const code = declineCode ?? errorCode ?? 'unknown'
  const first = await recordSignal(client, {
    id: idOf(error?.charge, 'last_payment_error.charge') ?? context.row.id,
    kind: 'DECLINE',
    orderId: checkout.orderId,
    checkoutId: checkout.id,
    paymentIntentId: intent.id,
    code,
    open: false,
    detail: {
      code: errorCode,
      declineCode,
      message,
      // Stripe's name for the number of the card or account; it tells nothing of the number itself.
      fingerprint: optional(textOf, method?.card?.fingerprint ?? method?.sepa_debit?.fingerprint, 'fingerprint') ?? null
    },
    now: services.now()
  })
  if (first) {
    const inner = about(context, checkout)
    const amount = amountOf(intent.amount, 'amount')
    onCommit(client, () => countMoney(checkout.currency, 'declined', amount))
    // Rows before the audit trail, which locks the ends of its chains.
    const passed = await endWhatIsTested(inner, checkout)
    await writeAudit(client, {
      action: 'payment_declined',
      status: 'FAILED',
      ...inner.trail,
      amount,
      currency: checkout.currency,
      error: message ?? code,
      metadata: { code: errorCode, declineCode }
    })
    if (passed !== undefined) await reportTesting(inner, checkout, passed)
  }
  return processed(checkout, `declined: ${code}`)
}

async function onCharge(context: EventContext): Promise<AppliedEvent> {
  const charge = objectOf<Stripe.Charge>(context, 'charge')
  const intent = idOf(charge.payment_intent, 'payment_intent')
  if (intent === null) return NOT_OURS
  const checkout = await lockPayer(context, charge, intent)
  if (checkout === undefined) return NOT_OURS
  const changed = await recordCharge(context, checkout, charge, intent)
  const inner = about(context, checkout)
  const followed = flagOf(charge.captured, 'captured') && (await followRefunds(inner, checkout, charge, intent))
  if (!changed && !followed) return processed(checkout, KNOWN)
  follow(inner, checkout.orderId)
  return processed(checkout)
}

/** Only a charge that succeeded tells of the payment: a declined or a pending one is a try. */
async function recordCharge(
  { client, services }: EventContext,
  checkout: OwnCheckout,
  charge: Stripe.Charge,
  paymentIntentId: string
): Promise<boolean> {
  if (textOf(charge.status, 'status') !== 'succeeded') return false
  const captured = flagOf(charge.captured, 'captured')
  const before = optional(timeOf, charge.payment_method_details?.card?.capture_before, 'capture_before')
  const { changed } = await recordPayment(client, {
    teller: 'charge',
    paymentIntentId,
    orderId: checkout.orderId,
    checkoutId: checkout.id,
    status: captured ? 'SUCCEEDED' : 'AUTHORIZED',
    amount: amountOf(charge.amount, 'amount'),
    currency: currencyOf(charge.currency),
    ...(captured ? { captured: amountOf(charge.amount_captured, 'amount_captured') } : {}),
    chargeId: charge.id,
    captureBefore: before ?? null,
    now: services.now()
  })
  return changed
}

/**
 * A charge tells how much was refunded, not by which refunds. When that is not what is known (an endpoint that does not
 * take refund.* events, or this one came first), Stripe is asked for them. Returns whether it was.
 */
async function followRefunds(
  context: EventContext,
  checkout: OwnCheckout,
  charge: Stripe.Charge,
  paymentIntentId: string
): Promise<boolean> {
  const stated = amountOf(charge.amount_refunded, 'amount_refunded')
  if (stated === 0 || stated === (await refundedAtStripe(context.client, paymentIntentId))) return false
  for (const refund of context.lookups.refunds(paymentIntentId))
    await applyRefund(context, { checkout, paymentIntentId }, refund)
  return true
}

/** What Radar and the banks tell about a payment; an open one is an alert. */
export async function recordFraudSignal(
  context: EventContext,
  kind: 'EARLY_FRAUD_WARNING' | 'REVIEW',
  object: AboutPayment,
  signal: {
    id: string
    code: string
    open: boolean
    detail: object
  }
): Promise<AppliedEvent> {
  const paid = await lockPaid(context, object)
  if (paid === undefined) return NOT_OURS
  const { checkout, paymentIntentId: intent } = paid
  const { client, services } = context
  const { trail } = about(context, checkout)
  const payment = await findPayment(client, intent)
  const first = await recordSignal(client, {
    id: signal.id,
    kind,
    orderId: checkout.orderId,
    checkoutId: checkout.id,
    paymentIntentId: intent,
    code: signal.code,
    open: signal.open,
    detail: signal.detail,
    now: services.now()
  })
  const what = kind === 'REVIEW' ? 'payment_in_review' : 'early_fraud_warning'
  await writeAudit(client, {
    action: signal.open ? what : `${what}_closed`,
    status: signal.open ? 'FAILED' : 'SUCCESS',
    ...trail,
    amount: payment?.amount,
    currency: checkout.currency,
    metadata: { id: signal.id, code: signal.code }
  })
  if (first && signal.open) {
    const reason = `${signal.id}: ${signal.code}, payment ${intent}`
    await alert(client, services.log, what, { ...trail, reason })
  }
  return processed(checkout, signal.code)
}

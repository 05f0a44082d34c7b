import type Stripe from 'stripe'
import { amountDecimals } from '../../money.js'
import { type Hold, meaningOf } from '../../rules/released-holds.js'
import { findPayment } from '../../statements/payments.js'
import { isRequested } from '../../statements/refunds.js'
import { amountOf, currencyOf, type EventContext, idOf, optional, ownIdOf, textOf } from './context.js'
import { intentStatus, recordIntent } from './intent.js'
import type { Paid } from './owner.js'

/**
 * Whether a refund is none: Stripe has let go of what was held and never captured. What was captured has to be known for
 * that, whatever has been told so far: while the payment is not ended here, its PaymentIntent is asked for, and recorded.
 */
export async function isRelease(context: EventContext, paid: Paid, refund: Stripe.Refund): Promise<boolean> {
  const amount = amountOf(refund.amount, 'amount')
  const reason = optional(textOf, refund.reason, 'reason') ?? null
  const ownId = ownIdOf(refund.metadata?.refundId)
  const isOurs = ownId !== undefined && (await isRequested(context.client, ownId))
  if (isOurs) return false
  const hold = await holdOf(context, paid)
  if (hold === undefined) return false
  const meaning = meaningOf({ amount, reason, isOurs }, hold)
  return meaning === 'unclear' ? letGo(context, paid, refund, hold) : meaning === 'release'
}

async function holdOf(context: EventContext, { checkout, paymentIntentId }: Paid): Promise<Hold | undefined> {
  const known = await findPayment(context.client, paymentIntentId)
  if (known?.status === 'SUCCEEDED' || known?.status === 'CANCELLED') return known
  const intent = context.lookups.intent(paymentIntentId)
  if (intent === null) return known
  const status = intentStatus(intent)
  await recordIntent(context, checkout, intent, status)
  const captured = amountOf(intent.amount_received, 'amount_received')
  return { status, amount: amountOf(intent.amount, 'amount'), captured }
}

/**
 * The charge was booked with all that was held, and this is the refund that took the rest out again: of those that look
 * like it the oldest, for it was made with the capture.
 */
function letGo({ lookups }: EventContext, { paymentIntentId }: Paid, refund: Stripe.Refund, hold: Hold): boolean {
  const chargeId = idOf(refund.charge, 'charge')
  const charge = chargeId === null ? null : lookups.charge(chargeId)
  const booked = charge?.balance_transaction
  if (charge === null || typeof booked !== 'object' || booked === null) return false
  const gross = inCurrencyOf(charge, booked)
  if (Math.abs(gross - hold.amount) >= Math.abs(gross - hold.captured)) return false
  const [oldest] = lookups
    .refunds(paymentIntentId)
    .filter(
      each => each.amount === refund.amount && each.reason === null && ownIdOf(each.metadata?.refundId) === undefined
    )
    // Newest first: https://docs.stripe.com/api/refunds/list
    .reverse()
    .sort((a, b) => a.created - b.created)
  return oldest === undefined || oldest.id === refund.id
}

/** What was booked, in minor units of the charge's currency, to the precision of the exchange rate. */
function inCurrencyOf(charge: Stripe.Charge, booked: Stripe.BalanceTransaction): number {
  const digits = amountDecimals(currencyOf(charge.currency)) - amountDecimals(currencyOf(booked.currency))
  return (booked.amount / (booked.exchange_rate ?? 1)) * 10 ** digits
}

import type Stripe from 'stripe'
import { type Account, type Cause, seconds } from './account.js'
import { book, feeOf } from './charges.js'
import { stripeId } from './ids.js'

/**
 * What was held and is let go of without having been captured, as a refund that Stripe makes by itself. Its money is booked
 * when all that was held had been booked before it.
 * https://docs.stripe.com/changelog/basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow
 */
export function refundRelease(
  account: Account,
  charge: Stripe.Charge,
  released: { amount: number; reason: Stripe.Refund.Reason | null; isBooked: boolean },
  cause: Cause
): void {
  const { amount, reason, isBooked } = released
  const refund: Stripe.Refund = {
    id: stripeId('re'),
    object: 'refund',
    amount,
    balance_transaction: null,
    charge: charge.id,
    created: seconds(account),
    currency: charge.currency,
    customer: null,
    customer_account: null,
    destination_details: {
      card: { reference_status: 'pending', reference_type: 'acquirer_reference_number', type: 'reversal' },
      type: 'card'
    },
    metadata: {},
    payment_intent: charge.payment_intent,
    payment_method: charge.payment_method,
    reason,
    receipt_number: null,
    source_transfer_reversal: null,
    status: 'succeeded',
    transfer_reversal: null
  }
  if (isBooked) {
    const fee = feeOf(charge, charge.amount - amount) - feeOf(charge, charge.amount)
    const description = 'REFUND FOR CHARGE'
    const entry = { amount: -amount, fee, currency: charge.currency, source: refund.id, description }
    refund.balance_transaction = book(account, { ...entry, type: 'refund' }).id
  }
  account.store.put('refund', refund)
  const previous = { amount_refunded: charge.amount_refunded, refunded: charge.refunded }
  charge.amount_refunded += amount
  charge.refunded = charge.amount_refunded === charge.amount
  account.store.put('charge', charge)
  account.emit('refund.created', refund, cause)
  account.emit('charge.refunded', charge, cause, previous)
}

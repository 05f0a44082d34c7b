import type Stripe from 'stripe'
import { type Account, type Cause, NO_REQUEST, seconds } from './account.js'
import { book } from './charges.js'
import { invalidRequest, missing, noSuch } from './errors.js'
import { stripeId } from './ids.js'
import type { Params } from './params.js'
import { getIntent } from './payment-intents.js'

/** POST /v1/refunds: https://docs.stripe.com/api/refunds/create */
export function createRefund(account: Account, params: Params, cause: Cause): Stripe.Refund {
  const charge = refundedCharge(account, params)
  // What was let go of without having been captured is a refund only for older requests (releases.ts).
  const released = account.refundsReleases ? charge.amount - charge.amount_captured : 0
  const left = charge.amount_captured - (charge.amount_refunded - released)
  const amount = params.integer('amount', { min: 1 }) ?? left
  const reason = params.string('reason', { oneOf: ['duplicate', 'fraudulent', 'requested_by_customer'] }) ?? null
  const metadata = params.metadata()
  params.notSimulated(
    'customer',
    'origin',
    'instructions_email',
    'refund_application_fee',
    'reverse_transfer',
    'currency'
  )
  params.finish()
  if (charge.status !== 'succeeded' || !charge.captured) {
    throw invalidRequest(`Charge ${charge.id} has not been captured and cannot be refunded.`, { param: 'charge' })
  }
  const disputes = [...account.store.table('dispute').values()].filter(dispute => dispute.charge === charge.id)
  if (disputes.some(dispute => !dispute.is_charge_refundable && dispute.status !== 'won')) {
    throw invalidRequest(`Charge ${charge.id} has been charged back; cannot issue a refund.`, {
      code: 'charge_disputed'
    })
  }
  if (left === 0)
    throw invalidRequest(`Charge ${charge.id} has already been refunded.`, { code: 'charge_already_refunded' })
  if (amount > left) {
    throw invalidRequest(`Refund amount (${amount}) is greater than unrefunded amount on charge (${left})`, {
      param: 'amount'
    })
  }
  const card = charge.payment_method_details?.type === 'card'
  const kind = account.store.refundKinds.get(charge.id)
  const refund: Stripe.Refund = {
    id: stripeId(card ? 're' : 'pyr'),
    object: 'refund',
    amount,
    balance_transaction: null,
    charge: charge.id,
    created: seconds(account),
    currency: charge.currency,
    customer: null,
    customer_account: null,
    destination_details: card
      ? {
          card: { reference_status: 'pending', reference_type: 'acquirer_reference_number', type: 'refund' },
          type: 'card'
        }
      : { type: 'sepa_debit' },
    metadata,
    payment_intent: charge.payment_intent,
    payment_method: charge.payment_method,
    reason,
    receipt_number: null,
    source_transfer_reversal: null,
    status: kind === 'pending' ? 'pending' : 'succeeded',
    transfer_reversal: null
  }
  const transaction = book(account, {
    amount: -amount,
    fee: 0,
    currency: charge.currency,
    source: refund.id,
    type: card ? 'refund' : 'payment_refund',
    description: `REFUND FOR CHARGE${charge.description ? ` (${charge.description})` : ''}`
  })
  refund.balance_transaction = transaction.id
  account.store.put('refund', refund)
  if (kind !== undefined) {
    account.store.refundEnds.set(refund.id, {
      status: kind === 'fail' ? 'failed' : 'succeeded',
      at: account.now() + account.debitMs
    })
  }
  const previous = { amount_refunded: charge.amount_refunded, refunded: charge.refunded }
  charge.amount_refunded += amount
  charge.refunded = charge.amount_refunded - released === charge.amount_captured
  account.store.put('charge', charge)
  account.emit('refund.created', refund, cause)
  account.emit('charge.refunded', charge, cause, previous)
  return refund
}

/** Ends the refunds whose time has come; `all` ends those too that have time left. */
export function settleDueRefunds(account: Account, all = false): void {
  for (const [id, end] of account.store.refundEnds) {
    if (!all && end.at > account.now()) continue
    account.store.refundEnds.delete(id)
    const refund = account.store.table('refund').get(id)
    if (refund === undefined) continue
    const previous = { status: refund.status }
    refund.status = end.status
    if (end.status === 'failed') returnMoney(account, refund)
    account.store.put('refund', refund)
    account.emit('refund.updated', refund, NO_REQUEST, previous)
    if (end.status === 'failed') account.emit('refund.failed', refund, NO_REQUEST)
  }
}

/** The bank did not take the refund: https://docs.stripe.com/refunds#failed-refunds */
function returnMoney(account: Account, refund: Stripe.Refund): void {
  const transaction = book(account, {
    amount: refund.amount,
    fee: 0,
    currency: refund.currency,
    source: refund.id,
    type: 'refund_failure',
    description: 'REFUND FAILURE'
  })
  refund.failure_reason = 'lost_or_stolen_card'
  refund.failure_balance_transaction = transaction.id
  const charge = account.store.table('charge').get(String(refund.charge))
  if (charge === undefined) return
  charge.amount_refunded -= refund.amount
  charge.refunded = false
  account.store.put('charge', charge)
}

function refundedCharge(account: Account, params: Params): Stripe.Charge {
  const chargeId = params.string('charge')
  const intentId = params.string('payment_intent')
  if (intentId !== undefined) {
    const intent = getIntent(account, intentId)
    const charge = account.store.table('charge').get(String(intent.latest_charge))
    if (charge === undefined) {
      throw invalidRequest(`This PaymentIntent (${intentId}) does not have a successful charge to refund.`, {
        param: 'payment_intent'
      })
    }
    return charge
  }
  if (chargeId === undefined) throw missing('charge')
  const charge = account.store.table('charge').get(chargeId)
  if (charge === undefined) throw noSuch('charge', chargeId, 'charge')
  return charge
}

/** POST /v1/refunds/:id: its metadata is what can be changed. */
export function updateRefund(account: Account, id: string, params: Params): Stripe.Refund {
  const refund = account.store.table('refund').get(id)
  if (refund === undefined) throw noSuch('refund', id)
  refund.metadata = { ...refund.metadata, ...params.metadata() }
  params.finish()
  account.store.put('refund', refund)
  return refund
}

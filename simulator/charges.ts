import { createHash } from 'node:crypto'
import type Stripe from 'stripe'
import { type Account, type Cause, seconds } from './account.js'
import { digitsOf } from './currencies.js'
import { noSuch } from './errors.js'
import { stripeId } from './ids.js'
import type { Params } from './params.js'
import type { TestCard } from './test-cards.js'

/** Most online card authorizations lapse after seven days: https://docs.stripe.com/payments/place-a-hold-on-a-payment-method */
const AUTHORIZATION_SECONDS = 7 * 86_400

export interface Payer {
  email: string | null
  name: string | null
  phone: string | null
  method:
    | { type: 'card'; card: TestCard; last4: string; expMonth: number; expYear: number }
    | { type: 'sepa_debit'; last4: string; country: string }
}

export function createPaymentMethod(account: Account, payer: Payer): Stripe.PaymentMethod {
  const { method } = payer
  const common = {
    id: stripeId('pm'),
    object: 'payment_method' as const,
    allow_redisplay: 'limited',
    billing_details: billing(payer),
    created: seconds(account),
    customer: null,
    customer_account: null,
    livemode: false,
    metadata: {}
  }
  const object: Stripe.PaymentMethod =
    method.type === 'card'
      ? {
          ...common,
          type: 'card',
          card: {
            brand: method.card.brand,
            checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: 'pass' },
            country: method.card.country,
            display_brand: method.card.brand,
            exp_month: method.expMonth,
            exp_year: method.expYear,
            fingerprint: fingerprintOf(method),
            funding: method.card.funding,
            generated_from: null,
            last4: method.last4,
            networks: { available: [method.card.brand], preferred: null },
            regulated_status: 'unregulated',
            three_d_secure_usage: { supported: true },
            wallet: null
          }
        }
      : {
          ...common,
          type: 'sepa_debit',
          sepa_debit: {
            bank_code: '37040044',
            branch_code: '',
            country: method.country,
            fingerprint: 'GN6mUMkAeJQXk2F0',
            generated_from: { charge: null, setup_attempt: null },
            last4: method.last4
          }
        }
  account.store.put('payment_method', object)
  return object
}

/** A charge that has just been tried: pending, authorized or captured follow from the arguments. */
export function createCharge(
  account: Account,
  intent: Stripe.PaymentIntent,
  paymentMethod: Stripe.PaymentMethod,
  payer: Payer,
  result: { status: 'succeeded' | 'pending' | 'failed'; captured: boolean }
): Stripe.Charge {
  const decline = payer.method.type === 'card' ? payer.method.card.decline : undefined
  const failed = result.status === 'failed'
  const charge: Stripe.Charge = {
    id: stripeId(payer.method.type === 'card' ? 'ch' : 'py'),
    object: 'charge',
    amount: intent.amount,
    amount_captured: result.captured && result.status === 'succeeded' ? intent.amount : 0,
    amount_refunded: 0,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: null,
    billing_details: billing(payer),
    calculated_statement_descriptor: 'TILLWORKS DEMO',
    captured: result.captured && !failed,
    created: seconds(account),
    currency: intent.currency,
    customer: null,
    description: intent.description,
    disputed: false,
    failure_balance_transaction: null,
    failure_code: failed ? (decline?.code ?? 'debit_declined') : null,
    failure_message: failed ? (decline?.message ?? 'The bank declined the debit.') : null,
    fraud_details: {},
    livemode: false,
    metadata: { ...intent.metadata },
    on_behalf_of: null,
    outcome: outcome(result.status, decline),
    paid: !failed && result.status === 'succeeded',
    payment_intent: intent.id,
    payment_method: paymentMethod.id,
    payment_method_details: methodDetails(
      intent,
      payer,
      result.captured ? undefined : seconds(account) + AUTHORIZATION_SECONDS
    ),
    radar_options: {},
    receipt_email: intent.receipt_email,
    receipt_number: null,
    receipt_url: failed ? null : `${account.publicUrl}/receipts/${intent.id}`,
    refunded: false,
    review: null,
    shipping: intent.shipping,
    source: null,
    source_transfer: null,
    statement_descriptor: null,
    statement_descriptor_suffix: intent.statement_descriptor_suffix,
    status: result.status,
    transfer_data: null,
    transfer_group: null
  }
  account.store.put('charge', charge)
  const kind = payer.method.type === 'card' ? payer.method.card.refunds : undefined
  if (kind !== undefined) account.store.refundKinds.set(charge.id, kind)
  return charge
}

function outcome(status: string, decline: TestCard['decline']): Stripe.Charge.Outcome {
  const refused = decline !== undefined && status === 'failed'
  return {
    advice_code: refused ? 'try_again_later' : null,
    network_advice_code: null,
    network_decline_code: refused && !decline.blocked ? '01' : null,
    network_status: !refused ? 'approved_by_network' : decline.blocked ? 'not_sent_to_network' : 'declined_by_network',
    reason: refused ? (decline.blocked ? 'highest_risk_level' : (decline.declineCode ?? null)) : null,
    risk_level: refused && decline.blocked ? 'highest' : 'normal',
    risk_score: refused && decline.blocked ? 84 : 23,
    seller_message: !refused
      ? 'Payment complete.'
      : decline.blocked
        ? 'Stripe blocked this payment as too risky.'
        : 'The bank did not return any further details with this decline.',
    type: !refused ? 'authorized' : decline.blocked ? 'blocked' : 'issuer_declined'
  }
}

function methodDetails(
  intent: Stripe.PaymentIntent,
  { method }: Payer,
  captureBefore: number | undefined
): Stripe.Charge.PaymentMethodDetails {
  if (method.type === 'sepa_debit') {
    return {
      type: 'sepa_debit',
      sepa_debit: {
        bank_code: '37040044',
        branch_code: '',
        country: method.country,
        fingerprint: 'GN6mUMkAeJQXk2F0',
        last4: method.last4,
        mandate: stripeId('mandate')
      }
    }
  }
  return {
    type: 'card',
    card: {
      amount_authorized: intent.amount,
      ...(captureBefore === undefined ? {} : { capture_before: captureBefore }),
      authorization_code: null,
      brand: method.card.brand,
      checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: 'pass' },
      country: method.card.country,
      electronic_commerce_indicator: null,
      exp_month: method.expMonth,
      exp_year: method.expYear,
      fingerprint: fingerprintOf(method),
      funding: method.card.funding,
      installments: null,
      last4: method.last4,
      mandate: null,
      network: method.card.brand,
      network_transaction_id: null,
      regulated_status: 'unregulated',
      three_d_secure: null,
      transaction_link_id: null,
      wallet: null
    }
  }
}

function billing(payer: Payer): Stripe.Charge.BillingDetails {
  const address = { city: null, country: 'FR', line1: null, line2: null, postal_code: null, state: null }
  return { address, email: payer.email, name: payer.name, phone: payer.phone, tax_id: null }
}

/** POST /v1/charges/:id: what can be changed without touching the money. */
export function updateCharge(account: Account, id: string, params: Params, cause: Cause): Stripe.Charge {
  const charge = account.store.table('charge').get(id)
  if (charge === undefined) throw noSuch('charge', id)
  const previous = { description: charge.description }
  Object.assign(charge.metadata, params.metadata())
  charge.description = params.string('description') ?? charge.description
  params.finish()
  account.store.put('charge', charge)
  account.emit('charge.updated', charge, cause, previous)
  return charge
}

/** Books the money of a charge: the balance transaction with Stripe's fee (1.5 % + 25 for cards, 35 for SEPA debits). */
export function bookCharge(account: Account, charge: Stripe.Charge, amount: number): Stripe.BalanceTransaction {
  const card = charge.payment_method_details?.type === 'card'
  const fee = feeOf(charge, amount)
  const transaction = book(account, {
    amount,
    fee,
    currency: charge.currency,
    source: charge.id,
    type: card ? 'charge' : 'payment',
    description: charge.description
  })
  charge.balance_transaction = transaction.id
  account.store.put('charge', charge)
  return transaction
}

export function feeOf(charge: Stripe.Charge, amount: number): number {
  const card = charge.payment_method_details?.type === 'card'
  return Math.min(amount, card ? Math.round(amount * 0.015) + 25 : 35)
}

const CATEGORIES: Record<string, string> = {
  refund: 'refund',
  payment_refund: 'refund',
  refund_failure: 'refund_failure',
  payment_failure_refund: 'refund_failure',
  adjustment: 'dispute'
}

export function book(
  account: Account,
  entry: {
    amount: number
    fee: number
    currency: string
    source: string
    type: Stripe.BalanceTransaction.Type
    description: string | null
  }
): Stripe.BalanceTransaction {
  const created = seconds(account)
  const { amount, fee, currency, exchangeRate } = settle(account, entry)
  const transaction: Stripe.BalanceTransaction = {
    id: stripeId('txn'),
    object: 'balance_transaction',
    amount,
    available_on: created + 2 * 86_400,
    balance_type: 'payments',
    created,
    currency,
    description: entry.description,
    exchange_rate: exchangeRate,
    fee,
    fee_details:
      fee <= 0
        ? []
        : [
            {
              amount: fee,
              application: null,
              currency,
              description: 'Stripe processing fees',
              type: 'stripe_fee'
            }
          ],
    net: amount - fee,
    reporting_category: CATEGORIES[entry.type] ?? 'charge',
    source: entry.source,
    status: 'pending',
    type: entry.type
  }
  account.store.put('balance_transaction', transaction)
  return transaction
}

/** Rates of our own; money goes out at another one than it came in, as it does at a real bank. */
const RATE_IN = 1.0825
const RATE_OUT = 1.0931

/** What an amount becomes in the currency that the account is paid out in: https://docs.stripe.com/currencies/conversions */
function settle(account: Account, entry: { amount: number; fee: number; currency: string }) {
  const currency = account.settlementCurrency ?? entry.currency
  if (currency === entry.currency) return { ...entry, exchangeRate: null }
  const rate = entry.amount < 0 ? RATE_OUT : RATE_IN
  const unit = 10 ** (digitsOf(currency) - digitsOf(entry.currency))
  const convert = (amount: number) => Math.round(amount * rate * unit)
  return { amount: convert(entry.amount), fee: convert(entry.fee), currency, exchangeRate: rate }
}

/** The same card has the same fingerprint. */
function fingerprintOf({ card, last4 }: Extract<Payer['method'], { type: 'card' }>): string {
  return createHash('sha256').update(`${card.brand} ${last4}`).digest('base64url').replace(/[-_]/g, 'x').slice(0, 16)
}

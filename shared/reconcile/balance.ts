import type Stripe from 'stripe'
import { transaction } from '../database/database.js'
import { exchangeEntry, feeEntry, type LedgerEntry } from '../rules/ledger-entries.js'
import type { Services } from '../runtime/services.js'
import { recordPoll } from '../statements/due-rows.js'
import {
  findUnbookedPayments,
  findUnbookedRefunds,
  markBooked,
  markRefundBooked,
  postEntries,
  type UnbookedPayment,
  type UnbookedRefund
} from '../statements/ledger.js'
import { askEach } from './ask-each.js'

const LIMIT = 500

/** What is booked, and what Stripe has booked. */
export type LedgerSources = Pick<Services, 'db' | 'stripe' | 'now'>

/**
 * Books what no event tells: Stripe's fee of each captured payment, and the exchange into the currency that the account
 * settles in, of payments and of their refunds. Stripe is asked outside any transaction of ours. Returns how many it
 * booked; what Stripe refused to tell is listed in `errors`.
 */
export async function bookBalanceTransactions(services: LedgerSources, errors: string[]): Promise<number> {
  return (await bookPayments(services, errors)) + (await bookRefunds(services, errors))
}

async function bookPayments(services: LedgerSources, errors: string[]): Promise<number> {
  const { pool } = services.db
  let booked = 0
  await askEach(await findUnbookedPayments(pool, LIMIT), errors, async payment => {
    await recordPoll(pool, 'Payment', payment.paymentIntentId, services.now())
    const settled = await findCharged(services.stripe, payment)
    if (settled === undefined) return
    const { orderId, currency } = payment
    const amount = payment.captured + payment.released
    await transaction(pool, async client => {
      await markBooked(client, payment.paymentIntentId, settled.id)
      await postEntries(client, entriesOf(orderId, { amount, currency }, settled), services.now())
    })
    booked++
  })
  return booked
}

/** Undefined while Stripe has not booked it: https://docs.stripe.com/payments/payment-intents/asynchronous-capture */
async function findCharged(stripe: Stripe, payment: UnbookedPayment): Promise<Stripe.BalanceTransaction | undefined> {
  const { data } = await stripe.balanceTransactions.list({ source: payment.chargeId, limit: 10 })
  return data.find(entry => entry.type === 'charge' || entry.type === 'payment')
}

async function bookRefunds(services: LedgerSources, errors: string[]): Promise<number> {
  const { pool } = services.db
  let booked = 0
  await askEach(await findUnbookedRefunds(pool, LIMIT), errors, async refund => {
    await recordPoll(pool, 'Refund', refund.id, services.now())
    const { out, back } = await findRefunded(services.stripe, refund)
    const { orderId, amount, currency } = refund
    const entries = [
      ...(out === null ? [] : entriesOf(orderId, { amount: -amount, currency }, out)),
      ...(back === null ? [] : entriesOf(orderId, { amount, currency }, back))
    ]
    const ids = { balanceTransactionId: out?.id ?? null, returnTransactionId: back?.id ?? null }
    await transaction(pool, async client => {
      await markRefundBooked(client, refund.id, ids)
      booked += (await postEntries(client, entries, services.now())) > 0 ? 1 : 0
    })
  })
  return booked
}

/** The money that went out, and that came back when the refund failed; null while Stripe has not booked it. */
async function findRefunded(stripe: Stripe, { stripeId }: UnbookedRefund) {
  const expand = ['balance_transaction', 'failure_balance_transaction']
  const refund = await stripe.refunds.retrieve(stripeId, { expand })
  const expanded = (found: string | Stripe.BalanceTransaction | null | undefined) =>
    typeof found === 'object' && found !== null ? found : null
  return { out: expanded(refund.balance_transaction), back: expanded(refund.failure_balance_transaction) }
}

function entriesOf(
  orderId: string,
  moved: { amount: number; currency: string },
  settled: Stripe.BalanceTransaction
): LedgerEntry[] {
  const entries = [feeEntry(orderId, settled), exchangeEntry(orderId, moved, settled)]
  return entries.filter(entry => entry !== undefined)
}

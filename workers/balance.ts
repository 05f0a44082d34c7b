import type Stripe from 'stripe'
import { transaction } from '../shared/database.js'
import { exchangeEntry, feeEntry, postEntries } from '../shared/ledger.js'
import type { Services } from '../shared/services.js'
import { findUnbookedPayments, markBooked, type UnbookedPayment } from '../shared/statements/ledger.js'

const LIMIT = 500

/**
 * Books Stripe's fee, and the exchange into the settlement currency, of each captured payment. Its events name the
 * balance transaction at most, so that Stripe is asked for it, outside any transaction of ours. Returns how many it booked.
 */
export async function bookBalanceTransactions(services: Services): Promise<number> {
  let booked = 0
  for (const payment of await findUnbookedPayments(services.db.pool, LIMIT)) {
    const settled = await findCharged(services.stripe, payment)
    if (settled === undefined) continue
    await book(services, payment, settled)
    booked++
  }
  return booked
}

/** Undefined while Stripe has not booked it: https://docs.stripe.com/payments/payment-intents/asynchronous-capture */
async function findCharged(stripe: Stripe, payment: UnbookedPayment): Promise<Stripe.BalanceTransaction | undefined> {
  const { data } = await stripe.balanceTransactions.list({ source: payment.chargeId, limit: 10 })
  return data.find(entry => entry.type === 'charge' || entry.type === 'payment')
}

async function book(services: Services, payment: UnbookedPayment, settled: Stripe.BalanceTransaction): Promise<void> {
  const charged = { amount: payment.captured, currency: payment.currency }
  const entries = [feeEntry(payment.orderId, settled), exchangeEntry(payment.orderId, charged, settled)]
  await transaction(services.db.pool, async client => {
    await markBooked(client, payment.paymentIntentId, settled.id)
    await postEntries(
      client,
      entries.filter(entry => entry !== undefined),
      services.now()
    )
  })
}

import type Stripe from 'stripe'
import { isUnknownToStripe } from '../runtime/stripe-client.js'

type Movement = string | Stripe.BalanceTransaction | null | undefined

/** Stripe's balance transaction behind an entry of the ledger; undefined when Stripe has none. */
export async function movementOf(stripe: Stripe, entry: string): Promise<Stripe.BalanceTransaction | undefined> {
  const [kind = '', id = ''] = entry.split(':')
  try {
    const found = await find(stripe, kind, id)
    return typeof found === 'object' && found !== null ? found : undefined
  } catch (error) {
    if (isUnknownToStripe(error)) return undefined
    throw error
  }
}

async function find(stripe: Stripe, kind: string, id: string): Promise<Movement> {
  switch (kind) {
    case 'capture': {
      const intent = await stripe.paymentIntents.retrieve(id, { expand: ['latest_charge.balance_transaction'] })
      return typeof intent.latest_charge === 'object' ? intent.latest_charge?.balance_transaction : undefined
    }
    case 'refund':
      return (await stripe.refunds.retrieve(id, { expand: ['balance_transaction'] })).balance_transaction
    case 'refund_returned': {
      const refund = await stripe.refunds.retrieve(id, { expand: ['failure_balance_transaction'] })
      return refund.failure_balance_transaction
    }
    case 'dispute':
      return await stripe.balanceTransactions.retrieve(id)
    default:
      return undefined
  }
}

/** STRIPE is what Stripe holds for the shop; debits are positive. */
export const ledgerAccounts = ['STRIPE', 'SALES', 'REFUNDS', 'FEES', 'DISPUTES', 'EXCHANGE'] as const

export type LedgerAccount = (typeof ledgerAccounts)[number]

/** One entry; its lines sum to zero in each currency. `key` makes it happen once. */
export interface LedgerEntry {
  key: string
  orderId: string
  source: string
  lines: { account: LedgerAccount; currency: string; amount: number }[]
}

/** The part of a balance transaction that is booked; amounts in minor units of its own (settlement) currency. */
export interface BalanceFigures {
  id: string
  amount: number
  fee: number
  currency: string
}

/** Stripe's fee for one balance transaction, or undefined when there is none. */
export function feeEntry(orderId: string, transaction: BalanceFigures): LedgerEntry | undefined {
  if (transaction.fee === 0) return undefined
  const currency = transaction.currency.toUpperCase()
  return {
    key: `fee:${transaction.id}`,
    orderId,
    source: transaction.id,
    lines: [
      { account: 'FEES', currency, amount: transaction.fee },
      { account: 'STRIPE', currency, amount: -transaction.fee }
    ]
  }
}

/** Money that a dispute takes (negative amount) or gives back. */
export function disputeEntries(orderId: string, transaction: BalanceFigures): LedgerEntry[] {
  const currency = transaction.currency.toUpperCase()
  const fee = feeEntry(orderId, transaction)
  const moved: LedgerEntry = {
    key: `dispute:${transaction.id}`,
    orderId,
    source: transaction.id,
    lines: [
      { account: 'STRIPE', currency, amount: transaction.amount },
      { account: 'DISPUTES', currency, amount: -transaction.amount }
    ]
  }
  return [...(transaction.amount === 0 ? [] : [moved]), ...(fee === undefined ? [] : [fee])]
}

/** Stripe has settled an amount in another currency than the one it was charged in: both sides go through EXCHANGE. */
export function exchangeEntry(
  orderId: string,
  charged: { amount: number; currency: string },
  transaction: BalanceFigures
): LedgerEntry | undefined {
  const settled = transaction.currency.toUpperCase()
  if (settled === charged.currency) return undefined
  return {
    key: `exchange:${transaction.id}`,
    orderId,
    source: transaction.id,
    lines: [
      { account: 'EXCHANGE', currency: charged.currency, amount: charged.amount },
      { account: 'STRIPE', currency: charged.currency, amount: -charged.amount },
      { account: 'STRIPE', currency: settled, amount: transaction.amount },
      { account: 'EXCHANGE', currency: settled, amount: -transaction.amount }
    ]
  }
}

/** Money that a refund takes out, and that comes back when Stripe says that it failed or was cancelled. */
export function refundEntries(refund: {
  stripeId: string
  orderId: string
  status: string
  amount: number
  currency: string
}): LedgerEntry[] {
  const { stripeId: source, orderId, status, amount, currency } = refund
  const entry = (kind: string, moved: number): LedgerEntry => ({
    key: `${kind}:${source}`,
    orderId,
    source,
    lines: [
      { account: 'REFUNDS', currency, amount: moved },
      { account: 'STRIPE', currency, amount: -moved }
    ]
  })
  // Money that never came cannot go.
  if (status === 'RELEASED') return []
  const isBack = status === 'FAILED' || status === 'CANCELLED'
  return [entry('refund', amount), ...(isBack ? [entry('refund_returned', -amount)] : [])]
}

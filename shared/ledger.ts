import type { Queryable } from './database/database.js'

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

/** Books entries, each once, and returns how many postings were new. The database refuses what does not balance. */
export async function postEntries(db: Queryable, entries: LedgerEntry[], now: Date): Promise<number> {
  if (entries.length === 0) return 0
  const postings = entries.flatMap(({ key, orderId, source, lines }) =>
    lines.map(line => ({ entry: key, orderId, source, ...line }))
  )
  const { rowCount } = await db.query(
    `INSERT INTO "LedgerPosting" ("entry", "account", "currency", "orderId", "amount", "source", "createdAt")
     SELECT "entry", "account"::"LedgerAccount", "currency", "orderId", "amount", "source", $2
     FROM jsonb_to_recordset($1::jsonb) AS p("entry" text, "account" text, "currency" text, "orderId" text, "amount" bigint, "source" text)
     ON CONFLICT DO NOTHING`,
    [JSON.stringify(postings), now]
  )
  return rowCount ?? 0
}

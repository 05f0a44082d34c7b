import type Stripe from 'stripe'
import { DAY, SECOND } from '../duration.js'
import { type MinorUnits, toDecimalString } from '../money.js'
import {
  type BookedEntry,
  type Bookings,
  findBookedSources,
  findBookings,
  findUnbalanced,
  type PostingCursor
} from '../statements/ledger.js'
import type { LedgerSources } from './balance.js'
import { movementOf } from './ledger-movement.js'
import { inPages } from './pages.js'

export interface LedgerReport {
  /** Balance transactions of Stripe that were compared. */
  compared: number
  /** Those of charges that this shop does not know: other business of the same account. */
  foreign: number
  differences: string[]
}

const PAGE = 100
/** Entries of another time than their balance transactions, each asked for by itself. */
const MAX_LOOKUPS = 500
/** Rows of our own at a time. */
const SLICE = 5_000

/**
 * Compares the ledger with Stripe's balance transactions of a period, both ways: what Stripe booked and the ledger did
 * not, what differs, and what the ledger has and Stripe does not. https://docs.stripe.com/reports/balance-transaction-types
 */
export async function checkLedger(services: LedgerSources, since: Date, until: Date): Promise<LedgerReport> {
  const report: LedgerReport = { compared: 0, foreign: 0, differences: [] }
  const seen = new Set<string>()
  const created = { gte: Math.floor(since.getTime() / SECOND), lt: Math.ceil(until.getTime() / SECOND) }
  const booked = services.stripe.balanceTransactions.list({ created, limit: PAGE, expand: ['data.source'] })
  for await (const page of inPages(booked, PAGE)) {
    const bookings = await readBookings(services, page)
    for (const each of page) compare(each, bookings, seen, report)
  }

  await addBookedOnly(services, since, until, seen, report)
  await addUnbalanced(services, report)
  return report
}

async function addBookedOnly(
  services: LedgerSources,
  since: Date,
  until: Date,
  seen: Set<string>,
  report: LedgerReport
): Promise<void> {
  // A day at both ends: we book when the event comes, Stripe when it happens.
  const inner = { since: new Date(since.getTime() + DAY), until: new Date(until.getTime() - DAY) }
  let lookups = 0
  let after: PostingCursor | null = null
  do {
    const { booked, last }: Awaited<ReturnType<typeof findBookedSources>> = await findBookedSources(
      services.db.pool,
      inner,
      after,
      SLICE
    )
    for (const each of booked.filter(({ entry, currency }) => !seen.has(entry) && !seen.has(`${entry} ${currency}`))) {
      seen.add(`${each.entry} ${each.currency}`)
      await compareUnseen(services, each, lookups++ < MAX_LOOKUPS, report)
    }
    after = last
  } while (after !== null)
}

async function addUnbalanced({ db }: LedgerSources, report: LedgerReport): Promise<void> {
  let after: string | null = null
  do {
    const { unbalanced, last } = await findUnbalanced(db.pool, after, SLICE)
    for (const { orderId, currency, sum } of unbalanced) {
      report.differences.push(`order ${orderId}: its postings sum to ${money(sum, currency)}, not to zero`)
    }
    after = last
  } while (after !== null)
}

function sourceOf({ source }: Stripe.BalanceTransaction): string {
  return typeof source === 'string' ? source : (source?.id ?? '')
}

/** The PaymentIntent behind a charge, a refund or a dispute. */
function intentOf({ source }: Stripe.BalanceTransaction): string | null {
  if (typeof source !== 'object' || source === null || !('payment_intent' in source)) return null
  const intent = source.payment_intent
  return typeof intent === 'object' ? (intent?.id ?? null) : intent
}

async function readBookings({ db }: LedgerSources, page: Stripe.BalanceTransaction[]): Promise<Bookings> {
  const keys = page.flatMap(each => [
    `refund:${sourceOf(each)}`,
    `refund_returned:${sourceOf(each)}`,
    `dispute:${each.id}`,
    `fee:${each.id}`,
    `exchange:${each.id}`
  ])
  const intents = page.map(intentOf).filter(intent => intent !== null)
  return await findBookings(db.pool, keys, intents)
}

function compare(each: Stripe.BalanceTransaction, bookings: Bookings, seen: Set<string>, report: LedgerReport): void {
  const entry = entryOf(each, bookings)
  if (entry === undefined) {
    report.foreign++
    return
  }
  report.compared++
  if (releasedOf(each, bookings).some(({ refund }) => refund === sourceOf(each))) {
    compareFee(each, bookings, report)
    return
  }
  seen.add(entry)
  const currency = each.currency.toUpperCase()
  const posted = bookings.entries.get(entry) ?? []
  const exchanged = bookings.entries.get(`exchange:${each.id}`) ?? []
  const booked = [...posted, ...exchanged].filter(line => line.currency === currency)
  // All that was held is in Stripe's books, and what was let go of beside it.
  if (entry.startsWith('capture:') && posted.some(line => line.currency === currency)) {
    booked.push(...releasedOf(each, bookings).map(({ amount }) => ({ amount, currency })))
  }
  const isForeignCurrency = posted.length > 0 && posted.every(line => line.currency !== currency)
  if (posted.length === 0) {
    report.differences.push(
      `${each.id}: Stripe has ${entry} for ${money(each.amount, currency)}, the ledger has nothing`
    )
  } else if (booked.length > 0 && total(booked) !== each.amount) {
    report.differences.push(
      `${each.id}: Stripe has ${entry} for ${money(each.amount, currency)}, the ledger has ${money(total(booked), currency)}`
    )
  } else if (isForeignCurrency && booked.length === 0) {
    report.differences.push(`${each.id}: settled in ${currency}, and its exchange is not booked yet`)
  }
  compareFee(each, bookings, report)
}

function compareFee(each: Stripe.BalanceTransaction, bookings: Bookings, report: LedgerReport): void {
  const currency = each.currency.toUpperCase()
  const fee = -total(bookings.entries.get(`fee:${each.id}`) ?? [])
  if (fee === each.fee) return
  report.differences.push(
    `${each.id}: Stripe's fee is ${money(each.fee, currency)}, the ledger has ${money(fee, currency)}`
  )
}

/** What was held of the payment, and let go of without having been captured. */
function releasedOf(each: Stripe.BalanceTransaction, { released }: Bookings) {
  return released.get(intentOf(each) ?? '') ?? []
}

/**
 * What was booked or corrected in the period for something that Stripe booked at another time, or never: after a restore,
 * or once a correction has added what was missing.
 */
async function compareUnseen(
  { stripe, db }: LedgerSources,
  { entry, amount, currency }: BookedEntry,
  ask: boolean,
  report: LedgerReport
): Promise<void> {
  const booked = money(amount, currency)
  if (entry.startsWith('order:')) {
    report.differences.push(`order ${entry.slice(6)}: corrections that name no entry put ${booked} on STRIPE`)
    return
  }
  const movement = ask ? await movementOf(stripe, entry) : undefined
  if (movement === undefined) {
    report.differences.push(`${entry}: the ledger has ${booked}, Stripe has nothing`)
    return
  }
  report.compared++
  // Settled in another currency: its exchange says so.
  if (movement.currency.toUpperCase() !== currency || movement.amount === amount) return
  const intent = entry.replace(/^capture:/, '')
  const released = (await findBookings(db.pool, [], [intent])).released.get(intent) ?? []
  if (movement.amount === amount + total(released)) return
  report.differences.push(
    `${movement.id}: Stripe has ${entry} for ${money(movement.amount, currency)}, the ledger has ${booked}`
  )
}

/** The ledger's entry for a balance transaction; undefined when it is of no payment of ours. */
function entryOf(each: Stripe.BalanceTransaction, bookings: Bookings): string | undefined {
  const intent = intentOf(each)
  if (intent === null || !bookings.intents.has(intent)) return undefined
  const kind = (each.source as { object?: string }).object
  if (kind === 'dispute') return `dispute:${each.id}`
  if (kind === 'refund') {
    // Money of a failed refund comes back as a transaction of its own.
    return `${each.amount > 0 ? 'refund_returned' : 'refund'}:${sourceOf(each)}`
  }
  return `capture:${intent}`
}

function total(lines: { amount: number }[]): number {
  return lines.reduce((sum, line) => sum + line.amount, 0)
}

function money(amount: number, currency: string): string {
  return `${toDecimalString(amount as MinorUnits, currency)} ${currency}`
}

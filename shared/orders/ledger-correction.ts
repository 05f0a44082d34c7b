import { writeAudit } from '../audit/audit.js'
import { type Queryable, transaction } from '../database/database.js'
import { newId } from '../ids.js'
import { amountDecimals, isSupportedCurrency, parseMinorUnits } from '../money.js'
import { Refused } from '../refused.js'
import { type LedgerAccount, type LedgerEntry, ledgerAccounts } from '../rules/ledger-entries.js'
import type { Services } from '../runtime/services.js'
import { isBooked, lockEntryKey, postEntries, readEntry, readEntryKeys } from '../statements/ledger.js'
import { lockOrder } from '../statements/orders.js'

/** A correction as an operator words it. */
export interface CorrectionRequest {
  orderId: string
  /** The accounts: the debited one gains, the credited one loses. */
  debit: string
  credit: string
  /** In major units, as "5.00". */
  amount: string
  /** That of the order, when left out. */
  currency?: string
  /** The entry that it corrects. */
  of?: string
  /** The ledger misses that entry: the correction adds it. */
  missing?: boolean
  /** The same key is the same correction. */
  key?: string
}

export interface Correction {
  entry: string
  /** False when this key has posted it before. */
  isNew: boolean
  lines: LedgerEntry['lines']
  of: string | undefined
}

/** What an entry of the ledger is called: its kind, and the id of Stripe's object. */
const ENTRY = /^(capture|refund|refund_returned|dispute|fee|exchange):\w{3,255}$/
const CORRECTION_KEY = /^[\w.-]{1,200}$/

/**
 * Posts one balanced entry beside what is booked, with who asked for it and why in the audit trail. No posting is ever
 * changed. Throws Refused with what to do.
 */
export async function correctLedger(
  services: Pick<Services, 'db' | 'now'>,
  by: { operator: string; reason: string },
  request: CorrectionRequest
): Promise<Correction> {
  const reason = by.reason.trim()
  if (reason === '') throw new Refused('invalid_input', 'A correction needs a reason.')
  const debit = accountOf(request.debit)
  const credit = accountOf(request.credit)
  if (debit === credit) throw new Refused('invalid_input', `${debit} cannot be debited and credited at once.`)
  const entry = `correction:${keyOf(request)}`
  return await transaction(services.db.pool, async client => {
    await lockEntryKey(client, entry)
    const order = await lockOrder(client, request.orderId)
    if (order === undefined) throw new Refused('order_not_found', `There is no order ${request.orderId}.`)
    const currency = currencyOf(request.currency ?? order.currency)
    const amount = amountIn(request.amount, currency)
    const of = request.of === undefined ? undefined : await correctedEntry(client, request, request.of)
    const wanted: LedgerEntry = {
      key: entry,
      orderId: order.id,
      source: of ?? `order:${order.id}`,
      lines: [
        { account: debit, currency, amount },
        { account: credit, currency, amount: -amount }
      ]
    }
    const posted = await readEntry(client, entry)
    if (posted !== undefined) {
      if (!isSame(posted, wanted))
        throw new Refused('key_reused', `The key of ${entry} was used for another correction.`)
      return { entry, isNew: false, lines: wanted.lines, of }
    }
    await postEntries(client, [wanted], services.now())
    await writeAudit(client, {
      action: 'ledger_corrected',
      status: 'SUCCESS',
      userId: order.userId,
      orderId: order.id,
      amount,
      currency,
      metadata: { operator: by.operator, reason, entry, debit, credit, of: of ?? null }
    })
    return { entry, isNew: true, lines: wanted.lines, of }
  })
}

function accountOf(text: string): LedgerAccount {
  const account = ledgerAccounts.find(each => each === text.toUpperCase())
  if (account !== undefined) return account
  throw new Refused('invalid_input', `There is no account ${text}; the accounts are ${ledgerAccounts.join(', ')}.`)
}

function keyOf({ key }: CorrectionRequest): string {
  if (key === undefined) return newId()
  if (CORRECTION_KEY.test(key)) return key
  throw new Refused('invalid_input', 'A key has 1 to 200 letters, digits, dots, hyphens or underscores.')
}

function currencyOf(text: string): string {
  const currency = text.toUpperCase()
  if (isSupportedCurrency(currency)) return currency
  throw new Refused('invalid_input', `Stripe does not know the currency ${text}.`)
}

function amountIn(text: string, currency: string): number {
  const amount = parseMinorUnits(text, currency)
  if (amount !== undefined && amount > 0) return amount
  const decimals = amountDecimals(currency)
  const form = decimals === 0 ? 'a whole number' : `a number with up to ${decimals} decimals`
  throw new Refused('invalid_input', `${currency} has no amount "${text}": it takes ${form}, more than nothing.`)
}

async function correctedEntry(client: Queryable, request: CorrectionRequest, of: string): Promise<string> {
  const { orderId, missing = false } = request
  const keys = await readEntryKeys(client, orderId)
  if (keys.includes(of)) {
    if (missing) throw new Refused('entry_exists', `Order ${orderId} has the entry ${of}: leave --missing out.`)
    // A capture that was booked in parts is corrected as a whole.
    if (!of.startsWith('correction:')) return of.replace(/^(capture:\w+):\d+$/, '$1')
    throw new Refused('entry_is_a_correction', `${of} is a correction itself. Name the entry that it corrects.`)
  }
  if (!missing) {
    const known = keys.length === 0 ? 'it has none' : `it has ${keys.join(', ')}`
    throw new Refused(
      'entry_not_found',
      `Order ${orderId} has no entry ${of}; ${known}. If the ledger misses it, say so with --missing.`
    )
  }
  if (!ENTRY.test(of))
    throw new Refused('invalid_input', `${of} is no name of an entry; one is refund:re_…, as ledger verify says.`)
  if (await isBooked(client, of)) throw new Refused('entry_of_another_order', `${of} is an entry of another order.`)
  return of
}

function isSame(posted: LedgerEntry, wanted: LedgerEntry): boolean {
  const text = ({ orderId, source, lines }: LedgerEntry) =>
    JSON.stringify([orderId, source, lines.map(line => [line.account, line.currency, line.amount]).sort()])
  return text(posted) === text(wanted)
}

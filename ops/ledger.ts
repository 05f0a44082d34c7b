import { parseArgs } from 'node:util'
import { DAY } from '../shared/duration.js'
import { type MinorUnits, toDecimalString } from '../shared/money.js'
import { correctLedger } from '../shared/orders/ledger-correction.js'
import { verifyLedger } from '../shared/reconcile/verify-ledger.js'
import { showTrail } from '../shared/statements/audit-trail.js'
import { readPostings } from '../shared/statements/ledger.js'
import { operator, why, withServices } from './environment.js'
import { print, printTable } from './print.js'
import { dateArgument, required, UsageError } from './usage-error.js'

const DEFAULT_DAYS = 30

export async function ledger([action, ...args]: string[]): Promise<void> {
  if (action === 'show') return await show(required(args[0], 'The order’s id'))
  if (action === 'verify') return await verify(args)
  if (action === 'correct') return await correct(required(args[0], 'The order’s id'), args.slice(1))
  throw new UsageError('ledger takes show, verify or correct.')
}

async function show(orderId: string): Promise<void> {
  await withServices(async ({ db }) => {
    const postings = await readPostings(db.pool, orderId)
    if (postings.length === 0) return print(`Nothing is booked for order ${orderId}.`)
    const isCorrection = postings.some(({ entry }) => entry.startsWith('correction:'))
    printTable([
      ['BOOKED', 'ENTRY', 'ACCOUNT', 'AMOUNT', '', ...(isCorrection ? ['CORRECTS'] : [])],
      ...postings.map(posting => [
        posting.createdAt.toISOString(),
        posting.entry,
        posting.account,
        toDecimalString(posting.amount as MinorUnits, posting.currency).padStart(12),
        posting.currency,
        ...(posting.entry.startsWith('correction:') ? [posting.source] : [])
      ])
    ])
    const corrections = await showTrail(db, { orderId }, 'ledger_corrected')
    for (const { metadata } of corrections) {
      const { entry, operator: who, reason } = metadata as { entry: string; operator: string; reason: string }
      print(`${entry} by ${who}: ${reason}`)
    }
  })
}

/** Posts one entry that puts right what is booked; nothing that is booked changes. */
async function correct(orderId: string, args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      debit: { type: 'string' },
      credit: { type: 'string' },
      amount: { type: 'string' },
      currency: { type: 'string' },
      of: { type: 'string' },
      missing: { type: 'boolean', default: false },
      reason: { type: 'string' },
      key: { type: 'string' }
    }
  })
  const request = {
    orderId,
    debit: required(values.debit, '--debit'),
    credit: required(values.credit, '--credit'),
    amount: required(values.amount, '--amount'),
    currency: values.currency,
    of: values.of,
    missing: values.missing,
    key: values.key
  }
  const reason = required(await why(values.reason), '--reason')
  await withServices(async services => {
    const { entry, isNew, lines, of } = await correctLedger(services, { operator: operator(), reason }, request)
    const shown = lines.map(line => `${line.account} ${toDecimalString(line.amount as MinorUnits, line.currency)}`)
    print(`${entry} ${isNew ? 'is posted' : 'was posted before'}: ${shown.join(', ')} ${lines[0]?.currency}`)
    const touchesStripe = lines.some(line => line.account === 'STRIPE')
    if (of === undefined && touchesStripe)
      print('It names no entry (--of): ledger verify will list it, because Stripe has nothing like it.')
  })
}

/** Compares the ledger with Stripe's balance transactions; the exit code is 1 when they differ. */
async function verify(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { since: { type: 'string' }, until: { type: 'string' } } })
  await withServices(async services => {
    const now = services.now()
    const until = values.until === undefined ? now : dateArgument(values.until, '--until')
    const since =
      values.since === undefined
        ? new Date(until.getTime() - DEFAULT_DAYS * DAY)
        : dateArgument(values.since, '--since')
    const report = await verifyLedger(services, since, until)
    print(
      `From ${since.toISOString()} to ${until.toISOString()}: ${report.compared} balance transactions compared, ${report.foreign} of other business.`
    )
    for (const error of report.errors) print(`  not booked: ${error}`)
    for (const difference of report.differences) print(`  ${difference}`)
    print(report.differences.length === 0 ? 'The ledger is right.' : `${report.differences.length} differences.`)
    if (report.differences.length > 0) process.exitCode = 1
  })
}

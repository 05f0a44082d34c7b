import { parseArgs } from 'node:util'
import { DAY } from '../shared/duration.js'
import { type MinorUnits, toDecimalString } from '../shared/money.js'
import { readPostings } from '../shared/statements/ledger.js'
import { bookBalanceTransactions } from '../workers/balance.js'
import { withServices } from './environment.js'
import { checkLedger } from './ledger-check.js'
import { print, printTable } from './print.js'
import { dateArgument, required, UsageError } from './usage-error.js'

const DEFAULT_DAYS = 30

export async function ledger([action, ...args]: string[]): Promise<void> {
  if (action === 'show') return await show(required(args[0], 'The order’s id'))
  if (action === 'verify') return await verify(args)
  throw new UsageError('ledger takes show or verify.')
}

async function show(orderId: string): Promise<void> {
  await withServices(async ({ db }) => {
    const postings = await readPostings(db.pool, orderId)
    if (postings.length === 0) return print(`Nothing is booked for order ${orderId}.`)
    printTable([
      ['BOOKED', 'ENTRY', 'ACCOUNT', 'AMOUNT', ''],
      ...postings.map(posting => [
        posting.createdAt.toISOString(),
        posting.entry,
        posting.account,
        toDecimalString(posting.amount as MinorUnits, posting.currency).padStart(12),
        posting.currency
      ])
    ])
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
    // Fees are looked up by a schedule; what it has not done yet is no difference.
    const errors: string[] = []
    await bookBalanceTransactions(services, errors)
    const report = await checkLedger(services, since, until)
    print(
      `From ${since.toISOString()} to ${until.toISOString()}: ${report.compared} balance transactions compared, ${report.foreign} of other business.`
    )
    for (const error of errors) print(`  not booked: ${error}`)
    for (const difference of report.differences) print(`  ${difference}`)
    print(report.differences.length === 0 ? 'The ledger is right.' : `${report.differences.length} differences.`)
    if (report.differences.length > 0) process.exitCode = 1
  })
}

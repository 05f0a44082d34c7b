import type { Command } from 'commander'
import { DAY } from '../shared/duration.js'
import { type CorrectionRequest, correctLedger } from '../shared/orders/ledger-correction.js'
import { verifyLedger } from '../shared/reconcile/verify-ledger.js'
import { showTrail } from '../shared/statements/audit-trail.js'
import { type Posting, readPostings } from '../shared/statements/ledger.js'
import { amountText, decimalText } from './amount.js'
import { date, text } from './arguments.js'
import { command, group, type Output } from './command.js'
import { operator, why, withDatabase, withStripe } from './environment.js'
import { FAILED } from './exit-code.js'
import { localTime } from './local-time.js'
import { answer, print } from './print.js'
import { showProgress } from './progress.js'
import { printTable } from './table.js'
import { terminal } from './terminal.js'
import { UsageError } from './usage-error.js'

const DEFAULT_DAYS = 30

export function ledger(): Command {
  return group('ledger', 'What is booked, and whether it is what Stripe has.', [show(), verify(), correct()])
}

interface Corrected {
  entry: string
  operator: string
  reason: string
}

function show(): Command {
  return command('show', 'What is booked for an order.', { examples: ['ledger show cmb1x2y3z'] })
    .argument('<order>', 'its id')
    .action(async (orderId: string, options: Output) => {
      await withDatabase('ledger show', async ({ db }) => {
        const postings = await readPostings(db.pool, orderId)
        const trail = await showTrail(db, { orderId }, 'ledger_corrected')
        const corrections = trail.map(({ metadata }) => metadata as unknown as Corrected)
        answer(options, { orderId, postings, corrections }, view)
      })
    })
}

function view(booked: { orderId: string; postings: Posting[]; corrections: Corrected[] }): void {
  const { orderId, postings, corrections } = booked
  if (postings.length === 0) return print(`Nothing is booked for order ${orderId}.`)
  const isCorrection = ({ entry }: Posting) => entry.startsWith('correction:')
  printTable(
    [
      ['BOOKED', 'ENTRY', 'ACCOUNT', 'AMOUNT', ...(postings.some(isCorrection) ? ['CORRECTS'] : [])],
      ...postings.map(posting => [
        localTime(posting.createdAt),
        posting.entry,
        posting.account,
        amountText(posting.amount, posting.currency),
        ...(isCorrection(posting) ? [posting.source] : [])
      ])
    ],
    ['AMOUNT']
  )
  for (const { entry, operator: who, reason } of corrections) print(`${entry} by ${who}: ${reason}`)
}

type Asked = Omit<CorrectionRequest, 'orderId'> & Output & { reason?: string }

/** Posts one entry that puts right what is booked; nothing that is booked changes. */
function correct(): Command {
  return command('correct', 'Post a balanced entry beside a wrong or missing one.', {
    examples: [
      'ledger correct cmb1x2y3z --of refund:re_1 --debit STRIPE --credit REFUNDS --amount 2.00 --reason "booked twice"'
    ]
  })
    .argument('<order>', 'its id')
    .requiredOption('--debit <account>', 'the account that gains', text)
    .requiredOption('--credit <account>', 'the account that loses', text)
    .requiredOption('--amount <amount>', 'in major units, such as 5.00', text)
    .option('--currency <code>', 'that of the order, when left out')
    .option('--of <entry>', 'the entry that it corrects')
    .option('--missing', 'the ledger misses that entry: this one adds it', false)
    .option('--key <key>', 'the same key is the same correction')
    .option('--reason <text>', 'why, for the audit trail; asked for at a terminal')
    .action(async (orderId: string, { reason: given, json, ...asked }: Asked) => {
      const reason = await why(given)
      if (!reason) throw new UsageError('--reason is missing.')
      await withDatabase('ledger correct', async services => {
        const by = { operator: operator(), reason }
        answer({ json }, await correctLedger(services, by, { ...asked, orderId }), ({ entry, isNew, lines, of }) => {
          const shown = lines.map(({ account, amount, currency }) => `${account} ${decimalText(amount, currency)}`)
          print(`${entry} ${isNew ? 'is posted' : 'was posted before'}: ${shown.join(', ')} ${lines[0]?.currency}`)
          if (of === undefined && lines.some(line => line.account === 'STRIPE'))
            print('It names no entry (--of): ledger verify will list it, because Stripe has nothing like it.')
        })
      })
    })
}

function verify(): Command {
  return command('verify', 'Compare the ledger with Stripe’s balance transactions.', {
    examples: ['ledger verify', 'ledger verify --since 2026-11-01'],
    exits: { 0: 'they are the same', 1: 'they differ; each difference is listed' }
  })
    .option('--since <date>', `from then on; ${DEFAULT_DAYS} days when left out`, date)
    .option('--until <date>', 'before then; now when left out', date)
    .action(async (options: Output & { since?: Date; until?: Date }) => {
      await withStripe('ledger verify', async services => {
        const until = options.until ?? services.now()
        const since = options.since ?? new Date(until.getTime() - DEFAULT_DAYS * DAY)
        const progress = showProgress()
        progress.show('reading the balance transactions of Stripe')
        const report = await verifyLedger(services, since, until).finally(progress.clear)
        if (report.differences.length > 0) terminal().exitCode = FAILED
        answer(options, { since, until, ...report }, ({ compared, foreign, errors, differences }) => {
          print(
            `From ${localTime(since)} to ${localTime(until)}: ${compared} balance transactions compared, ${foreign} of other business.`
          )
          for (const error of errors) print(`  not booked: ${error}`)
          for (const difference of differences) print(`  ${difference}`)
          print(differences.length === 0 ? 'The ledger is right.' : `${differences.length} differences.`)
        })
      })
    })
}

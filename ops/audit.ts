import { type Command, Option } from 'commander'
import { exportTrail, type TrailFormat } from '../shared/audit/export-trail.js'
import { undeceivedRead } from '../shared/database/database.js'
import { DAY, MINUTE } from '../shared/duration.js'
import {
  findNewestOfOrder,
  findNewestOfUser,
  findSuspiciousUsers,
  type TrailRow
} from '../shared/statements/audit-trail.js'
import { amountText } from './amount.js'
import { date, positive } from './arguments.js'
import { verify } from './audit-verify.js'
import { command, group, type Output, plainCommand } from './command.js'
import { withDatabase } from './environment.js'
import { localTime } from './local-time.js'
import { answer, print, printed } from './print.js'
import { showProgress } from './progress.js'
import { printTable } from './table.js'
import { terminal } from './terminal.js'

const PAGE = 1_000
const MOST_MINUTES = 7 * 24 * 60
/** Between two lines of progress. */
const ROWS = 1_000

/** The trail is read, never written, and without the queue store. */
export function audit(): Command {
  return group('audit', 'The audit trail: whether it is sound, whose it is, all of it.', [
    verify(),
    ofOrder(),
    ofUser(),
    suspicious(),
    exportRows()
  ])
}

function ofOrder(): Command {
  return command('order', 'The newest rows of an order.', { examples: ['audit order cmb1x2y3z'] })
    .argument('<order>', 'its id')
    .action(async (id: string, options: Output) => {
      await withDatabase('audit order', async ({ db }) =>
        answer(options, await undeceivedRead(db.pool, client => findNewestOfOrder(client, id, PAGE)), view)
      )
    })
}

function ofUser(): Command {
  return command('user', 'The newest rows of a customer.', { examples: ['audit user ada --days 7'] })
    .argument('<user>', 'their id')
    .option('--days <days>', 'how far back', positive('days'), 30)
    .action(async (id: string, options: Output & { days: number }) => {
      await withDatabase('audit user', async ({ db, now }) => {
        const since = new Date(now().getTime() - options.days * DAY)
        answer(options, await undeceivedRead(db.pool, client => findNewestOfUser(client, id, since, PAGE)), view)
      })
    })
}

/** Newest first, as they were read; shown oldest first. */
function view(rows: TrailRow[]): void {
  if (rows.length === 0) return print('The trail has no such row.')
  if (rows.length === PAGE) print(`The newest ${PAGE} rows; all of them: npm run ops -- audit export`)
  printTable(
    [
      ['WHEN', 'WHO', 'ACTION', 'STATUS', 'BEFORE → AFTER', 'AMOUNT', 'ERROR'],
      ...rows
        .toReversed()
        .map(row => [
          localTime(row.createdAt),
          operatorIn(row) ?? row.userId ?? '',
          row.action,
          row.status,
          row.after === null ? '' : `${row.before ?? ''} → ${row.after}`,
          amountIn(row),
          row.error ?? ''
        ])
    ],
    ['AMOUNT']
  )
}

function operatorIn({ metadata }: TrailRow): string | undefined {
  const operator = typeof metadata === 'object' && metadata !== null && 'operator' in metadata && metadata.operator
  return typeof operator === 'string' ? operator : undefined
}

function amountIn({ amount, currency }: TrailRow): string {
  if (amount === null) return ''
  return currency === null ? String(amount) : amountText(amount, currency)
}

function suspicious(): Command {
  return command('suspicious', 'Users with more than 5 checkout rows, or more than 3 failed ones.', {
    examples: ['audit suspicious --minutes 60']
  })
    .option('--minutes <minutes>', 'how far back', positive('minutes', MOST_MINUTES), 10)
    .action(async (options: Output & { minutes: number }) => {
      await withDatabase('audit suspicious', async ({ db, now }) => {
        const since = new Date(now().getTime() - options.minutes * MINUTE)
        const found = await undeceivedRead(db.pool, client => findSuspiciousUsers(client, since, PAGE))
        answer(options, found, rows => {
          if (rows.length === 0) return print(`Nobody is suspicious in the last ${options.minutes} minutes.`)
          printTable(
            [
              ['USER', 'ATTEMPTS', 'FAILURES'],
              ...rows.map(row => [row.userId, String(row.attempts), String(row.failures)])
            ],
            ['ATTEMPTS', 'FAILURES']
          )
        })
      })
    })
}

interface Exported {
  format: TrailFormat
  since?: Date
  until?: Date
}

function exportRows(): Command {
  return plainCommand('export', 'The trail as JSON Lines or CSV, oldest first.', {
    examples: ['audit export > trail.jsonl', 'audit export --format csv --since 2026-11-01 > trail.csv']
  })
    .addOption(new Option('--format <format>', 'of the file').choices(['jsonl', 'csv']).default('jsonl'))
    .addOption(new Option('--json', 'the same as --format jsonl').conflicts('format'))
    .option('--since <date>', 'rows from then on', date)
    .option('--until <date>', 'rows before then', date)
    .action(async ({ format, since, until }: Exported) => {
      await withDatabase('audit export', async ({ db }) => {
        // Between the rows of an export that is read, it would only be in the way.
        const progress = terminal().stdout.isTTY ? undefined : showProgress()
        let rows = 0
        for await (const line of exportTrail(db, format, { since, until })) {
          terminal().stdout.write(`${line}\n`)
          await printed()
          rows += 1
          if (rows % ROWS === 0) progress?.show(`${rows} rows`)
        }
        progress?.clear()
      })
    })
}

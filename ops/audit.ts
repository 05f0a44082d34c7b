import { parseArgs } from 'node:util'
import { exportTrail } from '../shared/audit/export-trail.js'
import { undeceivedRead } from '../shared/database/database.js'
import { DAY, MINUTE } from '../shared/duration.js'
import { minor, toDecimalString } from '../shared/money.js'
import type { Services } from '../shared/runtime/services.js'
import {
  findNewestOfOrder,
  findNewestOfUser,
  findSuspiciousUsers,
  type TrailRow
} from '../shared/statements/audit-trail.js'
import { verify } from './audit-verify.js'
import { withDatabase } from './environment.js'
import { print, printed, printTable } from './print.js'
import { dateArgument, required, UsageError } from './usage-error.js'

const PAGE = 1_000
const HISTORY_DAYS = 30
const MOST_MINUTES = 7 * 24 * 60

/** The trail is read, never written, and without the queue store. */
type Opened = Pick<Services, 'config' | 'db' | 'now'>

const actions: Record<string, ((opened: Opened, args: string[]) => Promise<void>) | undefined> = {
  order: ofOrder,
  user: history,
  suspicious,
  export: exportRows
}

export async function audit([action = '', ...args]: string[]): Promise<void> {
  if (action === 'verify') return await verify(args)
  const run = actions[action]
  if (run === undefined) throw new UsageError(`audit takes verify, ${Object.keys(actions).join(', ')}.`)
  await withDatabase(opened => run(opened, args))
}

async function ofOrder({ db }: Opened, args: string[]): Promise<void> {
  const id = required(args[0], 'The order’s id')
  list(await undeceivedRead(db.pool, client => findNewestOfOrder(client, id, PAGE)))
}

async function history({ db, now }: Opened, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, options: { days: { type: 'string' } }, allowPositionals: true })
  const days = Number(values.days ?? HISTORY_DAYS)
  if (!(days > 0)) throw new UsageError('--days takes a number of days.')
  const since = new Date(now().getTime() - days * DAY)
  const id = required(positionals[0], 'The user’s id')
  list(await undeceivedRead(db.pool, client => findNewestOfUser(client, id, since, PAGE)))
}

/** Newest first, as they were read. */
function list(rows: TrailRow[]): void {
  if (rows.length === 0) return print('The trail has no such row.')
  if (rows.length === PAGE) print(`The newest ${PAGE} rows; all of them: npm run ops -- audit export`)
  printTable([
    ['WHEN', 'WHO', 'ACTION', 'STATUS', 'BEFORE → AFTER', 'AMOUNT', 'ERROR'],
    ...rows
      .toReversed()
      .map(row => [
        row.createdAt.toISOString(),
        operatorIn(row) ?? row.userId ?? '',
        row.action,
        row.status,
        row.after === null ? '' : `${row.before ?? ''} → ${row.after}`,
        amountIn(row),
        row.error ?? ''
      ])
  ])
}

function operatorIn({ metadata }: TrailRow): string | undefined {
  const operator = typeof metadata === 'object' && metadata !== null && 'operator' in metadata && metadata.operator
  return typeof operator === 'string' ? operator : undefined
}

function amountIn({ amount, currency }: TrailRow): string {
  if (amount === null) return ''
  return currency === null ? String(amount) : `${toDecimalString(minor(amount), currency)} ${currency}`
}

/** Users with more than 5 checkout rows, or more than 3 failed ones, in the last minutes (10). */
async function suspicious({ db, now }: Opened, args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { minutes: { type: 'string', default: '10' } } })
  const minutes = Number(values.minutes)
  if (!(minutes > 0 && minutes <= MOST_MINUTES))
    throw new UsageError(`--minutes takes a number of minutes, at most ${MOST_MINUTES} (a week).`)
  const since = new Date(now().getTime() - minutes * MINUTE)
  const rows = await undeceivedRead(db.pool, client => findSuspiciousUsers(client, since, PAGE))
  if (rows.length === 0) return print(`Nobody is suspicious in the last ${values.minutes} minutes.`)
  printTable([
    ['USER', 'ATTEMPTS', 'FAILURES'],
    ...rows.map(row => [row.userId, String(row.attempts), String(row.failures)])
  ])
}

/** The trail as JSON Lines or CSV, oldest first. */
async function exportRows({ db }: Opened, args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { format: { type: 'string', default: 'jsonl' }, since: { type: 'string' }, until: { type: 'string' } }
  })
  if (values.format !== 'jsonl' && values.format !== 'csv') throw new UsageError('--format takes jsonl or csv.')
  const since = values.since === undefined ? undefined : dateArgument(values.since, '--since')
  const until = values.until === undefined ? undefined : dateArgument(values.until, '--until')
  for await (const line of exportTrail(db, values.format, { since, until })) {
    print(line)
    await printed()
  }
}

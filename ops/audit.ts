import { parseArgs } from 'node:util'
import { type VerificationState, verifyTrail } from '../shared/audit/trail-verification.js'
import { undeceivedRead } from '../shared/database/database.js'
import { DAY, MINUTE } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import { minor, toDecimalString } from '../shared/money.js'
import type { Services } from '../shared/runtime/services.js'
import {
  findNewestOfOrder,
  findNewestOfUser,
  findSuspiciousUsers,
  readTrail,
  type TrailRow
} from '../shared/statements/audit-trail.js'
import { type Bookmark, bookmarkOf } from './bookmark.js'
import { withDatabase } from './environment.js'
import { print, printed, printTable } from './print.js'
import { showProgress } from './progress.js'
import { dateArgument, required, UsageError } from './usage-error.js'

const PAGE = 1_000
const HISTORY_DAYS = 30
const MOST_MINUTES = 7 * 24 * 60
/** Neither sound nor wrong: the verification was broken off, or lacks a key. */
const UNDECIDED = 3

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

/**
 * Recomputes every hash, slice by slice; names each row that was changed, removed or moved. The exit code is 1 when there
 * is one, and 3 when the verification could not finish or lacks a key: then nothing is known to be wrong.
 */
async function verify(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { resume: { type: 'boolean', default: false } } })
  const reached: Reached = {}
  try {
    await withDatabase(opened => verifyAll(opened, values.resume, reached))
  } catch (error) {
    const { rows = 0, wrong = 0 } = reached.state ?? {}
    const goOn =
      reached.file === undefined
        ? 'Run it again.'
        : `Go on with: npm run ops -- audit verify --resume (from ${reached.file})`
    process.stderr.write(
      `The verification could not finish, after ${rows} rows with ${wrong} problems: ${messageOf(error)}. ${goOn}\n`
    )
    process.exitCode = wrong > 0 ? 1 : UNDECIDED
  }
}

interface Reached {
  state?: VerificationState
  /** Undefined when no bookmark was kept. */
  file?: string
}

async function verifyAll({ db, config, now }: Opened, resume: boolean, reached: Reached): Promise<void> {
  const bookmark = bookmarkOf(config.database.url)
  const from = resume ? bookmark.read() : undefined
  if (resume && from === undefined) {
    print(`No verification was broken off (${bookmark.file} is not there): this one begins with the first row.`)
  }
  if (from !== undefined) {
    print(`Going on from ${from.at.toISOString()}, after ${from.state.rows} rows (${bookmark.file}).`)
    Object.assign(reached, { state: from.state, file: bookmark.file })
  }
  const progress = showProgress()
  const interrupt = catchInterrupt()
  try {
    for await (const { state, findings } of verifyTrail(db, config, { from: from?.state })) {
      for (const finding of findings) print(finding)
      reached.file = keep(bookmark, now(), state, reached)
      reached.state = state
      progress.show(`${state.rows} rows in ${state.chains} chains, ${state.wrong} problems (${state.phase})`)
      if (interrupt.came && state.phase !== 'done') throw new Error('it was interrupted')
    }
  } finally {
    interrupt.ignore()
    progress.clear()
  }
  if (reached.file !== undefined) bookmark.remove()
  if (reached.state !== undefined) conclude(reached.state)
}

/** A verification is worth as much without a bookmark: that none can be kept is said once. */
function keep(bookmark: Bookmark, at: Date, state: VerificationState, reached: Reached): string | undefined {
  if (reached.state !== undefined && reached.file === undefined) return undefined
  try {
    bookmark.keep(at, state)
    return bookmark.file
  } catch (error) {
    process.stderr.write(`No bookmark is kept, and --resume has nothing to go on from: ${messageOf(error)}\n`)
    return undefined
  }
}

function conclude({ rows, chains, tombstones, wrong, unknown }: VerificationState): void {
  const found = [
    ...(wrong > 0 ? [`${wrong} problems`] : []),
    ...(unknown > 0 ? [`${unknown} tombstones cannot be told for the lack of a key`] : [])
  ]
  print(`${rows} rows in ${chains} chains, ${tombstones} tombstones: ${found.join(', ') || 'sound'}.`)
  if (wrong > 0) process.exitCode = 1
  else if (unknown > 0) process.exitCode = UNDECIDED
}

/** The slice that is under way is finished and kept before the command ends. */
function catchInterrupt() {
  const caught = {
    came: false,
    ignore: () => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, take)
    }
  }
  const take = () => {
    caught.came = true
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, take)
  return caught
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

/** The trail as JSON Lines or CSV (RFC 4180), oldest first. */
async function exportRows({ db }: Opened, args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { format: { type: 'string', default: 'jsonl' }, since: { type: 'string' }, until: { type: 'string' } }
  })
  if (values.format !== 'jsonl' && values.format !== 'csv') throw new UsageError('--format takes jsonl or csv.')
  const since = values.since === undefined ? undefined : dateArgument(values.since, '--since')
  const until = values.until === undefined ? undefined : dateArgument(values.until, '--until')
  let header = values.format === 'csv'
  for (let last: TrailRow | undefined; ; ) {
    const rows = await undeceivedRead(db.pool, client => readTrail(client, { since, until }, last, PAGE))
    if (header && rows[0] !== undefined) print(Object.keys(rows[0]).join(','))
    header = header && rows.length === 0
    for (const row of rows) print(values.format === 'csv' ? csvLine(row) : jsonLine(row))
    await printed()
    last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
  }
}

function jsonLine(row: TrailRow): string {
  return JSON.stringify(row)
}

function csvLine(row: TrailRow): string {
  return Object.values(row).map(csvCell).join(',')
}

/** Quoted, and never the beginning of a formula when a spreadsheet opens it (OWASP, CSV Injection). */
function csvCell(value: unknown): string {
  if (value === null) return ''
  const text =
    value instanceof Date ? value.toISOString() : typeof value === 'object' ? JSON.stringify(value) : String(value)
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

import { parseArgs } from 'node:util'
import { DAY, MINUTE } from '../shared/duration.js'
import type { PaymentAuditLog, Prisma } from '../shared/generated/prisma/client.js'
import { minorFromBigInt, toDecimalString } from '../shared/money.js'
import type { Services } from '../shared/services.js'
import { countAuditRows, findAuditProblems, readTombstones } from '../shared/statements/audit-trail.js'
import { isSigned } from '../shared/tombstone.js'
import { withServices } from './environment.js'
import { print, printed, printTable } from './print.js'
import { dateArgument, required, UsageError } from './usage-error.js'

const PAGE = 1_000
const HISTORY_DAYS = 30

const actions: Record<string, ((services: Services, args: string[]) => Promise<void>) | undefined> = {
  verify,
  order: (services, args) => list(services, { orderId: required(args[0], 'The order’s id') }),
  user: history,
  suspicious,
  export: exportRows
}

export async function audit([action = '', ...args]: string[]): Promise<void> {
  const run = actions[action]
  if (run === undefined) throw new UsageError(`audit takes ${Object.keys(actions).join(', ')}.`)
  await withServices(services => run(services, args))
}

/** Recomputes every hash; names each row that was changed, removed or moved. The exit code is 1 when there is one. */
async function verify({ db, config }: Services): Promise<void> {
  const problems = await findAuditProblems(db.pool)
  for (const { chain, id, problem } of problems) print(`chain ${chain}, row ${id ?? '?'}: ${problem}`)
  const tombstones = await readTombstones(db.pool)
  const forged = tombstones.filter(tombstone => !isSigned(tombstone, config.auth.secret))
  for (const { chain } of forged) print(`chain ${chain}: its tombstone is not signed by this AUTH_SECRET`)
  const { rows, chains } = await countAuditRows(db.pool)
  const wrong = problems.length + forged.length
  print(
    `${rows} rows in ${chains} chains, ${tombstones.length} tombstones: ${wrong === 0 ? 'sound' : `${wrong} problems`}.`
  )
  if (wrong > 0) process.exitCode = 1
}

async function history(services: Services, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, options: { days: { type: 'string' } }, allowPositionals: true })
  const days = Number(values.days ?? HISTORY_DAYS)
  if (!(days > 0)) throw new UsageError('--days takes a number of days.')
  const since = new Date(services.now().getTime() - days * DAY)
  await list(services, { userId: required(positionals[0], 'The user’s id'), createdAt: { gte: since } })
}

async function list({ db }: Services, where: Prisma.PaymentAuditLogWhereInput): Promise<void> {
  const rows = await db.prisma.paymentAuditLog.findMany({ where, orderBy: { id: 'desc' }, take: PAGE })
  if (rows.length === 0) return print('The trail has no such row.')
  if (rows.length === PAGE) print(`The newest ${PAGE} rows; all of them: npm run ops -- audit export`)
  rows.reverse()
  printTable([
    ['WHEN', 'WHO', 'ACTION', 'STATUS', 'BEFORE → AFTER', 'AMOUNT', 'ERROR'],
    ...rows.map(row => [
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

function operatorIn({ metadata }: PaymentAuditLog): string | undefined {
  const operator = typeof metadata === 'object' && metadata !== null && 'operator' in metadata && metadata.operator
  return typeof operator === 'string' ? operator : undefined
}

function amountIn({ amount, currency }: PaymentAuditLog): string {
  if (amount === null) return ''
  return currency === null ? String(amount) : `${toDecimalString(minorFromBigInt(amount), currency)} ${currency}`
}

/** Users with more than 5 checkout rows, or more than 3 failed ones, in the last minutes (10). */
async function suspicious({ db, now }: Services, args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { minutes: { type: 'string', default: '10' } } })
  const since = new Date(now().getTime() - Number(values.minutes) * MINUTE)
  const { rows } = await db.pool.query<{ userId: string; attempts: number; failures: number }>(
    `SELECT "userId", count(*) FILTER (WHERE "action" = 'checkout_received')::int AS attempts,
       count(*) FILTER (WHERE "status" = 'FAILED')::int AS failures
     FROM "PaymentAuditLog" WHERE "createdAt" >= $1 AND "userId" IS NOT NULL AND ("action" LIKE 'checkout%' OR "action" = 'payment_declined')
     GROUP BY 1 HAVING count(*) FILTER (WHERE "action" = 'checkout_received') > 5 OR count(*) FILTER (WHERE "status" = 'FAILED') > 3
     ORDER BY failures DESC, attempts DESC`,
    [since]
  )
  if (rows.length === 0) return print(`Nobody is suspicious in the last ${values.minutes} minutes.`)
  printTable([
    ['USER', 'ATTEMPTS', 'FAILURES'],
    ...rows.map(row => [row.userId, String(row.attempts), String(row.failures)])
  ])
}

/** The trail as JSON Lines or CSV (RFC 4180), oldest first. */
async function exportRows({ db }: Services, args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { format: { type: 'string', default: 'jsonl' }, since: { type: 'string' }, until: { type: 'string' } }
  })
  if (values.format !== 'jsonl' && values.format !== 'csv') throw new UsageError('--format takes jsonl or csv.')
  const createdAt = {
    ...(values.since === undefined ? {} : { gte: dateArgument(values.since, '--since') }),
    ...(values.until === undefined ? {} : { lt: dateArgument(values.until, '--until') })
  }
  let header = values.format === 'csv'
  for (let after = 0n; ; ) {
    const rows = await db.prisma.paymentAuditLog.findMany({
      where: { createdAt, id: { gt: after } },
      orderBy: { id: 'asc' },
      take: PAGE
    })
    if (header && rows[0] !== undefined) print(Object.keys(rows[0]).join(','))
    header = header && rows.length === 0
    for (const row of rows) print(values.format === 'csv' ? csvLine(row) : jsonLine(row))
    await printed()
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    after = last.id
  }
}

function jsonLine(row: PaymentAuditLog): string {
  return JSON.stringify(row, (_key, value) => (typeof value === 'bigint' ? Number(value) : value))
}

function csvLine(row: PaymentAuditLog): string {
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

import { type Client, type Database, transaction } from '../database/database.js'
import { MINUTE } from '../duration.js'
import { findLowStock } from '../statements/low-stock.js'
import {
  countExpiredKeys,
  findLedgerDifferences,
  readAlerts,
  readCheckouts,
  readDeclines,
  readDeliveries,
  readFraud,
  readMoney,
  readNotified,
  readRefusals,
  type Scope
} from '../statements/report-figures.js'
import { countRows } from '../statements/row-counts.js'
import { periodsOf, type ReportRequest } from './period.js'

/** Of lists: what a person reads. */
const MOST_LISTED = 20
const STATEMENT_TIMEOUT_MS = 2 * MINUTE

export interface ReportContext {
  now: Date
  /** Products of which so many or fewer are left are told. */
  stockLowAt: number
}

export type Report = Awaited<ReturnType<typeof makeReport>>

/**
 * What happened in a period, and in the one before it; amounts in minor units; from the replica where there is one. All of
 * one snapshot, which writes nothing. Throws Refused for a range that has no time in it.
 */
export async function makeReport({ late }: Pick<Database, 'late'>, request: ReportRequest, context: ReportContext) {
  return await late.read(pool => makeReportFrom(pool, request, context))
}

/** As makeReport(), of this database and no other. */
export async function makeReportFrom(
  pool: Database['pool'],
  request: ReportRequest,
  { now, stockLowAt }: ReportContext
) {
  const { kind, timeZone, currency } = request
  return await transaction(
    pool,
    async db => {
      await db.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY')
      const { period, before } = await periodsOf(db, request, now)
      const scope = { ...period, currency }
      const lowStock = await findLowStock(db, stockLowAt, MOST_LISTED)
      return {
        kind,
        timeZone,
        currency: currency ?? null,
        madeAt: now,
        period: await figuresOf(db, scope),
        before: await figuresOf(db, { ...before, currency }),
        ledgerDifferences: await findLedgerDifferences(db, scope, MOST_LISTED),
        now: {
          rows: Object.fromEntries((await countRows(db)).map(({ what, count }) => [what, count])),
          soldOut: lowStock.filter(({ left }) => left === 0).map(({ slug, name }) => ({ slug, name })),
          lowStock,
          expiredKeys: await countExpiredKeys(db, now)
        }
      }
    },
    { statementTimeoutMs: STATEMENT_TIMEOUT_MS }
  )
}

async function figuresOf(db: Client, of: Scope) {
  return {
    since: of.since,
    until: of.until,
    money: await readMoney(db, of),
    checkouts: await readCheckouts(db, of),
    declines: await readDeclines(db, of, MOST_LISTED),
    refusals: await readRefusals(db, of),
    fraud: await readFraud(db, of),
    deliveries: await readDeliveries(db, of),
    notifications: await readNotified(db, of),
    alerts: await readAlerts(db, of)
  }
}

import { writeAudit } from '../audit/audit.js'
import { DAY } from '../duration.js'
import { messageOf } from '../errors.js'
import { newId } from '../ids.js'
import type { Services } from '../runtime/services.js'
import { askEach } from './ask-each.js'
import { type Candidate, candidatesOf, daysFrom, unfinishedRows } from './objects/candidates.js'
import { type Examined, examine, type Run } from './objects/examine.js'

/**
 * An event is delivered for up to three days, so that what was told after a backup can be that much older than it.
 * https://docs.stripe.com/webhooks#automatic-retries
 */
export const DELIVERED_LATE_DAYS = 3
/** Each waits for one answer at a time; Stripe takes 25 requests a second in test mode: https://docs.stripe.com/rate-limits */
const AT_ONCE = 4
const MAX_ERRORS = 1_000

export interface ObjectsReport {
  from: Date
  /** Payments, and Sessions without one, that were compared. */
  compared: number
  /** Those of them that differed, and what still does. */
  different: number
  remaining: number
  /** Of checkouts that this database does not have. */
  unknown: number
  /** What could not be read or applied. */
  errors: string[]
  /** Where to go on; undefined when all was read. */
  goOnFrom: Date | undefined
}

export interface ObjectsOptions {
  /** The time of the backup. */
  since: Date
  /** Where an earlier run ended. */
  from?: Date
  requestId: string
  /** What was found, as it is found. */
  onFound?(found: Examined): void
  /** After each day, and each page of our own rows. */
  onProgress?(report: ObjectsReport, what: string): void
}

/**
 * After a restore: reads Stripe's payments, Sessions, refunds, disputes and balance transactions since a backup, and all
 * that is not final here, and brings each order to what Stripe has. Events that Stripe has delivered are not asked for:
 * they are told no more. A day at a time, oldest first, so that another run can go on.
 */
export async function reconcileObjects(services: Services, options: ObjectsOptions): Promise<ObjectsReport> {
  const from = options.from ?? new Date(options.since.getTime() - DELIVERED_LATE_DAYS * DAY)
  const report: ObjectsReport = {
    from,
    compared: 0,
    different: 0,
    remaining: 0,
    unknown: 0,
    errors: [],
    goOnFrom: from
  }
  const run: Run = { id: newId(), requestId: options.requestId }
  const orders = new Set<string>()
  const look = async (candidates: Candidate[]) => {
    const errors: string[] = []
    const one = async (candidate: Candidate) => {
      const found = await examine(services, run, candidate)
      count(report, found)
      if (found.kind === 'different' && found.orderId !== null && orders.size < 100) orders.add(found.orderId)
      options.onFound?.(found)
    }
    await askEach(candidates, errors, one, AT_ONCE).finally(() => note(report, errors))
  }
  try {
    const begun = services.now()
    for (const { begins, created } of daysFrom(from, begun)) {
      report.goOnFrom = begins
      for await (const page of candidatesOf(services, created)) {
        await look(page)
        options.onProgress?.(report, begins.toISOString().slice(0, 10))
      }
    }
    report.goOnFrom = begun
    for await (const page of unfinishedRows(services)) {
      await look(page)
      options.onProgress?.(report, 'rows that are not final')
    }
    report.goOnFrom = undefined
  } catch (error) {
    note(report, [messageOf(error)])
  }
  await audit(services, run, report, [...orders])
  return report
}

function count(report: ObjectsReport, found: Examined): void {
  if (found.kind === 'foreign') return
  report.compared++
  if (found.kind === 'unknown') report.unknown++
  if (found.kind !== 'different') return
  report.different++
  if (found.remaining.length > 0) report.remaining++
  note(report, found.errors)
}

function note(report: ObjectsReport, errors: string[]): void {
  for (const error of errors) {
    if (report.errors.length < MAX_ERRORS && !report.errors.includes(error)) report.errors.push(error)
  }
}

async function audit({ db, log }: Services, run: Run, report: ObjectsReport, orders: string[]): Promise<void> {
  const { compared, different, remaining, unknown, errors } = report
  const metadata = { compared, different, remaining, unknown, errors: errors.length, orders }
  log.warn(metadata, 'reconcile compared objects of Stripe with the rows')
  await writeAudit(db.pool, {
    action: 'objects_reconciled',
    status: report.goOnFrom === undefined && errors.length === 0 && remaining === 0 ? 'SUCCESS' : 'FAILED',
    requestId: run.requestId,
    metadata: { run: run.id, since: report.from.toISOString(), ...metadata }
  })
}

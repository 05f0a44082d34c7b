import { parseArgs } from 'node:util'
import type { Examined } from '../shared/reconcile/objects/examine.js'
import { LOOK_BACK_DAYS, reconcile as run } from '../shared/reconcile/reconcile.js'
import { DELIVERED_LATE_DAYS, type ObjectsReport, reconcileObjects } from '../shared/reconcile/reconcile-objects.js'
import type { Services } from '../shared/runtime/services.js'
import { operator, withServices } from './environment.js'
import { print } from './print.js'
import { dateArgument, UsageError } from './usage-error.js'

/** Finds now what no webhook has told, and says what; with --objects, what Stripe told before a restore, too. */
export async function reconcile(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      since: { type: 'string' },
      objects: { type: 'boolean', default: false },
      from: { type: 'string' }
    }
  })
  const since = values.since === undefined ? undefined : dateArgument(values.since, '--since')
  const from = values.from === undefined ? undefined : dateArgument(values.from, '--from')
  if (values.objects && since === undefined)
    throw new UsageError('--objects takes --since too: the time of the backup that was restored.')
  if (!values.objects && from !== undefined) throw new UsageError('--from goes with --objects.')
  await withServices(async services => {
    for (const date of [since, from]) {
      if (date !== undefined && date > services.now()) throw new UsageError(`${date.toISOString()} is still to come.`)
    }
    if (values.objects && since !== undefined && !(await objects(services, since, from))) return
    await events(services, since)
  })
}

async function events(services: Services, since: Date | undefined): Promise<void> {
  const report = await run(services, { since, requestId: `ops-${operator()}` })
  print(`Since ${report.since.toISOString()} (Stripe tells ${LOOK_BACK_DAYS} days at most):`)
  print(
    `  undelivered events          ${report.undelivered}, of which of neighbours ${report.neighbours}, new to us ${report.recovered.length}`
  )
  print(`  checkouts polled            ${report.polled}, of which had ended ${report.found.length}`)
  print(`  balance transactions booked ${report.booked}`)
  for (const { checkoutId, type } of report.found) print(`    ${checkoutId}  ${type}`)
  for (const id of report.recovered.slice(0, 50)) print(`    ${id}`)
  if (report.recovered.length > 50) print(`    and ${report.recovered.length - 50} more`)
  for (const error of report.errors) print(`  failed: ${error}`)
  if (report.errors.length > 0) process.exitCode = 1
}

/** Prints what differs as it is found. False when it ended before all was read. */
async function objects(services: Services, since: Date, from: Date | undefined): Promise<boolean> {
  const begins = from ?? `${DELIVERED_LATE_DAYS} days before ${since.toISOString()}`
  print(`Objects of Stripe from ${begins instanceof Date ? begins.toISOString() : begins} on:`)
  const report = await reconcileObjects(services, {
    since,
    from,
    requestId: `ops-${operator()}`,
    onFound: show,
    onProgress: showProgress
  })
  clearProgress()
  print(`  payments and Sessions compared  ${report.compared}`)
  print(`  of which differed               ${report.different}, still different ${report.remaining}`)
  print(`  of checkouts not in here        ${report.unknown}`)
  for (const error of report.errors) print(`  failed: ${error}`)
  if (report.errors.length > 0 || report.remaining > 0) process.exitCode = 1
  if (report.goOnFrom === undefined) return true
  const command = `reconcile --objects --since ${since.toISOString()} --from ${report.goOnFrom.toISOString()}`
  print(`It ended early. What is above is done; go on with: npm run ops -- ${command}`)
  process.exitCode = 1
  return false
}

function show(found: Examined): void {
  if (found.kind === 'unknown') {
    clearProgress()
    print(`  ${found.what}`)
  }
  if (found.kind !== 'different') return
  clearProgress()
  print(`  order ${found.orderId}: ${found.remaining.length === 0 ? 'repaired' : 'NOT REPAIRED'}`)
  for (const difference of found.differences) print(`    ${difference}`)
  for (const remaining of found.remaining) print(`    still: ${remaining}`)
}

/** At a terminal, on one line. */
function showProgress({ compared, different }: ObjectsReport, what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what}: ${compared} compared, ${different} differed`)
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
}

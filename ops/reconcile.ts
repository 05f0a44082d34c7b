import type { Command } from 'commander'
import type { Examined } from '../shared/reconcile/objects/examine.js'
import { LOOK_BACK_DAYS, type ReconcileReport, reconcile as run } from '../shared/reconcile/reconcile.js'
import { DELIVERED_LATE_DAYS, type ObjectsReport, reconcileObjects } from '../shared/reconcile/reconcile-objects.js'
import type { Services } from '../shared/runtime/services.js'
import { date } from './arguments.js'
import { command, type Output } from './command.js'
import { operator, withServices } from './environment.js'
import { FAILED, UNFINISHED } from './exit-code.js'
import { localTime } from './local-time.js'
import { answer, print } from './print.js'
import { showProgress } from './progress.js'
import { terminal } from './terminal.js'
import { UsageError } from './usage-error.js'

interface Options extends Output {
  since?: Date
  objects: boolean
  from?: Date
}

/** Finds now what no webhook has told, and says what; with --objects, what Stripe told before a restore, too. */
export function reconcile(): Command {
  return command(
    'reconcile',
    'Find what no webhook has told, and repair it; with --objects, after a restore of a backup of that time.',
    {
      examples: ['reconcile', 'reconcile --objects --since 2026-11-20T03:00:00Z'],
      exits: {
        0: 'all was read, and nothing differs any more',
        1: 'something could not be read or repaired',
        3: 'it ended early; it says how to go on'
      }
    }
  )
    .option('--since <date>', 'undelivered events from then on; with --objects, when the backup began', date)
    .option('--objects', 'read Stripe’s objects: what was delivered before a restore is told no more', false)
    .option('--from <date>', 'with --objects: where an earlier run ended', date)
    .action(async (options: Options) => {
      const { since, from } = checked(options)
      await withServices('reconcile', async services => {
        for (const each of [since, from]) {
          if (each !== undefined && each > services.now())
            throw new UsageError(`${each.toISOString()} is still to come.`)
        }
        const objects =
          options.objects && since !== undefined ? await ofObjects(services, since, from, options) : undefined
        const events = objects?.goOnFrom === undefined ? await ofEvents(services, since, options) : undefined
        if (options.json) answer(options, { objects, events }, () => undefined)
      })
    })
}

function checked(options: Options): Options {
  if (options.objects && options.since === undefined)
    throw new UsageError('--objects takes --since too: the time of the backup that was restored.')
  if (!options.objects && options.from !== undefined) throw new UsageError('--from goes with --objects.')
  return options
}

async function ofEvents(services: Services, since: Date | undefined, { json }: Output) {
  const progress = showProgress()
  progress.show('looking for events that Stripe could not deliver, and polling open checkouts')
  const { outages: _, ...report } = await run(services, { since, requestId: `ops-${operator()}` }).finally(
    progress.clear
  )
  if (report.errors.length > 0) terminal().exitCode = FAILED
  if (!json) viewEvents(report)
  return report
}

function viewEvents(report: Omit<ReconcileReport, 'outages'>): void {
  print(`Since ${localTime(report.since)} (Stripe tells ${LOOK_BACK_DAYS} days at most):`)
  print(
    `  undelivered events          ${report.undelivered}, of which of neighbours ${report.neighbours}, new to us ${report.recovered.length}`
  )
  print(`  checkouts polled            ${report.polled}, of which had ended ${report.found.length}`)
  print(`  balance transactions booked ${report.booked}`)
  for (const { checkoutId, type } of report.found) print(`    ${checkoutId}  ${type}`)
  for (const id of report.recovered.slice(0, 50)) print(`    ${id}`)
  if (report.recovered.length > 50) print(`    and ${report.recovered.length - 50} more`)
  for (const error of report.errors) print(`  failed: ${error}`)
}

/** Shows what differs as it is found. */
async function ofObjects(services: Services, since: Date, from: Date | undefined, { json }: Output) {
  const begins = from === undefined ? `${DELIVERED_LATE_DAYS} days before ${localTime(since)}` : localTime(from)
  if (!json) print(`Objects of Stripe from ${begins} on:`)
  const progress = showProgress()
  const found: Examined[] = []
  const report = await reconcileObjects(services, {
    since,
    from,
    requestId: `ops-${operator()}`,
    onFound: each => {
      if (json) return void (each.kind === 'unknown' || each.kind === 'different' ? found.push(each) : undefined)
      progress.clear()
      viewFound(each)
    },
    onProgress: ({ compared, different }, what) => progress.show(`${what}: ${compared} compared, ${different} differed`)
  }).finally(progress.clear)
  if (report.errors.length > 0 || report.remaining > 0) terminal().exitCode = FAILED
  else if (report.goOnFrom !== undefined) terminal().exitCode = UNFINISHED
  if (!json) viewObjects(report, since)
  return { ...report, found }
}

function viewFound(found: Examined): void {
  if (found.kind === 'unknown') print(`  ${found.what}`)
  if (found.kind !== 'different') return
  print(`  order ${found.orderId}: ${found.remaining.length === 0 ? 'repaired' : 'NOT REPAIRED'}`)
  for (const difference of found.differences) print(`    ${difference}`)
  for (const remaining of found.remaining) print(`    still: ${remaining}`)
}

function viewObjects(report: ObjectsReport, since: Date): void {
  print(`  payments and Sessions compared  ${report.compared}`)
  print(`  of which differed               ${report.different}, still different ${report.remaining}`)
  print(`  of checkouts not in here        ${report.unknown}`)
  for (const error of report.errors) print(`  failed: ${error}`)
  if (report.goOnFrom === undefined) return
  const goOn = `reconcile --objects --since ${since.toISOString()} --from ${report.goOnFrom.toISOString()}`
  print(`It ended early. What is above is done; go on with: npm run ops -- ${goOn}`)
}

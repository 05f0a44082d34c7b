import { parseArgs } from 'node:util'
import { LOOK_BACK_DAYS, reconcile as run } from '../workers/reconcile.js'
import { operator, withServices } from './environment.js'
import { print } from './print.js'
import { dateArgument } from './usage-error.js'

/** Finds now what no webhook has told, and says what. */
export async function reconcile(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { since: { type: 'string' } } })
  const since = values.since === undefined ? undefined : dateArgument(values.since, '--since')
  await withServices(async services => {
    const report = await run(services, { since, requestId: `ops-${operator()}` })
    print(`Since ${report.since.toISOString()} (Stripe tells ${LOOK_BACK_DAYS} days at most):`)
    print(`  undelivered events          ${report.undelivered}, of which new to us ${report.recovered.length}`)
    print(`  checkouts asked about       ${report.asked}, of which had ended ${report.found.length}`)
    print(`  balance transactions booked ${report.booked}`)
    for (const { checkoutId, type } of report.found) print(`    ${checkoutId}  ${type}`)
    for (const id of report.recovered.slice(0, 50)) print(`    ${id}`)
    if (report.recovered.length > 50) print(`    and ${report.recovered.length - 50} more`)
    for (const error of report.errors) print(`  failed: ${error}`)
    if (report.errors.length > 0) process.exitCode = 1
  })
}

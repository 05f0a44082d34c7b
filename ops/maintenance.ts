import { parseArgs } from 'node:util'
import { SECOND } from '../shared/duration.js'
import { setMaintenance } from '../shared/runtime/set-maintenance.js'
import { countUnderWay, readMaintenance } from '../shared/statements/switches.js'
import { operator, withServices } from './environment.js'
import { print } from './print.js'
import { dateArgument, required, UsageError } from './usage-error.js'

export async function maintenance([action, ...args]: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { message: { type: 'string' }, until: { type: 'string' } } })
  await withServices(async services => {
    if (action === 'on') {
      const message = required(values.message, '--message')
      const until = values.until === undefined ? null : dateArgument(values.until, '--until').toISOString()
      await setMaintenance(services, { on: true, message, until }, { operator: operator() })
      return print('Every process refuses new checkouts and orders within a second. Webhooks and workers go on.')
    }
    if (action === 'off') {
      await setMaintenance(services, { on: false, message: '', until: null }, { operator: operator() })
      return print('Checkouts are open.')
    }
    if (action !== 'status') throw new UsageError('maintenance takes on, off or status.')
    const now = await readMaintenance(services.db.pool)
    print(now?.on ? `On: ${now.message}${now.until === null ? '' : ` (until ${now.until})`}` : 'Off.')
  })
}

/** Waits until no row is under way, so that a deploy interrupts nothing. The exit code is 1 when time runs out. */
export async function drain(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { timeout: { type: 'string', default: '60' } } })
  const seconds = Number(values.timeout)
  if (!(seconds >= 0)) throw new UsageError('--timeout takes a number of seconds.')
  await withServices(async ({ db }) => {
    const until = Date.now() + seconds * SECOND
    for (;;) {
      const left = await countUnderWay(db.pool)
      if (left === 0) return print('Nothing is under way: stop the workers and deploy.')
      if (Date.now() > until) {
        process.exitCode = 1
        return print(
          `${left} rows are still under way after ${seconds} seconds. They are safe: the new workers go on with them.`
        )
      }
      await new Promise(resolve => setTimeout(resolve, SECOND / 2))
    }
  })
}

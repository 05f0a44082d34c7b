import { parseArgs } from 'node:util'
import { clearCustomer, networkNamed } from '../shared/orders/clear-customer.js'
import { decideFraud } from '../shared/rules/fraud.js'
import { readFraudSignals } from '../shared/statements/fraud.js'
import { operator, withServices } from './environment.js'
import { print, printJson } from './print.js'
import { required, UsageError } from './usage-error.js'

export async function fraud([action, ...args]: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { user: { type: 'string' }, ip: { type: 'string' }, note: { type: 'string' } }
  })
  const { user, ip } = values
  if (user === undefined && ip === undefined) throw new UsageError('fraud needs --user or --ip.')
  if (action === 'show') return await show(user ?? '', ip === undefined ? null : networkNamed(ip))
  if (action !== 'unblock') throw new UsageError('fraud takes show or unblock.')
  const given = { userId: user, ipAddress: ip, operator: operator(), note: required(values.note, '--note') }
  await withServices(async services => {
    const subjects = await clearCustomer(services, given)
    print(`The fraud rules count from zero for ${subjects.join(' and ')}.`)
  })
}

/** What the rules see, and what they would decide about the next checkout. */
async function show(userId: string, network: string | null): Promise<void> {
  await withServices(async ({ db, config, now }) => {
    const signals = await readFraudSignals(db.pool, { userId, network }, config.fraud, now())
    printJson({ signals, ...decideFraud(signals, config.fraud) })
  })
}

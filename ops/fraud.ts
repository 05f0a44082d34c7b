import { parseArgs } from 'node:util'
import { writeAudit } from '../shared/audit/audit.js'
import { transaction } from '../shared/database/database.js'
import { networkOf } from '../shared/identity/ip-address.js'
import { decideFraud } from '../shared/rules/fraud.js'
import { clearFraud, readFraudSignals } from '../shared/statements/fraud.js'
import { operator, withServices } from './environment.js'
import { print, printJson } from './print.js'
import { required, UsageError } from './usage-error.js'

export async function fraud([action, ...args]: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { user: { type: 'string' }, ip: { type: 'string' }, note: { type: 'string' } }
  })
  const { user } = values
  const ip = values.ip === undefined ? undefined : networkArgument(values.ip)
  if (user === undefined && ip === undefined) throw new UsageError('fraud needs --user or --ip.')
  if (action === 'show') return await show(user ?? '', ip ?? null)
  if (action !== 'unblock') throw new UsageError('fraud takes show or unblock.')
  const note = required(values.note, '--note')
  const subjects = [...(user === undefined ? [] : [`user:${user}`]), ...(ip === undefined ? [] : [`ip:${ip}`])]
  await withServices(async ({ db, now }) => {
    await transaction(db.pool, async client => {
      for (const subject of subjects) {
        await clearFraud(client, subject, { operator: operator(), note, now: now() })
        await writeAudit(client, {
          action: 'fraud_unblocked',
          status: 'SUCCESS',
          userId: user,
          // In the columns that can be forgotten; the metadata's texts are masked.
          ipAddress: subject.startsWith('ip:') ? ip : null,
          metadata: { subject, operator: operator(), note }
        })
      }
    })
    print(`The fraud rules count from zero for ${subjects.join(' and ')}.`)
  })
}

/** The rules count IPv6 by networks: any address of one names it, and so does the network itself. */
function networkArgument(text: string): string {
  const network = networkOf(text.replace(/\/64$/, ''))
  if (network === null)
    throw new UsageError(`--ip takes an IP address such as 203.0.113.7 or 2001:db8::1, not "${text}".`)
  return network
}

/** What the rules see, and what they would decide about the next checkout. */
async function show(userId: string, network: string | null): Promise<void> {
  await withServices(async ({ db, config, now }) => {
    const signals = await readFraudSignals(db.pool, { userId, network }, config.fraud, now())
    printJson({ signals, ...decideFraud(signals, config.fraud) })
  })
}

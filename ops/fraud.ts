import { parseArgs } from 'node:util'
import { writeAudit } from '../shared/audit.js'
import { transaction } from '../shared/database.js'
import { decideFraud } from '../shared/fraud.js'
import { clearFraud, readFraudSignals } from '../shared/statements/fraud.js'
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
          metadata: { subject, operator: operator(), note }
        })
      }
    })
    print(`The fraud rules count from zero for ${subjects.join(' and ')}.`)
  })
}

/** What the rules see, and what they would decide about the next checkout. */
async function show(userId: string, ipAddress: string | null): Promise<void> {
  await withServices(async ({ db, config, now }) => {
    const signals = await readFraudSignals(db.pool, { userId, ipAddress }, config.fraud.smallCartAmount, now())
    printJson({ signals, ...decideFraud(signals, config.fraud) })
  })
}

import { parseArgs } from 'node:util'
import { writeAudit } from '../shared/audit.js'
import { transaction } from '../shared/database.js'
import { MINUTE } from '../shared/duration.js'
import { erasePersonalData } from '../shared/statements/personal-data.js'
import { operator, withServices } from './environment.js'
import { print } from './print.js'
import { required, UsageError } from './usage-error.js'

/** Forgets a user now; amounts, items and states stay as the financial record. */
export async function privacy([action, ...args]: string[]): Promise<void> {
  if (action !== 'erase') throw new UsageError('privacy takes erase.')
  const { values } = parseArgs({ args, options: { user: { type: 'string' }, reason: { type: 'string' } } })
  const userId = required(values.user, '--user')
  const reason = required(values.reason, '--reason')
  await withServices(async ({ db }) => {
    const erased = await transaction(
      db.pool,
      async client => {
        const counts = await erasePersonalData(client, userId)
        await writeAudit(client, {
          action: 'personal_data_erased',
          status: 'SUCCESS',
          userId,
          metadata: { ...counts, operator: operator(), reason }
        })
        return counts
        // Payloads are searched for what they are about.
      },
      { statementTimeoutMs: 10 * MINUTE }
    )
    print(
      `Erased from ${erased.orders} orders, ${erased.checkouts} checkouts, ${erased.events} events and ${erased.auditRows} audit rows. What is still open is erased by a later run.`
    )
  })
}

import { parseArgs } from 'node:util'
import { erasePersonalData } from '../shared/orders/erasure.js'
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
    const erased = await erasePersonalData(db.pool, { userId, operator: operator(), reason })
    print(
      `Erased from ${erased.orders} orders, ${erased.checkouts} checkouts, ${erased.events} events, ${erased.texts} alerts and reasons, and ${erased.auditRows} audit rows. What is still open is erased by a later run.`
    )
  })
}

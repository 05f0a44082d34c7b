import type { Command } from 'commander'
import { erasePersonalData } from '../shared/orders/erasure.js'
import { text } from './arguments.js'
import { command, group, type Output } from './command.js'
import { operator, withDatabase } from './environment.js'
import { answer, print } from './print.js'

export function privacy(): Command {
  return group('privacy', 'Personal data.', [erase()])
}

/** Amounts, items and states stay as the financial record. */
function erase(): Command {
  return command('erase', 'Forget a user’s e-mail, addresses and event payloads; the financial record stays.', {
    examples: ['privacy erase --user ada --reason "GDPR 17"']
  })
    .requiredOption('--user <id>', 'whom', text)
    .requiredOption('--reason <text>', 'why, for the audit trail', text)
    .action(async (options: Output & { user: string; reason: string }) => {
      const request = { userId: options.user, operator: operator(), reason: options.reason }
      await withDatabase('privacy erase', async ({ db }) =>
        answer(options, await erasePersonalData(db.pool, request), erased =>
          print(
            `Erased from ${erased.orders} orders, ${erased.checkouts} checkouts, ${erased.events} events, ${erased.texts} alerts and reasons, and ${erased.auditRows} audit rows. What is still open is erased by a later run.`
          )
        )
      )
    })
}

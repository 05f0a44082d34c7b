import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { messageOf } from '../shared/errors.js'
import { exportPersonalData } from '../shared/orders/personal-export.js'
import { text } from './arguments.js'
import { command, group, type Output } from './command.js'
import { operator, withDatabase } from './environment.js'
import { print, printJson } from './print.js'
import { terminal } from './terminal.js'
import { UsageError } from './usage-error.js'

export function customer(): Command {
  return group('customer', 'What is held about a customer.', [exportAll()])
}

function exportAll(): Command {
  return command('export', 'All personal data that is held on a customer, as JSON, for a request of access.', {
    examples: [
      'customer export ada --reason "GDPR 15, asked on 2026-11-28" --output ada.json',
      'customer export ada@shop.example --reason "GDPR 20" > ada.json'
    ]
  })
    .argument('<customer>', 'their id, or an e-mail that stands on their orders', text)
    .requiredOption('--reason <text>', 'why, for the audit trail', text)
    .option('--output <file>', 'write it there, readable for you alone')
    .action(async (who: string, { reason, output }: Output & { reason: string; output?: string }) => {
      await withDatabase('customer export', async ({ db, now }) => {
        const made = await exportPersonalData(db.pool, { customer: who, operator: operator(), reason }, now())
        if (made.incomplete.length > 0) {
          terminal().stderr.write(`There is more than can be exported at once of ${made.incomplete.join(', ')}.\n`)
        }
        if (output === undefined) return printJson(made)
        save(output, made)
        print(`All that is held about ${made.customer}: ${output}`)
      })
    })
}

function save(file: string, made: object): void {
  try {
    writeFileSync(file, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    throw new UsageError(`The export could not be written to a new file: ${messageOf(error)}`)
  }
}

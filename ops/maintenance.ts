import type { Command } from 'commander'
import { setMaintenance } from '../shared/runtime/set-maintenance.js'
import { readMaintenance } from '../shared/statements/switches.js'
import { date, text } from './arguments.js'
import { command, group, type Output } from './command.js'
import { operator, withDatabase } from './environment.js'
import { answer, print } from './print.js'

const OFF = { on: false, message: '', until: null }

export function maintenance(): Command {
  return group('maintenance', 'Refuse new checkouts on every process; webhooks and workers go on.', [
    on(),
    off(),
    status()
  ])
}

function on(): Command {
  return command('on', 'Refuse new checkouts and orders.', {
    examples: ['maintenance on --message "Back in ten minutes" --until 2026-11-24T12:00:00Z']
  })
    .requiredOption('--message <text>', 'what customers read', text)
    .option('--until <date>', 'when it is likely to end: Retry-After', date)
    .action(async (options: Output & { message: string; until?: Date }) => {
      const value = { on: true, message: options.message, until: options.until?.toISOString() ?? null }
      await withDatabase('maintenance on', async services => {
        await setMaintenance(services, value, { operator: operator() })
        answer(options, value, () =>
          print('Every process refuses new checkouts and orders within a second. Webhooks and workers go on.')
        )
      })
    })
}

function off(): Command {
  return command('off', 'Take checkouts again.', { examples: ['maintenance off'] }).action(async (options: Output) => {
    await withDatabase('maintenance off', async services => {
      await setMaintenance(services, OFF, { operator: operator() })
      answer(options, OFF, () => print('Checkouts are open.'))
    })
  })
}

function status(): Command {
  return command('status', 'Whether checkouts are refused.', { examples: ['maintenance status'] }).action(
    async (options: Output) => {
      await withDatabase('maintenance status', async ({ db }) =>
        answer(options, (await readMaintenance(db.pool)) ?? OFF, now =>
          print(now.on ? `On: ${now.message}${now.until === null ? '' : ` (until ${now.until})`}` : 'Off.')
        )
      )
    }
  )
}

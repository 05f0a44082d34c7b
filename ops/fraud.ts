import type { Command } from 'commander'
import { clearCustomer, networkNamed } from '../shared/orders/clear-customer.js'
import { decideFraud } from '../shared/rules/fraud.js'
import { readFraudSignals } from '../shared/statements/fraud.js'
import { text } from './arguments.js'
import { command, group, type Output } from './command.js'
import { operator, withDatabase } from './environment.js'
import { answer, print } from './print.js'
import { printTable } from './table.js'
import { UsageError } from './usage-error.js'

interface Subject extends Output {
  user?: string
  ip?: string
}

export function fraud(): Command {
  return group('fraud', 'What the fraud rules see and decide.', [show(), unblock()])
}

function ofSubject(made: Command): Command {
  return made.option('--user <id>', 'a customer').option('--ip <address>', 'an IP address, or an IPv6 network')
}

function named({ user, ip }: Subject): void {
  if (user === undefined && ip === undefined) throw new UsageError('It needs --user, --ip, or both.')
}

function show(): Command {
  const what = 'What the rules see of a customer or an address, and would decide about the next checkout.'
  return ofSubject(
    command('show', what, { examples: ['fraud show --user ada', 'fraud show --ip 203.0.113.7'] })
  ).action(async (options: Subject) => {
    named(options)
    const network = options.ip === undefined ? null : networkNamed(options.ip)
    await withDatabase('fraud show', async ({ db, config, now }) => {
      const of = { userId: options.user ?? '', network }
      const signals = await readFraudSignals(db.pool, of, config.fraud, now())
      answer(options, { signals, ...decideFraud(signals, config.fraud) }, view)
    })
  })
}

function view({ signals, ...decided }: { signals: object; decision: string }): void {
  print(`The next checkout: ${decided.decision}`)
  printTable([['SIGNAL', 'IS'], ...[...Object.entries(signals), ...Object.entries(decided)].map(row)])
}

function row([name, value]: [string, unknown]): string[] {
  return [name, typeof value === 'object' ? JSON.stringify(value) : String(value)]
}

function unblock(): Command {
  return ofSubject(
    command('unblock', 'Let the rules count from zero.', { examples: ['fraud unblock --user ada --note "a new card"'] })
  )
    .requiredOption('--note <text>', 'why, for the audit trail', text)
    .action(async (options: Subject & { note: string }) => {
      named(options)
      const given = { userId: options.user, ipAddress: options.ip, operator: operator(), note: options.note }
      await withDatabase('fraud unblock', async services =>
        answer(options, { subjects: await clearCustomer(services, given) }, ({ subjects }) =>
          print(`The fraud rules count from zero for ${subjects.join(' and ')}.`)
        )
      )
    })
}

import type { Command } from 'commander'
import { type AlertContext, type AlertName, alerts, resolveAlert } from '../shared/audit/alerts.js'
import { transaction } from '../shared/database/database.js'
import { endUnknown, SEVERAL } from '../shared/orders/unknown-session.js'
import { Refused } from '../shared/refused.js'
import { listOpenAlerts } from '../shared/statements/alerts.js'
import { findUnknownSessions } from '../shared/statements/checkouts.js'
import { text } from './arguments.js'
import { command, type Output } from './command.js'
import { operator, withDatabase } from './environment.js'
import { localTime } from './local-time.js'
import { answer, print } from './print.js'

const MOST = 500

export function attention(): Command {
  return command('attention', 'The alerts that nobody has resolved, each with what to do.', {
    examples: ['attention', 'attention --json']
  }).action(async (options: Output) => {
    await withDatabase('attention', async ({ db }) => {
      const open = await listOpenAlerts(db, MOST)
      const unknown = open.some(isOfSeveral) ? await findUnknownSessions(db.pool, MOST) : []
      const listed = open.map(each => ({
        ...each,
        what: alerts[each.name as AlertName] ?? '',
        ...(isOfSeveral(each) ? { unknownSessions: unknown } : {})
      }))
      answer(options, listed, view)
    })
  })
}

interface Listed {
  id: string
  name: string
  createdAt: Date
  context: unknown
  what: string
  unknownSessions?: { id: string; sessionId: string }[]
}

function view(listed: Listed[]): void {
  if (listed.length === 0) return print('Nothing needs attention.')
  if (listed.length === MOST) print(`The oldest ${MOST}:\n`)
  for (const { createdAt, name, id, what, context, unknownSessions } of listed) {
    print(`${localTime(createdAt)}  ${name}  ${id}`)
    print(`  ${what}`)
    print(`  ${JSON.stringify(context)}`)
    if (unknownSessions !== undefined) viewUnknown(unknownSessions)
    print()
  }
}

function isOfSeveral({ name, context }: { name: string; context: unknown }): boolean {
  return name === 'session_unknown' && (context as AlertContext).subject === SEVERAL
}

function viewUnknown(unknown: { id: string; sessionId: string }[]): void {
  print(unknown.length < MOST ? '  All of them:' : `  The oldest ${MOST} of them:`)
  for (const { id, sessionId } of unknown) print(`    ${sessionId}  ${endUnknown(id)}`)
}

export function resolve(): Command {
  return command('resolve', 'Resolve an alert: it needs nobody any more.', {
    examples: ['resolve alr_1 --note "the bank was away"']
  })
    .argument('<alert>', 'its id, as attention lists it')
    .requiredOption('--note <text>', 'how it was dealt with', text)
    .action(async (id: string, { note, ...options }: Output & { note: string }) => {
      await withDatabase('resolve', async ({ db, now }) => {
        const end = { by: operator(), note, now: now() }
        const resolved = await transaction(db.pool, client => resolveAlert(client, id, end))
        if (!resolved) throw new Refused('alert_not_found', `There is no open alert ${id}.`)
        answer(options, { alertId: id, status: 'RESOLVED' }, () => print(`Alert ${id} is resolved.`))
      })
    })
}

import { parseArgs } from 'node:util'
import { type AlertContext, type AlertName, alerts, resolveAlert } from '../shared/audit/alerts.js'
import { type Database, transaction } from '../shared/database/database.js'
import { endUnknown, SEVERAL } from '../shared/orders/unknown-session.js'
import { listOpenAlerts } from '../shared/statements/alerts.js'
import { findUnknownSessions } from '../shared/statements/checkouts.js'
import { operator, withServices } from './environment.js'
import { print } from './print.js'
import { required } from './usage-error.js'

const MOST = 500

export async function attention(): Promise<void> {
  await withServices(async ({ db }) => {
    const open = await listOpenAlerts(db, MOST)
    if (open.length === 0) return print('Nothing needs attention.')
    if (open.length === MOST) print(`The oldest ${MOST}:\n`)
    for (const entry of open) {
      print(`${entry.createdAt.toISOString()}  ${entry.name}  ${entry.id}`)
      print(`  ${alerts[entry.name as AlertName] ?? ''}`)
      print(`  ${JSON.stringify(entry.context)}`)
      if (isOfSeveral(entry)) await printUnknown(db)
      print()
    }
  })
}

function isOfSeveral({ name, context }: { name: string; context: unknown }): boolean {
  return name === 'session_unknown' && (context as AlertContext).subject === SEVERAL
}

async function printUnknown({ pool }: Database): Promise<void> {
  const unknown = await findUnknownSessions(pool, MOST)
  print(unknown.length < MOST ? '  All of them:' : `  The oldest ${MOST} of them:`)
  for (const { id, sessionId } of unknown) print(`    ${sessionId}  ${endUnknown(id)}`)
}

export async function resolve(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, options: { note: { type: 'string' } }, allowPositionals: true })
  const id = required(positionals[0], 'The alert’s id')
  const note = required(values.note, '--note')
  await withServices(async ({ db, now }) => {
    const end = { by: operator(), note, now: now() }
    const resolved = await transaction(db.pool, client => resolveAlert(client, id, end))
    if (!resolved) throw new Error(`There is no open alert ${id}.`)
    print(`Alert ${id} is resolved.`)
  })
}

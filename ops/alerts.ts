import { parseArgs } from 'node:util'
import { type AlertName, alerts, resolveAlert } from '../shared/audit/alerts.js'
import { transaction } from '../shared/database/database.js'
import { operator, withServices } from './environment.js'
import { print } from './print.js'
import { required } from './usage-error.js'

const MOST = 500

export async function attention(): Promise<void> {
  await withServices(async ({ db }) => {
    const open = await db.prisma.alert.findMany({
      where: { resolvedAt: null },
      orderBy: { createdAt: 'asc' },
      take: MOST
    })
    if (open.length === 0) return print('Nothing needs attention.')
    if (open.length === MOST) print(`The oldest ${MOST}:\n`)
    for (const entry of open) {
      print(`${entry.createdAt.toISOString()}  ${entry.name}  ${entry.id}`)
      print(`  ${alerts[entry.name as AlertName] ?? ''}`)
      print(`  ${JSON.stringify(entry.context)}\n`)
    }
  })
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

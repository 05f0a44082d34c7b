import { parseArgs } from 'node:util'
import type { WebhookEventStatus } from '../prisma/generated/client.js'
import { replayEvent, resolveDeadEvent } from '../shared/orders/replay-event.js'
import type { Services } from '../shared/runtime/services.js'
import { listEvents, showEvent } from '../shared/statements/webhook-events.js'
import { operator, why, withServices } from './environment.js'
import { print, printJson, printTable } from './print.js'
import { required, UsageError } from './usage-error.js'

const STATUSES: WebhookEventStatus[] = ['RECEIVED', 'PROCESSED', 'IGNORED', 'DEAD', 'RESOLVED']

export async function events([action, ...args]: string[]): Promise<void> {
  switch (action) {
    case 'list':
      return await withServices(services => list(services, args))
    case 'show':
      return await withServices(services => show(services, required(args[0], 'The event’s id')))
    case 'replay':
      return await withServices(services => replay(services, args))
    case 'resolve':
      return await withServices(services => resolve(services, args))
    default:
      throw new UsageError('events takes list, show, replay or resolve.')
  }
}

async function list({ db }: Services, args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { status: { type: 'string' }, limit: { type: 'string', default: '20' } }
  })
  const status = values.status?.toUpperCase() as WebhookEventStatus | undefined
  if (status !== undefined && !STATUSES.includes(status))
    throw new UsageError(`--status takes ${STATUSES.join(', ').toLowerCase()}.`)
  const rows = await listEvents(db, status, Math.min(Number(values.limit) || 20, 1_000))
  printTable([
    ['RECEIVED', 'STATUS', 'TYPE', 'ID', 'NOTE'],
    ...rows.map(row => [row.receivedAt.toISOString(), row.status, row.type, row.id, row.error ?? ''])
  ])
}

async function show({ db }: Services, id: string): Promise<void> {
  const row = await showEvent(db, id)
  if (row === null) throw new Error(`There is no event ${id}.`)
  printJson({ ...row, payload: JSON.parse(row.payload) })
}

async function replay(services: Services, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, options: { note: { type: 'string' } }, allowPositionals: true })
  const id = required(positionals[0], 'The event’s id')
  await replayEvent(services, id, { operator: operator(), note: await why(values.note) })
  print(`Event ${id} will be applied again. See: npm run ops -- events show ${id}`)
}

async function resolve(services: Services, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, options: { note: { type: 'string' } }, allowPositionals: true })
  const id = required(positionals[0], 'The event’s id')
  await resolveDeadEvent(services, id, { operator: operator(), note: required(values.note, '--note') })
  print(`Event ${id} is resolved.`)
}

import { parseArgs } from 'node:util'
import type { NotificationStatus } from '../prisma/generated/client.js'
import type { Services } from '../shared/runtime/services.js'
import { listNotifications, replayNotification } from '../shared/statements/notifications.js'
import { operator, why, withServices } from './environment.js'
import { print, printTable } from './print.js'
import { required, UsageError } from './usage-error.js'

const STATUSES: NotificationStatus[] = ['PENDING', 'DELIVERED', 'FAILED']

export async function notifications([action, ...args]: string[]): Promise<void> {
  if (action === 'list') return await withServices(services => list(services, args))
  if (action === 'replay') return await withServices(services => replay(services, args))
  throw new UsageError('notifications takes list or replay.')
}

async function list({ db }: Services, args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { status: { type: 'string' }, order: { type: 'string' }, limit: { type: 'string', default: '20' } }
  })
  const status = values.status?.toUpperCase() as NotificationStatus | undefined
  if (status !== undefined && !STATUSES.includes(status))
    throw new UsageError(`--status takes ${STATUSES.join(', ').toLowerCase()}.`)
  const rows = await listNotifications(
    db,
    { status, orderId: values.order },
    Math.min(Number(values.limit) || 20, 1_000)
  )
  printTable([
    ['CREATED', 'STATUS', 'ORDER', '#', 'TYPE', 'ID', 'TRIES', 'ERROR'],
    ...rows.map(row => [
      row.createdAt.toISOString(),
      row.status,
      row.orderId,
      String(row.sequence),
      row.type,
      row.id,
      String(row.attempts),
      row.error ?? ''
    ])
  ])
}

/** Sends it again under its old id, so that a shop that has it already can tell. */
async function replay({ db, queues, now }: Services, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, options: { note: { type: 'string' } }, allowPositionals: true })
  const id = required(positionals[0], 'The notification’s id')
  const note = await why(values.note)
  const replayed = await replayNotification(db.pool, id, now(), {
    action: 'notification_replayed',
    status: 'PROCESSING',
    metadata: { notification: id, operator: operator(), note: note ?? null }
  })
  if (!replayed) throw new Error(`Notification ${id} is waiting to be sent already, or does not exist.`)
  await queues.offer('order-notification', id, { again: true })
  print(`Notification ${id} will be sent again.`)
}

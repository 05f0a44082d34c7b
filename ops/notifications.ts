import { parseArgs } from 'node:util'
import type { NotificationStatus } from '../prisma/generated/client.js'
import { resendNotification } from '../shared/orders/resend-notification.js'
import type { Services } from '../shared/runtime/services.js'
import { listNotifications } from '../shared/statements/notifications.js'
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

async function replay(services: Services, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, options: { note: { type: 'string' } }, allowPositionals: true })
  const id = required(positionals[0], 'The notification’s id')
  await resendNotification(services, id, { operator: operator(), note: await why(values.note) })
  print(`Notification ${id} will be sent again.`)
}

import type { Command } from 'commander'
import type { NotificationStatus } from '../prisma/generated/client.js'
import { resendNotification } from '../shared/orders/resend-notification.js'
import { listNotifications } from '../shared/statements/notifications.js'
import { choice, rows } from './arguments.js'
import { command, group, type Output } from './command.js'
import { operator, why, withDatabase, withQueues } from './environment.js'
import { localTime } from './local-time.js'
import { answer, print } from './print.js'
import { printTable } from './table.js'

const STATUSES: NotificationStatus[] = ['PENDING', 'DELIVERED', 'FAILED']

export function notifications(): Command {
  return group('notifications', 'What the shop was told.', [list(), replay()])
}

function list(): Command {
  return command('list', 'The newest notifications.', { examples: ['notifications list --status failed'] })
    .addOption(choice('--status <status>', 'only those', STATUSES))
    .option('--order <order>', 'only those of an order')
    .option('--limit <rows>', 'how many', rows, 20)
    .action(async (options: Output & { status?: NotificationStatus; order?: string; limit: number }) => {
      const { status, order, limit } = options
      await withDatabase('notifications list', async ({ db }) =>
        answer(options, await listNotifications(db, { status, orderId: order }, limit), found =>
          printTable(
            [
              ['CREATED', 'STATUS', 'ORDER', '#', 'TYPE', 'ID', 'TRIES', 'ERROR'],
              ...found.map(row => [
                localTime(row.createdAt),
                row.status,
                row.orderId,
                String(row.sequence),
                row.type,
                row.id,
                String(row.attempts),
                row.error ?? ''
              ])
            ],
            ['#', 'TRIES']
          )
        )
      )
    })
}

function replay(): Command {
  return command('replay', 'Tell the shop again, under the notification’s old id.', {
    examples: ['notifications replay ntf_1 --note "the shop was away"']
  })
    .argument('<notification>', 'its id')
    .option('--note <text>', 'why, for the audit trail; asked for at a terminal')
    .action(async (id: string, options: Output & { note?: string }) => {
      await withQueues('notifications replay', async services => {
        await resendNotification(services, id, { operator: operator(), note: await why(options.note) })
        answer(options, { notificationId: id, status: 'PENDING' }, () =>
          print(`Notification ${id} will be sent again.`)
        )
      })
    })
}

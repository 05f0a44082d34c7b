import { Refused } from '../refused.js'
import type { Services } from '../runtime/services.js'
import { findNotifiedOrder, replayNotification } from '../statements/notifications.js'

/**
 * Sends a notification again under its old id, audited, so that a shop that has it already can tell. Throws Refused when it
 * is waiting to be sent already.
 */
export async function resendNotification(
  { db, queues, now }: Pick<Services, 'db' | 'queues' | 'now'>,
  id: string,
  by: { operator: string; note?: string; requestId?: string }
): Promise<void> {
  const orderId = await findNotifiedOrder(db.pool, id)
  if (orderId === undefined) throw new Refused('notification_not_found', `There is no notification ${id}.`)
  const replayed = await replayNotification(db.pool, id, now(), {
    action: 'notification_replayed',
    status: 'PROCESSING',
    orderId,
    requestId: by.requestId,
    metadata: { notification: id, operator: by.operator, note: by.note ?? null }
  })
  if (!replayed) throw new Refused('notification_waiting', `Notification ${id} is waiting to be sent already.`)
  await queues.offer('order-notification', id, { again: true })
}

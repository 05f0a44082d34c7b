import { alertUnlessOpen } from '../shared/audit/alerts.js'
import { SECOND } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import { NOTIFICATION_ATTEMPTS, NOTIFICATION_BACKOFF } from '../shared/queue/jobs.js'
import type { Services } from '../shared/runtime/services.js'
import { postToShop, type ShopEndpoint, shopEndpointOf } from '../shared/runtime/shop-endpoint.js'
import {
  failNotification,
  findNotifiedOrder,
  finishNotification,
  leaseNotification,
  type NotificationRow,
  readUndelivered
} from '../shared/statements/notifications.js'
import type { Job } from './job.js'

const TIMEOUT = 15 * SECOND
const LEASE = 2 * TIMEOUT
/** About ten minutes: a shorter outage of the shop mends itself before anybody could look. */
const AWAY_AFTER_ATTEMPTS = 8

/**
 * Tells the shop about changes of an order, the oldest first and one at a time. A worker that finds another one at it
 * leaves: whoever delivers one looks for the next before it ends, so that nothing waits and nothing overtakes.
 */
export const orderNotification: Job<'order-notification'> = {
  name: 'order-notification',
  async handle(services, { notificationId }) {
    const target = shopEndpointOf(services.config)
    if (target === undefined) return
    const orderId = await findNotifiedOrder(services.db.pool, notificationId)
    if (orderId === undefined) return
    for (;;) {
      const now = services.now()
      const notification = await leaseNotification(services.db.pool, orderId, {
        now,
        until: new Date(now.getTime() + LEASE)
      })
      if (notification === undefined) return
      try {
        await deliver(target, notification, now)
      } catch (error) {
        await recordFailure(services, notification, messageOf(error))
        continue
      }
      await finishNotification(services.db.pool, notification.id, services.now())
      services.log.info({ orderId, notificationId: notification.id, type: notification.type }, 'the shop was notified')
    }
  }
}

async function deliver(target: ShopEndpoint, notification: NotificationRow, now: Date): Promise<void> {
  const { id, type, createdAt, contact } = notification
  const data = { ...notification.data, customer: contact }
  const status = await postToShop(target, { id, type, timestamp: createdAt, data }, now, TIMEOUT)
  if (status < 200 || status >= 300) throw new Error(`the shop answered ${status}`)
}

/** Throws for another try from the queue; after the last one the next notification has its turn. */
async function recordFailure(services: Services, notification: NotificationRow, reason: string): Promise<void> {
  const { id, orderId, attempts } = notification
  const { db, log } = services
  const isLast = attempts >= NOTIFICATION_ATTEMPTS
  // Sooner than the queue's own backoff, jitter included: its retry finds the row due.
  const wait = (NOTIFICATION_BACKOFF * 2 ** (attempts - 1)) / 2
  await failNotification(db.pool, id, {
    error: reason,
    nextAttemptAt: isLast ? null : new Date(services.now().getTime() + wait)
  })
  if (attempts >= AWAY_AFTER_ATTEMPTS) await report(services, notification, isLast, reason)
  if (!isLast) throw new Error(`The shop did not accept notification ${id}: ${reason}`)
  log.warn({ orderId, notificationId: id, reason }, 'a notification was given up')
}

/** A shop that has taken nothing since is away: one alert for all. Otherwise it is this order's notification. */
async function report(
  services: Services,
  notification: NotificationRow,
  isLast: boolean,
  error: string
): Promise<void> {
  const { db, log, config } = services
  const { id, orderId, createdAt } = notification
  const { waiting, failed, since, isTaking } = await readUndelivered(db.pool, createdAt)
  if (!isTaking) {
    const host = config.notifications === undefined ? '' : ` at ${new URL(config.notifications.url).host}`
    const counts = `${waiting} notifications wait and ${failed} have failed, the first since ${since?.toISOString()}`
    await alertUnlessOpen(db.pool, log, 'shop_away', { reason: `the shop${host} takes none: ${error}; ${counts}` })
  } else if (isLast) {
    await alertUnlessOpen(db.pool, log, 'notification_failed', { orderId, reason: `${id}: ${error}` })
  }
}

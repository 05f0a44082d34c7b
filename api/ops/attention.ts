import type { Services } from '../../shared/runtime/services.js'
import { listOpenAlerts } from '../../shared/statements/alerts.js'
import { findAuthorizations, findDisputesToAnswer, findOrdersInReview } from '../../shared/statements/attention.js'
import { findLowStock } from '../../shared/statements/low-stock.js'
import { listNotifications } from '../../shared/statements/notifications.js'
import { readMaintenance } from '../../shared/statements/switches.js'
import { listDeadEvents } from '../../shared/statements/webhook-events.js'

const MOST = 200

export type Attention = Awaited<ReturnType<typeof needsAttention>>

/** All that waits for a person, what is most urgent of each kind first; at most 200 of each. */
export async function needsAttention({ db, config }: Services) {
  const { pool } = db
  const [alerts, deadEvents, failedNotifications, ordersInReview, authorizations, disputes, lowStock, maintenance] =
    await Promise.all([
      listOpenAlerts(db, MOST),
      listDeadEvents(db, MOST),
      listNotifications(db, { status: 'FAILED', orderId: undefined }, MOST),
      findOrdersInReview(pool, MOST),
      findAuthorizations(pool, MOST),
      findDisputesToAnswer(pool, MOST),
      findLowStock(pool, config.catalogue.stockLowAt, MOST),
      readMaintenance(pool)
    ])
  return {
    alerts,
    deadEvents,
    failedNotifications,
    ordersInReview,
    authorizations,
    disputes,
    lowStock,
    maintenance: maintenance ?? null
  }
}

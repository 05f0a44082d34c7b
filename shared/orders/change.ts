import { type Client, transaction } from '../database/database.js'
import type { Services } from '../runtime/services.js'
import type { CheckoutRow } from '../statements/checkouts.js'
import type { DueRow } from '../statements/due-rows.js'

/** What an audit row is about. */
export interface Trail {
  userId?: string | null
  orderId?: string | null
  checkoutId?: string | null
  eventId?: string | null
  requestId?: string | null
}

/** One transaction that changes an order: who asked for it, and what to enqueue once it is committed. */
export interface Change {
  services: Services
  client: Client
  trail: Trail
  /** Rows that the transaction has written or marked and that wait for a job. */
  due: DueRow[]
  /** Why, for the audit trail. */
  reason?: string
}

/** Does `work` in one transaction; the jobs that follow are enqueued once it is committed. */
export async function inChange<T>(services: Services, trail: Trail, work: (change: Change) => Promise<T>): Promise<T> {
  const due: DueRow[] = []
  const result = await transaction(services.db.pool, client => work({ services, client, due, trail }))
  await enqueueDue({ services, due })
  return result
}

/** Enqueues what follows from a committed change. What the queue store misses, the sweep finds. */
export async function enqueueDue({ services, due }: Pick<Change, 'services' | 'due'>): Promise<void> {
  await Promise.all(due.map(({ job, id }) => services.queues.offer(job, id)))
}

export function trailOf(checkout: Pick<CheckoutRow, 'id' | 'userId' | 'orderId' | 'requestId'>): Trail {
  const { id: checkoutId, userId, orderId, requestId } = checkout
  return { userId, orderId, checkoutId, requestId }
}

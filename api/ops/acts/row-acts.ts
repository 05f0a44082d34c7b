import { z } from 'zod'
import { resolveAlert } from '../../../shared/audit/alerts.js'
import { transaction } from '../../../shared/database/database.js'
import { endCheckout } from '../../../shared/orders/end-checkout.js'
import { replayEvent, resolveDeadEvent } from '../../../shared/orders/replay-event.js'
import { resendNotification } from '../../../shared/orders/resend-notification.js'
import { Refused } from '../../../shared/refused.js'
import { type AnyAct, act, why } from './act.js'

export const withNote = z.strictObject({ note: why })

/** What is done to one event, checkout, notification or alert. */
export const rowActs: AnyAct[] = [
  act({
    path: '/events/:id/replay',
    body: withNote,
    async run(services, id, { note }, { operator, requestId }) {
      await replayEvent(services, id, { operator, note, requestId })
      return { id, status: 'RECEIVED' }
    }
  }),
  act({
    path: '/events/:id/resolve',
    body: withNote,
    async run(services, id, { note }, { operator, requestId }) {
      await resolveDeadEvent(services, id, { operator, note, requestId })
      return { id, status: 'RESOLVED' }
    }
  }),
  act({
    path: '/checkouts/:id/expire',
    body: z.strictObject({ reason: why, unknownToStripe: z.boolean().default(false) }),
    async run(services, id, { reason, unknownToStripe }, { operator }) {
      return { id, status: await endCheckout(services, id, { operator, reason, unknownToStripe }) }
    }
  }),
  act({
    path: '/notifications/:id/replay',
    body: withNote,
    async run(services, id, { note }, { operator, requestId }) {
      await resendNotification(services, id, { operator, note, requestId })
      return { id, status: 'PENDING' }
    }
  }),
  act({
    path: '/alerts/:id/resolve',
    body: withNote,
    async run({ db, now }, id, { note }, { operator }) {
      const end = { by: operator, note, now: now() }
      const resolved = await transaction(db.pool, client => resolveAlert(client, id, end))
      if (!resolved) throw new Refused('alert_not_found', `There is no open alert ${id}.`)
      return { id, resolvedBy: operator }
    }
  })
]

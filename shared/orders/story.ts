import { Refused } from '../refused.js'
import type { Services } from '../runtime/services.js'
import { showTrail } from '../statements/audit-trail.js'
import { findEventsAbout, type ToldEvent } from '../statements/event-stories.js'
import { showOrder } from '../statements/orders.js'
import { type Moment, timelineOf } from './timeline.js'

const MAX_EVENTS = 500

type Shown = NonNullable<Awaited<ReturnType<typeof showOrder>>>

/** An order with all that belongs to it, and what happened to it as one line. */
export interface Story extends Shown {
  events: (Omit<ToldEvent, 'payload'> & { payload: unknown })[]
  audit: Awaited<ReturnType<typeof showTrail>>
  timeline: Moment[]
}

/** Throws Refused when there is no such order. */
export async function tellStory({ db }: Pick<Services, 'db'>, orderId: string): Promise<Story> {
  const order = await showOrder(db, orderId)
  if (order === null) throw new Refused('order_not_found', `There is no order ${orderId}.`)
  const { checkouts, payments, postings, notifications, signals } = order
  const names = [...checkouts.map(each => each.sessionId), ...payments.map(each => each.paymentIntentId)]
  const [audit, events] = await Promise.all([
    showTrail(db, { orderId }),
    findEventsAbout(
      db.pool,
      checkouts.map(({ id }) => id),
      names.filter(name => name !== null),
      MAX_EVENTS
    )
  ])
  const told = events.map(event => ({ ...event, payload: JSON.parse(event.payload) as unknown }))
  return { ...order, events: told, audit, timeline: timelineOf({ audit, events, postings, notifications, signals }) }
}

import { Refused } from '../refused.js'
import type { Services } from '../runtime/services.js'
import { type Replayer, resolveEvent, reviveEvent, showEvent } from '../statements/webhook-events.js'

/** Takes a dead event back for another try, audited, and enqueues it. Throws Refused when it is not dead. */
export async function replayEvent(
  { db, queues }: Pick<Services, 'db' | 'queues'>,
  id: string,
  by: Replayer
): Promise<void> {
  if (!(await reviveEvent(db.pool, id, by))) throw await notDead(db, id, 'replayed')
  await queues.offer('webhook-processing', id, { again: true })
}

/** A dead event that an operator has dealt with by other means is done, audited. Throws Refused when it is not dead. */
export async function resolveDeadEvent(
  { db }: Pick<Services, 'db'>,
  id: string,
  { operator, note, requestId }: Replayer & { note: string }
): Promise<void> {
  const resolved = await resolveEvent(db.pool, id, {
    by: operator,
    note,
    audit: {
      action: 'webhook_resolved',
      status: 'SUCCESS',
      eventId: id,
      before: 'DEAD',
      after: 'RESOLVED',
      requestId,
      metadata: { operator, note }
    }
  })
  if (!resolved) throw await notDead(db, id, 'resolved')
}

async function notDead(db: Services['db'], id: string, what: string): Promise<Refused> {
  const event = await showEvent(db, id)
  if (event === null) return new Refused('event_not_found', `There is no event ${id}.`)
  return new Refused('event_not_dead', `Event ${id} is ${event.status}, not dead: only a dead event can be ${what}.`)
}

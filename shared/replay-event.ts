import type { Services } from './services.js'
import { reviveEvent } from './statements/webhook-events.js'

/** Takes a dead event back for another try, audited with who wants it and why. False when it is not dead. */
export async function replayEvent(
  { db, queues, log }: Services,
  id: string,
  by: { operator: string; note?: string; requestId?: string }
): Promise<boolean> {
  const revived = await reviveEvent(db.pool, id, {
    action: 'webhook_replayed',
    status: 'PROCESSING',
    eventId: id,
    before: 'DEAD',
    after: 'RECEIVED',
    requestId: by.requestId,
    metadata: { operator: by.operator, note: by.note ?? null }
  })
  if (!revived) return false
  await queues
    .enqueueAgain('webhook-processing', id)
    .catch(error => log.warn({ err: error }, 'not enqueued; the sweep will'))
  return true
}

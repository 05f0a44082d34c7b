import type { Services } from '../runtime/services.js'
import { type Replayer, reviveEvent } from '../statements/webhook-events.js'

/** Takes a dead event back for another try, audited, and enqueues it. False when it is not dead. */
export async function replayEvent({ db, queues }: Services, id: string, by: Replayer): Promise<boolean> {
  if (!(await reviveEvent(db.pool, id, by))) return false
  await queues.offer('webhook-processing', id, { again: true })
  return true
}

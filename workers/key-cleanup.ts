import { inPacedBatches } from '../shared/paced-batches.js'
import { deleteExpiredKeys, deleteExpiredLimits } from '../shared/statements/due-rows.js'
import type { Job } from './job.js'

/** A million at most: a few milliseconds each, so that nobody waits long behind one. */
export const KEY_BATCHES = { size: 250, most: 4_000, rest: 3 }

/** Deletes expired idempotency keys and rate limits in batches, each a short transaction of its own. */
export const keyCleanup: Job<'key-cleanup'> = {
  name: 'key-cleanup',
  async handle({ db, now, log }) {
    const deleted = await inPacedBatches(() => deleteExpiredKeys(db.pool, now(), KEY_BATCHES.size), KEY_BATCHES)
    const limits = await inPacedBatches(() => deleteExpiredLimits(db.pool, now(), KEY_BATCHES.size), KEY_BATCHES)
    log.info({ deleted, limits }, 'expired idempotency keys and rate limits were deleted')
  }
}

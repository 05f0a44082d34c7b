import { inPacedBatches } from '../shared/paced-batches.js'
import { deleteExpiredKeys, deleteExpiredLimits } from '../shared/statements/due-rows.js'
import type { Job } from './job.js'

const BATCH = 1_000
const BATCHES = { size: BATCH, most: 1_000 }

/** Deletes expired idempotency keys and rate limits in batches, each a short transaction of its own. */
export const keyCleanup: Job<'key-cleanup'> = {
  name: 'key-cleanup',
  async handle({ db, now, log }) {
    const deleted = await inPacedBatches(() => deleteExpiredKeys(db.pool, now(), BATCH), BATCHES)
    const limits = await inPacedBatches(() => deleteExpiredLimits(db.pool, now(), BATCH), BATCHES)
    log.info({ deleted, limits }, 'expired idempotency keys and rate limits were deleted')
  }
}

import { deleteExpiredKeys, deleteExpiredLimits } from '../shared/statements/due-rows.js'
import type { Job } from './job.js'

const BATCH = 1_000
const MAX_BATCHES = 1_000

/** Deletes expired idempotency keys and rate limits in batches, each a short transaction of its own. */
export const keyCleanup: Job<'key-cleanup'> = {
  name: 'key-cleanup',
  async handle({ db, now, log }) {
    const deleted = await inBatches(() => deleteExpiredKeys(db.pool, now(), BATCH))
    const limits = await inBatches(() => deleteExpiredLimits(db.pool, now(), BATCH))
    log.info({ deleted, limits }, 'expired idempotency keys and rate limits were deleted')
  }
}

async function inBatches(deleteBatch: () => Promise<number>): Promise<number> {
  let deleted = 0
  for (let round = 0; round < MAX_BATCHES; round++) {
    const count = await deleteBatch()
    deleted += count
    if (count < BATCH) break
  }
  return deleted
}

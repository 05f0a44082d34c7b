import { deleteExpiredKeys, deleteExpiredLimits } from '../shared/statements/due-rows.js'
import type { Job } from './job.js'

const BATCH = 1_000
const MAX_BATCHES = 1_000

/** Deletes expired idempotency keys in batches, each a short transaction of its own. */
export const keyCleanup: Job<'key-cleanup'> = {
  name: 'key-cleanup',
  async handle(services) {
    let deleted = 0
    for (let round = 0; round < MAX_BATCHES; round++) {
      const batch = await deleteExpiredKeys(services.db.pool, services.now(), BATCH)
      deleted += batch
      if (batch < BATCH) break
    }
    const limits = await deleteExpiredLimits(services.db.pool, services.now())
    services.log.info({ deleted, limits }, 'expired idempotency keys and rate limits deleted')
  }
}

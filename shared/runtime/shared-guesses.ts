import type { QueryConfig } from 'pg'
import { RateLimiterPostgres } from 'rate-limiter-flexible'
import { SECOND } from '../duration.js'
import { messageOf } from '../errors.js'
import { withinTime } from '../within-time.js'
import { FREE, type SharedGuesses, WINDOW } from './guess-brake.js'
import type { Services } from './services.js'

const ANSWER_WITHIN = SECOND / 2

/** Wrong credentials by address, of all processes together. While PostgreSQL does not answer each counts for itself. */
export function sharedGuesses({ config, db, log }: Services): SharedGuesses {
  const counts = new RateLimiterPostgres({
    storeType: 'pool',
    storeClient: {
      query: (statement: QueryConfig) =>
        withinTime(db.pool.query(statement), ANSWER_WITHIN, 'PostgreSQL did not count the guess in time')
    },
    keyPrefix: `${config.queue.prefix}-guess`,
    points: FREE,
    duration: WINDOW / SECOND,
    tableName: 'RateLimit',
    tableCreated: true,
    clearExpiredByTimeout: false
  })
  const uncounted = (error: unknown) =>
    log.warn({ reason: messageOf(error) }, 'guesses of an operator’s password are counted by this process alone')
  return {
    async read(address) {
      const found = await counts.get(address).catch(uncounted)
      return found?.consumedPoints ?? 0
    },
    async add(address) {
      await counts.penalty(address, 1).catch(uncounted)
    }
  }
}

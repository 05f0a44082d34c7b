import pg from 'pg'
import { messageOf } from './errors.js'
import type { Logger } from './logger.js'

/**
 * A pool that survives PostgreSQL going away. An idle connection that is lost tells the pool, one that is in use tells
 * its client, and an 'error' that nobody listens to ends the process: so both are listened to.
 */
export function createPool(config: pg.PoolConfig, log: Logger): pg.Pool {
  const pool = new pg.Pool(config)
  const lost = (error: Error) => log.warn({ reason: messageOf(error) }, 'a database connection was lost')
  pool.on('error', lost)
  pool.on('connect', client => client.on('error', lost))
  return pool
}

import pg from 'pg'
import { SECOND } from '../duration.js'
import { messageOf } from '../errors.js'
import type { Logger } from '../logger.js'
import { askForLife, BoundedClient } from './bounded-client.js'

/**
 * A pool that survives PostgreSQL going away, with or without a word. An idle connection that is lost tells the pool, one
 * that is in use tells its client, and an 'error' that nobody listens to ends the process: so both are listened to.
 * `query_timeout` is not optional: see BoundedClient.
 */
export function createPool(config: pg.PoolConfig & { query_timeout: number }, log: Logger): pg.Pool {
  const pool = new pg.Pool({ ...config, Client: BoundedClient })
  const lost = (error: Error) => log.warn({ reason: messageOf(error) }, 'a database connection was lost')
  pool.on('error', lost)
  pool.on('connect', client => client.on('error', lost))
  return pool
}

const PROBE_EVERY = 5 * SECOND
const PROBE_WITHIN = 3 * SECOND

/**
 * Asks each connection that is taken out of the pool for longer, to LISTEN, whether it is still there. It says nothing of
 * its own accord, so one that is silently gone would be waited on for as long as TCP keeps it alive: minutes.
 */
export function probeHeldConnections(pool: pg.Pool): void {
  const heldSince = new Map<pg.PoolClient, number>()
  pool.on('acquire', client => heldSince.set(client, Date.now()))
  pool.on('release', (_error, client) => heldSince.delete(client))
  pool.on('remove', client => heldSince.delete(client))
  const timer = setInterval(() => {
    if (pool.ending) return clearInterval(timer)
    for (const [client, since] of heldSince) {
      if (Date.now() - since < PROBE_EVERY) continue
      // One that does not answer is ended, and tells its holder and the log by its 'error'.
      askForLife(client, PROBE_WITHIN).catch(() => undefined)
    }
  }, PROBE_EVERY)
  timer.unref()
}

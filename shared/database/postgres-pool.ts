import pg from 'pg'
import { SECOND } from '../duration.js'
import { messageOf } from '../errors.js'
import type { Logger } from '../logger.js'
import { bindToTrace, currentTrace } from '../tracing.js'
import { askForLife, BoundedClient, type BoundedConfig, type StatementWatch } from './bounded-client.js'
import { Knocking } from './connection-failure.js'

/**
 * A pool that survives PostgreSQL going away, with or without a word. An idle connection that is lost tells the pool, one
 * that is in use tells its client, and an 'error' that nobody listens to ends the process: so both are listened to.
 * `query_timeout` is not optional: see BoundedClient.
 *
 * Connections are lost together. When a statement had all of `query_timeout` and no answer, those that lie idle and have not
 * been heard of since it was sent are ended with its own, so that each does not cost somebody that time again. A shorter
 * bound of a statement's own tells no more than that the server is slow.
 */
export function createPool(
  config: pg.PoolConfig & BoundedConfig & { query_timeout: number },
  log: Logger,
  watch?: StatementWatch
): pg.Pool {
  const knocking = new Knocking()
  const options: pg.PoolConfig & BoundedConfig = { ...config, Client: BoundedClient, watch, knocking }
  const pool = new pg.Pool(options)
  keepTraces(pool)
  const lost = (error: Error) => log.warn({ reason: messageOf(error) }, 'a database connection was lost')
  pool.on('error', lost)
  const idle = new Set<pg.PoolClient>()
  pool.on('acquire', client => idle.delete(client))
  pool.on('release', (_error, client) => idle.add(client))
  pool.on('remove', client => idle.delete(client))
  pool.on('connect', client => {
    client.on('error', lost)
    asBounded(client).onSilence = ({ sentAt, ownBoundMs }) => {
      if (ownBoundMs !== undefined && ownBoundMs < config.query_timeout) return
      for (const other of [...idle].map(asBounded)) {
        if (other.heardAt < sentAt) other.abandon('lost with another connection of the pool')
      }
    }
  })
  return pool
}

/** A statement that waited for a connection would else belong to the trace of whoever gave one back. */
function keepTraces(pool: pg.Pool): void {
  const connect = pool.connect.bind(pool) as (done?: unknown) => unknown
  pool.connect = ((done?: (...args: unknown[]) => void) => {
    const trace = done === undefined ? undefined : currentTrace()
    return connect(trace === undefined ? done : bindToTrace(trace, done))
  }) as typeof pool.connect
}

function asBounded(client: pg.PoolClient): pg.PoolClient & BoundedClient {
  return client as pg.PoolClient & BoundedClient
}

const PROBE = { everyMs: 5 * SECOND, withinMs: 3 * SECOND }

/**
 * Asks each connection that is taken out of the pool for longer, to LISTEN, whether it is still there. It says nothing of
 * its own accord, so one that is silently gone would be waited on for as long as TCP keeps it alive: minutes.
 */
export function probeHeldConnections(pool: pg.Pool, { everyMs, withinMs } = PROBE): void {
  const heldSince = new Map<pg.PoolClient, number>()
  pool.on('acquire', client => heldSince.set(client, performance.now()))
  pool.on('release', (_error, client) => heldSince.delete(client))
  pool.on('remove', client => heldSince.delete(client))
  const timer = setInterval(() => {
    if (pool.ending) return clearInterval(timer)
    for (const [client, since] of heldSince) {
      // A statement that is under way has its own bound, and a probe would wait behind it.
      if (performance.now() - since < everyMs || asBounded(client).isBusy) continue
      // One that does not answer is ended, and tells its holder and the log by its 'error'.
      askForLife(client, withinMs).catch(() => undefined)
    }
  }, everyMs)
  timer.unref()
}

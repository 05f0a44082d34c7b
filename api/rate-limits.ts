import type { RequestHandler, Response } from 'express'
import type { QueryConfig } from 'pg'
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRedis,
  RateLimiterRes
} from 'rate-limiter-flexible'
import type { RedisConfig } from '../shared/config/groups/redis.js'
import { HOUR, MINUTE, SECOND } from '../shared/duration.js'
import { Problem } from '../shared/errors.js'
import { connectRedis, disconnectRedis, type RedisClient } from '../shared/queue/redis-connection.js'
import type { Services } from '../shared/runtime/services.js'
import { withinTime } from '../shared/within-time.js'
import { clientOf } from './request-context.js'

const STORE_TIMEOUT = 500
/** Redis that says nothing for so long is gone; ioredis then connects anew. */
const STORE_SILENCE = 4 * SECOND

/** `guests`: requests of all guests of an address; `guest`: guest sessions that an address has begun. */
type Kind = 'ip' | 'user' | 'guests' | 'guest'

interface Quota {
  /** 0 for no limit. */
  allowed: number
  seconds: number
  what: string
}

export interface RateLimits {
  /** Counts one of this address, or of this user. Throws the 429 when there were too many in the time of the limit. */
  consume(kind: Kind, key: string, response: Response): Promise<void>
  close(): void
}

/**
 * One count for all processes, in the queue's Redis or in PostgreSQL. While that store is away each process counts by
 * itself: the limit then holds per process, and no request waits for the store.
 */
export function createRateLimits(services: Services): RateLimits {
  const { rateLimits, guests, queue } = services.config
  const redis = queue.redis === undefined ? undefined : connect(queue.redis, services)
  const minute = MINUTE / SECOND
  const quotas: Record<Kind, Quota> = {
    ip: { allowed: rateLimits.perIp, seconds: minute, what: 'requests in a minute' },
    user: { allowed: rateLimits.perUser, seconds: minute, what: 'requests in a minute' },
    guests: {
      allowed: rateLimits.perUser * guests.guestsPerIp,
      seconds: minute,
      what: 'requests of guests in a minute'
    },
    guest: { allowed: guests.sessionsPerIp, seconds: HOUR / SECOND, what: 'guest sessions in an hour' }
  }
  const limiters = Object.fromEntries(
    Object.entries(quotas).map(([kind, quota]) => [kind, limiter(services, redis, kind, quota)])
  ) as Record<Kind, RateLimiterAbstract>
  return {
    async consume(kind, key, response) {
      const quota = quotas[kind]
      const { allowed, what } = quota
      if (allowed === 0) return
      // What is refused from memory counts nothing, so that the count does not tell that it is.
      let isRefused = false
      const result = await limiters[kind].consume(key).catch((refused: unknown) => {
        isRefused = true
        return refused
      })
      // Neither the store nor the memory could count: better one request too many than none.
      if (!(result instanceof RateLimiterRes)) {
        services.log.warn({ kind }, 'a rate limit could not be counted')
        return
      }
      const seconds = Math.max(1, Math.ceil(result.msBeforeNext / SECOND))
      tell(response, kind, quota, Math.max(0, result.remainingPoints), seconds)
      if (!isRefused) return
      throw new Problem(
        'too_many_requests',
        { detail: `At most ${allowed} ${what}; try again in ${seconds} seconds.` },
        { 'Retry-After': String(seconds) }
      )
    },
    close: () => redis && disconnectRedis(redis)
  }
}

/** https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers: one item a policy. */
function tell(response: Response, kind: string, { allowed, seconds }: Quota, remaining: number, reset: number): void {
  response.append('RateLimit-Policy', `"${kind}";q=${allowed};w=${seconds}`)
  response.append('RateLimit', `"${kind}";r=${remaining};t=${reset}`)
}

function limiter(
  { config, db }: Services,
  redis: RedisClient | undefined,
  kind: string,
  { allowed: points, seconds }: Quota
): RateLimiterAbstract {
  const common = {
    keyPrefix: `${config.queue.prefix}-limit-${kind}`,
    points: Math.max(1, points),
    duration: seconds
  }
  const shared = {
    ...common,
    // Whoever is over the limit costs the store nothing more.
    inMemoryBlockOnConsumed: points + 1,
    insuranceLimiter: new RateLimiterMemory(common)
  }
  if (redis !== undefined) return new RateLimiterRedis({ ...shared, storeClient: redis, rejectIfRedisNotReady: true })
  return new RateLimiterPostgres({
    storeType: 'pool',
    ...shared,
    storeClient: {
      query: (statement: QueryConfig) =>
        withinTime(db.pool.query(statement), STORE_TIMEOUT, 'PostgreSQL did not count the request in time')
    },
    tableName: 'RateLimit',
    tableCreated: true,
    clearExpiredByTimeout: false
  })
}

function connect(config: RedisConfig, { log }: Services): RedisClient {
  const redis = connectRedis(config, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: STORE_TIMEOUT,
    connectTimeout: STORE_TIMEOUT * 4,
    socketTimeout: STORE_SILENCE
  })
  redis.on('error', error => log.debug({ err: error }, 'a connection to Redis failed'))
  return redis
}

/** Counts each request by its address, or by its network in IPv6. */
export function limitByAddress(limits: RateLimits): RequestHandler {
  return async (request, response, next) => {
    await limits.consume('ip', clientOf(request), response)
    next()
  }
}

import { once } from 'node:events'
import { type Processor, Queue, Worker, type WorkerOptions } from 'bullmq'
import { ConfigError } from '../config/config-error.js'
import type { RedisConfig } from '../config/groups/redis.js'
import { SECOND } from '../duration.js'
import { messageOf } from '../errors.js'
import type { Logger } from '../logger.js'
import { withinTime } from '../within-time.js'
import { telemetry } from './job-traces.js'
import type { JobName } from './jobs.js'
import { connectRedis, disconnectRedis, placeOf, type RedisClient } from './redis-connection.js'
import { readRedisNodes } from './redis-nodes.js'
import { hintOf, refusalOf, troublesOf } from './redis-trouble.js'

interface RedisQueues {
  redis: RedisConfig
  prefix: string
}

const ANSWER_WITHIN = 2 * SECOND
const LOOK_WITHIN = 4 * SECOND
/** A Redis that says nothing for so long is gone. Workers wait up to ten seconds for a job (BullMQ's maximumBlockTimeout). */
const SILENCE = { producer: 4 * SECOND, worker: 20 * SECOND }

/**
 * The braces keep all keys of a queue in one slot of a cluster, which its scripts need; those of different queues may be in
 * different ones.
 */
export function redisPrefix({ redis, prefix }: RedisQueues, name: JobName): string {
  return redis.form === 'cluster' && redis.spread ? `{${prefix}-${name}}` : `{${prefix}}`
}

/**
 * Producers fail at once when Redis is away, so that no request hangs; it may be away at the start, too. Throws a
 * ConfigError when it answers and can never work.
 */
export async function redisProducer(config: RedisQueues, log: Logger) {
  const connection = listened(
    connectRedis(config.redis, {
      enableOfflineQueue: false,
      maxRetriesPerRequest: 1,
      commandTimeout: ANSWER_WITHIN,
      connectTimeout: ANSWER_WITHIN,
      socketTimeout: SILENCE.producer
    }),
    log
  )
  try {
    await Promise.all([sayTroubles(config.redis, log), untilReady(connection)])
  } catch (error) {
    disconnectRedis(connection)
    throw error
  }
  return {
    queue: (name: JobName) =>
      new Queue(name, { connection, prefix: redisPrefix(config, name), skipWaitingForReady: true, ...telemetry() }),
    // Redis may come later.
    ready: async (_queue: Queue) => undefined,
    close: async () => disconnectRedis(connection)
  }
}

/** Workers wait for Redis to come back. */
export function redisConsumer(config: RedisQueues, log: Logger) {
  const connection = listened(
    connectRedis(config.redis, { maxRetriesPerRequest: null, socketTimeout: SILENCE.worker }),
    log
  )
  return {
    worker: (name: JobName, processor: Processor, options: Omit<WorkerOptions, 'connection'>) =>
      new Worker(name, processor, { connection, prefix: redisPrefix(config, name), ...options, ...telemetry() }),
    // Redis may come later; the worker waits for it.
    ready: async (_worker: Worker) => undefined,
    close: async () => disconnectRedis(connection)
  }
}

function listened(connection: RedisClient, log: Logger): RedisClient {
  connection.on('error', error => log.debug({ err: error }, 'a connection to Redis failed'))
  return connection
}

/** A Redis that is away may come later. */
async function untilReady(connection: RedisClient): Promise<void> {
  await withinTime(once(connection, 'ready'), ANSWER_WITHIN, 'Redis did not answer').catch(() => undefined)
}

/** What is wrong with a Redis that answers is said at the start, and again by `ops doctor`. */
async function sayTroubles(redis: RedisConfig, log: Logger): Promise<void> {
  const look = withinTime(readRedisNodes(redis), LOOK_WITHIN, 'Redis did not answer')
  const nodes = await look.catch(error => {
    const refusal = refusalOf(redis, error)
    if (refusal !== undefined) throw new ConfigError([refusal])
    const reason = `${messageOf(error)}${hintOf(redis, error)}`
    log.warn({ redis: placeOf(redis), reason }, 'Redis is away; the sweep enqueues the jobs once it is back')
    return []
  })
  const troubles = troublesOf(redis, nodes)
  const never = troubles.filter(({ weight }) => weight === 'never').map(({ text }) => text)
  if (never.length > 0) throw new ConfigError(never)
  for (const { text } of troubles) log.warn({ redis: placeOf(redis), trouble: text }, 'Redis is not set up for a queue')
}

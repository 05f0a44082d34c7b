import { type Group, optional, setting, type ValuesOf } from '../setting.js'
import { choice, integer, text } from '../value-types.js'
import { readRedis, redis } from './redis.js'

const prefix = text('lower-case letters, digits and dashes', text => /^[a-z0-9-]{1,40}$/.test(text))

export const queue = {
  title: 'Queue',
  settings: {
    ...redis,
    engine: optional('QUEUE_ENGINE', choice(['redis', 'postgres']), {
      doc: '`postgres` to keep the queue in the database instead of Redis',
      npmStart: '`postgres`, unless a Redis is set'
    }),
    prefix: setting('QUEUE_PREFIX', prefix, {
      default: 'tillworks',
      doc: 'keeps two installations on one Redis apart'
    }),
    concurrency: setting('WORKER_CONCURRENCY', integer(1, 500), {
      default: '16',
      doc: 'jobs at once, of a queue and process'
    })
  }
} satisfies Group

/** A Redis that is set is used: that QUEUE_ENGINE says the same is a cross-check. */
export function readQueue(values: ValuesOf<typeof queue>) {
  const redisConfig = readRedis(values)
  const { prefix, concurrency } = values
  return {
    engine: redisConfig === undefined ? ('postgres' as const) : ('redis' as const),
    redis: redisConfig,
    prefix,
    concurrency
  }
}

import { Cluster, Redis, type RedisOptions } from 'ioredis'
import type { RedisConfig } from '../config/groups/redis.js'
import { showHost } from '../config/redis/hosts.js'
import { SECOND } from '../duration.js'

export type RedisClient = Redis | Cluster

/** How one use of Redis bounds its waits; the rest is the same for all. */
export type RedisBounds = Pick<
  RedisOptions,
  | 'enableOfflineQueue'
  | 'maxRetriesPerRequest'
  | 'commandTimeout'
  | 'connectTimeout'
  | 'socketTimeout'
  | 'lazyConnect'
  | 'retryStrategy'
>

/** A cluster that moves slots says so with the next command (MOVED); this finds replicas and nodes that came. */
const SLOTS_EVERY = 15 * SECOND
const SLOTS_WITHIN = 2 * SECOND

/** Somebody has to listen to its 'error' events. */
export function connectRedis(config: RedisConfig, bounds: RedisBounds): RedisClient {
  const { username, password, tls } = config
  const common: RedisOptions = { username, password, tls, reconnectOnError: isNoLongerPrimary }
  if (config.form === 'cluster') return connectCluster(config.nodes, { ...common, natMap: config.natMap }, bounds)
  const single = { ...common, ...bounds, db: config.database }
  if (config.form === 'single') return new Redis({ ...single, ...config.at, family: config.family })
  return new Redis({
    ...single,
    sentinels: config.sentinels,
    name: config.name,
    sentinelUsername: config.sentinelUsername,
    sentinelPassword: config.sentinelPassword,
    sentinelTLS: config.sentinelTls,
    enableTLSForSentinelMode: tls !== undefined,
    sentinelCommandTimeout: SLOTS_WITHIN,
    natMap: config.natMap,
    // All Sentinels away is an error to hear of, not the end of the connection.
    sentinelRetryStrategy: bounds.retryStrategy ?? (tries => Math.min(tries * 100, 2 * SECOND))
  })
}

function connectCluster(
  nodes: { host: string; port: number }[],
  { natMap, ...common }: RedisOptions,
  { enableOfflineQueue, lazyConnect, retryStrategy, ...bounds }: RedisBounds
): Cluster {
  return new Cluster(nodes, {
    redisOptions: { ...common, ...bounds },
    natMap,
    lazyConnect,
    ...(enableOfflineQueue === undefined ? {} : { enableOfflineQueue }),
    ...(retryStrategy === undefined ? {} : { clusterRetryStrategy: retryStrategy }),
    slotsRefreshInterval: SLOTS_EVERY,
    slotsRefreshTimeout: SLOTS_WITHIN,
    // The name stays a name, which the certificate of a managed cluster is for.
    dnsLookup: (host, done) => done(null, host)
  })
}

/**
 * A primary that became a replica answers writes with READONLY and ends what blocks on it with UNBLOCKED. The connection is
 * made anew, through Sentinel or the name of the host, to whoever is primary now.
 */
function isNoLongerPrimary({ message }: Error): boolean {
  return message.includes('READONLY') || message.startsWith('UNBLOCKED') || message.startsWith('MASTERDOWN')
}

/** A second disconnect() would wait two seconds for the end of a connection that has ended, and hold the process for them. */
export function disconnectRedis(client: RedisClient): void {
  if (client.status !== 'end') client.disconnect()
}

/** Where it is, in words that hold no secret. */
export function placeOf(config: RedisConfig): string {
  if (config.form === 'cluster') return `a cluster at ${config.nodes.map(showHost).join(', ')}`
  if (config.form === 'sentinel')
    return `${config.name} of the Sentinels at ${config.sentinels.map(showHost).join(', ')}`
  return 'path' in config.at ? config.at.path : showHost(config.at)
}

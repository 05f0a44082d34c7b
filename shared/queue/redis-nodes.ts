import { Cluster } from 'ioredis'
import type { RedisConfig } from '../config/groups/redis.js'
import { SECOND } from '../duration.js'
import { messageOf } from '../errors.js'
import { connectRedis, placeOf, type RedisClient } from './redis-connection.js'

const ANSWER_WITHIN = 3 * SECOND

/** What a server tells of itself: by INFO, and by CONFIG where its host does not forbid that. */
export interface RedisNode {
  place: string
  info: Record<string, string | undefined>
  /** The `save` of its configuration, empty for no snapshots; undefined when CONFIG is forbidden. */
  snapshots: string | undefined
  policy: string | undefined
}

/** Throws what the first connection failed with. */
export async function readRedisNodes(config: RedisConfig): Promise<RedisNode[]> {
  const client = connectRedis(config, {
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: ANSWER_WITHIN,
    commandTimeout: ANSWER_WITHIN,
    socketTimeout: ANSWER_WITHIN
  })
  let cause: unknown
  const keep = (error: unknown) => {
    cause ??= error
  }
  client.on('error', keep)
  client.on('node error', keep)
  client.on('sentinelError', keep)
  try {
    await client.connect()
    const nodes = await Promise.all(serversOf(client, config).map(([place, server]) => readNode(place, server)))
    // ioredis stays in database 0 when the one that it was given is not there, and only says so.
    if (cause !== undefined && /DB index/.test(messageOf(cause))) throw cause
    return nodes
  } catch (error) {
    throw cause ?? error
  } finally {
    client.disconnect()
  }
}

function serversOf(client: RedisClient, config: RedisConfig): [string, Pick<RedisClient, 'info' | 'config'>][] {
  if (!(client instanceof Cluster)) return [[placeOf(config), client]]
  return client.nodes('master').map(node => [`${node.options.host}:${node.options.port}`, node])
}

async function readNode(place: string, server: Pick<RedisClient, 'info' | 'config'>): Promise<RedisNode> {
  const info = parseInfo(await server.info())
  const configured = async (name: string) => {
    const answer = (await server.config('GET', name).catch(() => [])) as string[]
    return answer[1]
  }
  return {
    place,
    info,
    snapshots: info.aof_enabled === '1' ? '' : await configured('save'),
    policy: info.maxmemory_policy ?? (await configured('maxmemory-policy'))
  }
}

function parseInfo(text: string): RedisNode['info'] {
  return Object.fromEntries(
    text
      .split(/\r?\n/)
      .filter(line => line.includes(':'))
      .map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)])
  )
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { eventually } from './eventually.js'
import { freePort } from './free-port.js'
import { type RedisServer, startRedisServer } from './redis-server.js'

export interface RedisCluster {
  /** As REDIS_CLUSTER_NODES takes them. */
  nodes: string
  primaries: RedisServer[]
  stop(): Promise<void>
}

const SLOTS = 16_384
const START_WITHIN = 20_000

/** A cluster of three primaries on loopback, each with a replica when `replicas` is set; undefined without redis-server 7. */
export async function startRedisCluster({ replicas = false } = {}): Promise<RedisCluster | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'tillworks-redis-cluster-'))
  const started = await Promise.all(Array.from({ length: replicas ? 6 : 3 }, (_, number) => startNode(folder, number)))
  const servers = started.filter(server => server !== undefined)
  const stop = async () => {
    await Promise.all(servers.map(server => server.process.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
  if (servers.length < started.length) {
    await stop()
    return undefined
  }
  try {
    await joinNodes(servers)
  } catch (error) {
    await stop()
    throw error
  }
  const primaries = servers.slice(0, 3)
  return { nodes: primaries.map(({ host, port }) => `${host}:${port}`).join(','), primaries, stop }
}

async function startNode(folder: string, number: number): Promise<RedisServer | undefined> {
  const busPort = await freePort()
  return await startRedisServer([
    ...['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', '2000'],
    ...['--dir', folder, '--cluster-config-file', `nodes-${number}.conf`, '--dbfilename', `${number}.rdb`],
    ...['--maxmemory-policy', 'noeviction', '--repl-diskless-sync-delay', '0']
  ])
}

async function joinNodes(servers: RedisServer[]): Promise<void> {
  const clients = servers.map(({ host, port }) => new Redis({ host, port }))
  try {
    const [first] = clients
    for (const [number, client] of clients.slice(0, 3).entries()) {
      await client.call(
        'CLUSTER',
        'ADDSLOTSRANGE',
        Math.ceil((number * SLOTS) / 3),
        Math.ceil(((number + 1) * SLOTS) / 3) - 1
      )
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', number + 1)
    }
    const busPorts = await Promise.all(
      clients.map(async client => ((await client.config('GET', 'cluster-port')) as string[])[1] ?? '')
    )
    for (const [number, { host, port }] of servers.entries()) {
      if (number > 0) await first?.call('CLUSTER', 'MEET', host, port, busPorts[number] ?? '')
    }
    await everyone(clients, text => text.includes(`cluster_known_nodes:${servers.length}`))
    for (const [number, client] of clients.slice(3).entries()) {
      await client.call('CLUSTER', 'REPLICATE', String(await clients[number]?.call('CLUSTER', 'MYID')))
    }
    await everyone(clients, text => text.includes('cluster_state:ok') && text.includes('cluster_slots_ok:16384'))
    for (const client of clients.slice(3)) {
      await eventually(
        () => client.info('replication'),
        text => text.includes('master_link_status:up'),
        START_WITHIN
      )
    }
  } finally {
    for (const client of clients) client.disconnect()
  }
}

async function everyone(clients: Redis[], isSo: (info: string) => boolean): Promise<void> {
  for (const client of clients) {
    const info = await eventually(async () => String(await client.call('CLUSTER', 'INFO')), isSo, START_WITHIN)
    if (!isSo(info)) throw new Error(`The cluster on loopback did not come together:\n${info}`)
  }
}

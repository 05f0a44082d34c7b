import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { type BoundProcess, spawnBound } from './bound-process.js'
import { eventually } from './eventually.js'
import { freePort } from './free-port.js'
import { type RedisServer, startRedisServer } from './redis-server.js'

export interface WatchedRedis {
  /** As REDIS_SENTINELS takes them. */
  sentinels: string
  primary: RedisServer
  stop(): Promise<void>
}

export const SENTINEL_NAME = 'tillworks-primary'
const START_WITHIN = 20_000

/** A primary, its replica and three Sentinels on loopback, all with passwords of their own; undefined without redis-server. */
export async function startWatchedRedis(passwords: {
  redis: string
  sentinel: string
}): Promise<WatchedRedis | undefined> {
  const signIn = { password: passwords.redis }
  const own = ['--requirepass', passwords.redis, '--masterauth', passwords.redis, '--repl-diskless-sync-delay', '0']
  const primary = await startRedisServer(own, { signIn })
  if (primary === undefined) return undefined
  const replica = await startRedisServer([...own, '--replicaof', `${primary.host} ${primary.port}`], { signIn })
  const folder = mkdtempSync(join(tmpdir(), 'tillworks-sentinel-'))
  const sentinels: { port: number; process: BoundProcess }[] = []
  const stop = async () => {
    await Promise.all([...sentinels, primary, replica].map(server => server?.process.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    for (let number = 0; number < 3; number++) sentinels.push(await startSentinel(folder, primary, passwords))
    for (const { port } of sentinels) await untilItSees(port, passwords.sentinel)
  } catch (error) {
    await stop()
    throw error
  }
  return { sentinels: sentinels.map(({ port }) => `127.0.0.1:${port}`).join(','), primary, stop }
}

async function startSentinel(folder: string, primary: RedisServer, passwords: { redis: string; sentinel: string }) {
  const port = await freePort()
  const file = join(folder, `${port}.conf`)
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `requirepass ${JSON.stringify(passwords.sentinel)}`,
    `sentinel monitor ${SENTINEL_NAME} ${primary.host} ${primary.port} 2`,
    `sentinel auth-pass ${SENTINEL_NAME} ${JSON.stringify(passwords.redis)}`,
    `sentinel down-after-milliseconds ${SENTINEL_NAME} 1000`,
    `sentinel failover-timeout ${SENTINEL_NAME} 3000`
  ]
  writeFileSync(file, `${lines.join('\n')}\n`)
  return { port, process: spawnBound({ command: 'redis-server', args: [file, '--sentinel'], stopSignal: 'TERM' }) }
}

/** Both other Sentinels and the replica, without which it would promote nobody. */
async function untilItSees(port: number, password: string): Promise<void> {
  const client = new Redis({ port, host: '127.0.0.1', password, enableReadyCheck: false })
  client.on('error', () => undefined)
  try {
    const sees = (text: string) => /slaves=1,sentinels=3/.test(text)
    const info = await eventually(() => client.info('sentinel').catch(String), sees, START_WITHIN)
    if (!sees(info)) throw new Error(`A Sentinel on loopback sees not all of the others:\n${info}`)
  } finally {
    client.disconnect()
  }
}

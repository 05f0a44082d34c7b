import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis, type RedisOptions } from 'ioredis'
import { type BoundProcess, spawnBound } from './bound-process.js'
import { freePort } from './free-port.js'

export interface RedisServer {
  host: string
  port: number
  process: BoundProcess
  /** As a crash would end it. */
  kill(): Promise<void>
}

/** Starts the `redis-server` on PATH, with nothing on disk unless `args` say so; undefined when it does not answer. */
export async function startRedisServer(
  args: string[] = [],
  { port: givenPort, signIn = {} }: { port?: number; signIn?: RedisOptions } = {}
): Promise<RedisServer | undefined> {
  const port = givenPort ?? (await freePort())
  const host = '127.0.0.1'
  const own = ['--port', String(port), '--bind', host, '--save', '', '--appendonly', 'no']
  // Redis writes a dump for a full sync, and would do so into the folder of this process.
  const folder = mkdtempSync(join(tmpdir(), 'tillworks-redis-'))
  const server = spawnBound({
    command: 'redis-server',
    args: [...own, '--dir', folder, ...args],
    stopSignal: 'TERM',
    removeAfter: folder
  })
  if (await answers(server, { host, port, ...signIn })) {
    return { host, port, process: server, kill: () => server.stop(0) }
  }
  await server.stop(0)
  return undefined
}

async function answers(server: BoundProcess, options: RedisOptions): Promise<boolean> {
  let ended = false
  server.exited.then(() => {
    ended = true
  })
  for (let tries = 0; tries < 200 && !ended; tries++) {
    const redis = new Redis({ ...options, lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 })
    redis.on('error', () => undefined)
    const pong = await redis
      .connect()
      .then(() => redis.ping())
      .catch(() => undefined)
    redis.disconnect()
    if (pong === 'PONG') return true
    await sleep(25)
  }
  return false
}

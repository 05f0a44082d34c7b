import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { type BoundProcess, spawnBound } from './bound-process.js'
import { freePort } from './free-port.js'

export interface PrivateRedis {
  url: string
  stop(): Promise<void>
}

/** Starts the `redis-server` on PATH, with nothing on disk, on a free port unless one is given; undefined without it. */
export async function startPrivateRedis(givenPort?: number): Promise<PrivateRedis | undefined> {
  const port = givenPort ?? (await freePort())
  const server = spawnBound({
    command: 'redis-server',
    args: [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--maxmemory-policy',
      'noeviction'
    ],
    stopSignal: 'TERM'
  })
  const url = `redis://127.0.0.1:${port}`
  if (await answers(server, url)) return { url, stop: () => server.stop() }
  await server.stop(0)
  return undefined
}

async function answers(server: BoundProcess, url: string): Promise<boolean> {
  let ended = false
  server.exited.then(() => {
    ended = true
  })
  for (let tries = 0; tries < 200 && !ended; tries++) {
    const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 })
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

import { startRedisServer } from './redis-server.js'

export interface PrivateRedis {
  url: string
  pid: number | undefined
  stop(): Promise<void>
}

/** Starts the `redis-server` on PATH, with nothing on disk, on a free port unless one is given; undefined without it. */
export async function startPrivateRedis(port?: number): Promise<PrivateRedis | undefined> {
  const server = await startRedisServer(['--maxmemory-policy', 'noeviction'], { port })
  if (server === undefined) return undefined
  return { url: `redis://${server.host}:${server.port}`, pid: server.process.pid, stop: () => server.process.stop() }
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '../local/embedded-postgres.js'
import { startPrivateRedis } from '../local/private-redis.js'
import { cpuMs, pidOf } from './processes.js'

export const engines = ['redis', 'postgres'] as const
export type Engine = (typeof engines)[number]

/** PostgreSQL and Redis of this run alone, on free ports. */
export interface Stores {
  engine: Engine
  /** Of a database, made when it is missing. */
  databaseUrl(name: string): Promise<string>
  redisUrl: string | undefined
  cpu(): { postgres: number; redis: number }
  /** For files of this run. */
  folder: string
  stop(): Promise<void>
}

/** As in production: what is committed is on the disk. */
const SETTINGS = {
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.track': 'all',
  track_functions: 'all',
  'pg_stat_statements.track_planning': 'on',
  track_commit_timestamp: 'on',
  shared_buffers: '256MB',
  max_wal_size: '4GB',
  // A shop's tables are known to the planner; new ones are, by default, when a minute has gone by.
  autovacuum_naptime: '5s'
}

export async function startStores(engine: Engine): Promise<Stores> {
  const folder = mkdtempSync(join(tmpdir(), 'tillworks-bench-'))
  const dataDir = `${folder}-pg`
  const postgres = await startEmbeddedPostgres({ dataDir, password: 'bench', settings: SETTINGS })
  const redis = engine === 'redis' ? await startPrivateRedis() : undefined
  if (engine === 'redis' && redis === undefined) {
    await postgres.stop()
    throw new Error('There is no redis-server on PATH; install it, or run the bench with --engine postgres')
  }
  const redisPid = redis === undefined ? undefined : pidOf({ pid: redis.pid, output: () => '' })
  const postgresPid = pidOf({ pid: postgres.pid, output: () => '' })
  return {
    engine,
    folder,
    redisUrl: redis?.url,
    async databaseUrl(name) {
      await postgres.createDatabase(name)
      return postgres.url(name)
    },
    cpu: () => ({ postgres: cpuMs(postgresPid), redis: redisPid === undefined ? 0 : cpuMs(redisPid) }),
    async stop() {
      await redis?.stop()
      await postgres.stop()
      for (const each of [folder, dataDir]) rmSync(each, { recursive: true, force: true })
    }
  }
}

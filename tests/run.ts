// npm test: starts one PostgreSQL and one Redis for the whole run, hands them to Jest, and stops them after it.
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { startPrivateRedis } from '../local/private-redis.js'
import { startRedisCluster } from '../local/redis-cluster.js'
import { startThrowAwayPostgres } from '../local/throw-away-postgres.js'
import { applyMigrations } from '../prisma/schema-engine.js'
import { allSettings } from '../shared/config/groups.js'
import { createLogger } from '../shared/logger.js'
import { openQueues } from '../shared/queue/queues.js'

// Commands and workers that are processes of their own start in a third of the time when each is one file. The folder is
// within the project, where they look for it, and of this run alone.
const bundles = `dist/tests-${process.pid}`
await build({
  entryPoints: ['api/main.ts', 'ops/main.ts', 'workers/main.ts', 'prisma/deploy.ts'],
  outdir: bundles,
  outbase: '.',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  // What is CommonJS among the packages asks for Node's own modules by require().
  banner: {
    js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);"
  },
  sourcemap: true,
  logLevel: 'warning'
})
// Read from beside the page that names them.
for (const file of ['style.css', 'live.js']) cpSync(`api/ops/page/${file}`, `${bundles}/api/${file}`)
process.on('exit', () => rmSync(bundles, { recursive: true, force: true }))

// It comes together while PostgreSQL starts.
const startingCluster = startRedisCluster()
// A running `npm start` and whatever the shell exports are none of the tests' business.
const home = mkdtempSync(join(tmpdir(), 'tillworks-tests-'))
process.on('exit', () => rmSync(home, { recursive: true, force: true }))

const postgres = await startThrowAwayPostgres({
  settings: {
    // tests/statement-counts.test.ts counts what the server is sent.
    shared_preload_libraries: 'pg_stat_statements',
    // A shop holds up to forty, and several of each worker of Jest are open at a time.
    max_connections: '1000'
  }
})
// Each shop gets a database of its own, cloned from this one, which has the tables of the queues, too.
const template = postgres.url('template_tillworks')
await postgres.createDatabase('template_tillworks')
await applyMigrations(template)
const queueSettings = {
  engine: 'postgres',
  redis: undefined,
  prefix: 'template',
  concurrency: 1,
  database: { url: template }
} as const
await (await openQueues(queueSettings, createLogger({ level: 'warn', production: true, name: 'template' }))).close()
const redis = process.env.TEST_REDIS_URL ? undefined : await startPrivateRedis()
const redisUrl = process.env.TEST_REDIS_URL || redis?.url
const cluster = await startingCluster
const withoutRedis =
  'QUEUE TESTS ON REDIS OR ON ITS CLUSTER DID NOT RUN: there is no redis-server 7 on PATH (or no TEST_REDIS_URL).'
if (redisUrl === undefined || cluster === undefined) shout()

const forbidden = (redisUrl === undefined || cluster === undefined) && process.env.CI === 'true'
const code = forbidden ? 1 : await runJest()
if (redisUrl === undefined || cluster === undefined) shout()
await cluster?.stop()
await redis?.stop()
await postgres.stop()
process.exit(code)

function runJest(): Promise<number> {
  const jest = spawn(
    process.execPath,
    ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', ...process.argv.slice(2)],
    {
      stdio: 'inherit',
      env: {
        ...withoutSettings(process.env),
        NODE_ENV: 'test',
        TILLWORKS_HOME: home,
        TILLWORKS_TEST_BUILD: bundles,
        TILLWORKS_TEST_POSTGRES: postgres.url('postgres'),
        TEST_REDIS_URL: redisUrl ?? '',
        TILLWORKS_TEST_CLUSTER: cluster?.nodes ?? ''
      }
    }
  )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => jest.kill(signal))
  return new Promise(resolve => jest.once('exit', exit => resolve(exit ?? 1)))
}

function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = ['LOG_LEVEL']
  const settings = new Set(allSettings.flatMap(({ variable }) => [variable, `${variable}_FILE`]))
  return Object.fromEntries(Object.entries(env).filter(([name]) => kept.includes(name) || !settings.has(name)))
}

function shout(): void {
  const line = '!'.repeat(withoutRedis.length)
  process.stderr.write(`\n${line}\n${withoutRedis}\n${line}\n\n`)
}

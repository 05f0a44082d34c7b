// npm test: starts one PostgreSQL and one Redis for the whole run, hands them to Jest, and stops them after it.
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { build } from 'esbuild'
import { startPrivateRedis } from '../local/private-redis.js'
import { startThrowAwayPostgres } from '../local/throw-away-postgres.js'
import { applyMigrations } from '../prisma/schema-engine.js'
import { createLogger } from '../shared/logger.js'
import { openQueues } from '../shared/queue/queues.js'

// Commands and workers that are processes of their own start in a third of the time when each is one file. The folder is
// within the project, where they look for it, and of this run alone.
const bundles = `dist/tests-${process.pid}`
await build({
  entryPoints: ['ops/main.ts', 'workers/main.ts', 'prisma/deploy.ts'],
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
process.on('exit', () => rmSync(bundles, { recursive: true, force: true }))

const postgres = await startThrowAwayPostgres()
// Each shop gets a database of its own, cloned from this one, which has the tables of the queues, too.
const template = postgres.url('template_tillworks')
await postgres.createDatabase('template_tillworks')
await applyMigrations(template)
const queueSettings = {
  engine: 'postgres',
  redisUrl: undefined,
  prefix: 'template',
  concurrency: 1,
  databaseUrl: template
} as const
await (await openQueues(queueSettings, createLogger({ level: 'warn', production: true, name: 'template' }))).close()
const redis = process.env.TEST_REDIS_URL ? undefined : await startPrivateRedis()
const redisUrl = process.env.TEST_REDIS_URL || redis?.url
const withoutRedis =
  'THE REDIS HALF OF THE QUEUE TESTS DID NOT RUN: there is no redis-server on PATH and no TEST_REDIS_URL.'
if (redisUrl === undefined) shout()

const forbidden = redisUrl === undefined && process.env.CI === 'true'
const code = forbidden ? 1 : await runJest()
if (redisUrl === undefined) shout()
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
        ...process.env,
        NODE_ENV: 'test',
        TILLWORKS_TEST_BUILD: bundles,
        TILLWORKS_TEST_POSTGRES: postgres.url('postgres'),
        TEST_REDIS_URL: redisUrl ?? ''
      }
    }
  )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => jest.kill(signal))
  return new Promise(resolve => jest.once('exit', exit => resolve(exit ?? 1)))
}

function shout(): void {
  const line = '!'.repeat(withoutRedis.length)
  process.stderr.write(`\n${line}\n${withoutRedis}\n${line}\n\n`)
}

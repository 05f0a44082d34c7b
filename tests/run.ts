// npm test: starts one PostgreSQL and one Redis for the whole run, hands them to Jest, and stops them after it.
import { execFileSync, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { startPrivateRedis } from '../local/private-redis.js'
import { startThrowAwayPostgres } from '../local/throw-away-postgres.js'
import { applyMigrations } from '../prisma/schema-engine.js'

// Commands and workers that are processes of their own start in half the time when they are compiled once. The folder is
// within the project, so that packages are found, and of this run alone.
const build = `node_modules/.cache/tillworks-tests-${process.pid}`
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', build], {
  stdio: 'inherit'
})
process.on('exit', () => rmSync(build, { recursive: true, force: true }))

const postgres = await startThrowAwayPostgres()
// Each test file gets a database of its own, cloned from this one.
await postgres.createDatabase('template_tillworks')
await applyMigrations(postgres.url('template_tillworks'))
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
        TILLWORKS_TEST_BUILD: build,
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

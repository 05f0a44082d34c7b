// npm run demo [-- --engine redis]: the whole pipeline as a script, on free ports and temporary data. Exits 0 only when
// everything that was expected was seen.

import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { freePort } from '../local/free-port.js'
import { startPrivateRedis } from '../local/private-redis.js'
import { createShopper } from '../local/shopper.js'
import { startStack } from '../local/stack.js'
import { startThrowAwayPostgres } from '../local/throw-away-postgres.js'
import { messageOf } from '../shared/errors.js'
import { createLogger } from '../shared/logger.js'
import { runShutdown } from '../shared/runtime/shutdown.js'
import { scenarios } from './scenarios.js'

const DEADLINE_MS = 60_000

const { values } = parseArgs({ options: { engine: { type: 'string', default: 'postgres' } } })
const deadline = setTimeout(() => {
  process.stderr.write(`The demo took longer than ${DEADLINE_MS / 1000} seconds.\n`)
  process.exit(1)
}, DEADLINE_MS)

let code = 1
try {
  code = await run(values.engine)
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`)
}
clearTimeout(deadline)
// Everything is closed; an idle timer of a connection pool need not be waited for.
process.exit(code)

async function run(engine: string): Promise<number> {
  if (engine !== 'postgres' && engine !== 'redis') throw new Error('--engine takes postgres or redis')
  const log = createLogger({ level: process.env.LOG_LEVEL ?? 'silent', production: true, name: 'demo' })
  const redis = engine === 'redis' ? await openRedis() : undefined
  const postgres = await startThrowAwayPostgres()
  try {
    const webhookSecret = `whsec_${randomBytes(16).toString('hex')}`
    const authSecret = randomBytes(24).toString('hex')
    const stack = await startStack({
      port: await freePort(),
      log,
      env: {
        DATABASE_URL: postgres.url('postgres'),
        ...(redis === undefined
          ? { QUEUE_ENGINE: 'postgres' }
          : { REDIS_URL: redis.url, QUEUE_PREFIX: `demo-${randomBytes(4).toString('hex')}` }),
        AUTH_SECRET: authSecret,
        OPS_PASSWORD: randomBytes(12).toString('hex'),
        OPS_PORT: '0',
        STRIPE_WEBHOOK_SECRET: webhookSecret,
        FRAUD_CHECK_ENABLED: 'false'
      }
    })
    const shopper = await createShopper({
      port: stack.api.port,
      authSecret,
      userId: 'demo-ada',
      email: 'ada@shop.example'
    })
    const stranger = await createShopper({
      port: stack.api.port,
      authSecret,
      userId: 'demo-eve',
      email: 'eve@shop.example'
    })
    print(`Tillworks demo: queue on ${engine}, embedded PostgreSQL, simulated Stripe\n`)
    let failed = 0
    for (const scenario of scenarios) {
      const seen = await scenario
        .run({ stack, shopper, stranger, webhookSecret })
        .catch(error => `failed: ${messageOf(error)}`)
      const held = seen === scenario.expected
      if (!held) failed++
      print(`${held ? '✓' : '✗'} ${scenario.title}\n    expected ${scenario.expected}\n    seen     ${seen}`)
    }
    print(`\n${scenarios.length - failed} of ${scenarios.length} as expected`)
    await runShutdown(stack.shutdown, log)
    return failed === 0 ? 0 : 1
  } finally {
    await postgres.stop()
    await redis?.stop()
  }
}

async function openRedis(): Promise<{ url: string; stop(): Promise<void> }> {
  if (process.env.REDIS_URL) return { url: process.env.REDIS_URL, stop: async () => undefined }
  const redis = await startPrivateRedis()
  if (redis === undefined) throw new Error('There is no redis-server on PATH. Install one, or set REDIS_URL.')
  return redis
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

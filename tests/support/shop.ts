import { randomBytes } from 'node:crypto'
import type { Router } from 'express'
import pg from 'pg'
import { freePort } from '../../local/free-port.js'
import { createShopper, type Shopper } from '../../local/shopper.js'
import { type Stack, startStack } from '../../local/stack.js'
import { createLogger, type Logger } from '../../shared/logger.js'
import { runShutdown } from '../../shared/runtime/shutdown.js'
import type { Simulator, SimulatorOptions } from '../../simulator/start.js'

export type Engine = 'postgres' | 'redis' | 'cluster'

/** The engines that this run can use; the global setup says loudly when Redis is missing. */
export const engines: Engine[] = [
  'postgres',
  ...(process.env.TEST_REDIS_URL ? (['redis'] as const) : []),
  // For a person who waits, tests/redis-forms.test.ts alone stands for the cluster.
  ...(process.env.TILLWORKS_TEST_CLUSTER && (process.env.CI === 'true' || process.env.TEST_REDIS_CLUSTER === '1')
    ? (['cluster'] as const)
    : [])
]

/** For suites that are not about the queue: one Redis stands for all. */
export const plainEngines = engines.filter(engine => engine !== 'cluster')

/** Where the queue of a shop of the tests is. */
function queueOf(engine: Engine, prefix: string): Record<string, string | undefined> {
  if (engine === 'postgres') return { QUEUE_ENGINE: 'postgres' }
  const { TEST_REDIS_URL: url, TILLWORKS_TEST_CLUSTER: nodes } = process.env
  return { QUEUE_PREFIX: prefix, ...(engine === 'redis' ? { REDIS_URL: url } : { REDIS_CLUSTER_NODES: nodes }) }
}

/** The whole pipeline on a database of its own, with customers and the simulator. */
export interface Shop {
  stack: Stack
  simulator: Simulator
  customer(userId: string): Promise<Shopper>
  close(): Promise<void>
}

const AUTH_SECRET = 'a secret for tests of at least thirty-two characters'
export const WEBHOOK_SECRET = 'whsec_of_the_tests'

export async function openShop(
  engine: Engine,
  env: Record<string, string | undefined> = {},
  options: {
    pages?: (authSecret: string) => Router
    simulator?: Partial<SimulatorOptions>
    log?: Logger
    /** The way to the database, from the connection string of its server. */
    database?: (url: string) => string
  } = {}
): Promise<Shop> {
  const name = `test_${randomBytes(6).toString('hex')}`
  const server = process.env.TILLWORKS_TEST_POSTGRES ?? ''
  // Through the log, as it comes, it takes twice the CPU.
  await administer(server, `CREATE DATABASE "${name}" TEMPLATE template_tillworks STRATEGY FILE_COPY`)
  const ownUrl = server.replace(/\/postgres$/, `/${name}`)
  const databaseUrl = options.database?.(ownUrl) ?? ownUrl
  const stack = await startStack({
    port: env.PORT === undefined ? await freePort() : Number(env.PORT),
    pages: options.pages?.(AUTH_SECRET),
    simulator: options.simulator,
    log: options.log ?? createLogger({ level: process.env.LOG_LEVEL ?? 'silent', production: true, name: 'test' }),
    env: {
      DATABASE_URL: databaseUrl,
      ...queueOf(engine, name.replace('_', '-')),
      AUTH_SECRET,
      OPS_PASSWORD: 'password of the tests',
      STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET,
      FRAUD_CHECK_ENABLED: 'false',
      RESERVATION_MAX_OPEN: '1000',
      OPS_PORT: '0',
      RATE_LIMIT_PER_IP: '0',
      RATE_LIMIT_PER_USER: '0',
      SWEEP_AFTER_SECONDS: '1',
      SWEEP_EVERY_SECONDS: '1',
      ...env
    }
  })
  const { simulator } = stack
  if (simulator === undefined) throw new Error('A shop of the tests has a simulator, not a Stripe account.')
  return {
    stack,
    simulator,
    customer: userId =>
      createShopper({
        port: stack.api.port,
        basePath: stack.config.basePath,
        authSecret: stack.config.auth.secret,
        userId,
        email: `${userId}@shop.example`
      }),
    async close() {
      await runShutdown(stack.shutdown, stack.services.log)
      await administer(server, `DROP DATABASE "${name}" WITH (FORCE)`)
    }
  }
}

/** Does `work` with a shop, which is closed after it however it ends. */
export async function withShop<T>(opening: Promise<Shop>, work: (shop: Shop) => Promise<T>): Promise<T> {
  const shop = await opening
  try {
    return await work(shop)
  } finally {
    await shop.close()
  }
}

/** Runs a statement on a server or a database, on a connection of its own. */
export async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

/** Runs a statement with the rights of the database's owner: what the application's own role may not do. */
export async function asOwner(shop: Shop, statement: string): Promise<void> {
  await administer(shop.stack.config.database.url, statement)
}

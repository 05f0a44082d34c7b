import { existsSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { freePort } from '../local/free-port.js'
import { projectRoot } from '../shared/project-root.js'
import { startSimulator } from './contestants/start-simulator.js'
import { WEBHOOK_SECRET } from './load/deliveries.js'
import { cpuMs, type Server, startProgram, startServer } from './processes.js'
import type { Stores } from './stores.js'

export const AUTH_SECRET = 'a secret of the bench of at least thirty-two characters'
const OPERATOR = { user: 'operator', password: 'password of the bench' }

/** One installation: a build, its own database, and its processes. */
export interface Installation {
  apis: Server[]
  workers: Server[]
  database: pg.Pool
  /** Where its first ingress listens. */
  port: number
  cpu(): { api: number; workers: number }
  /** How many requests of an operation its workers have sent to Stripe. */
  stripeRequests(operation: string): Promise<number>
  /** For what is measured without them. */
  stopWorkers(): Promise<void>
  stop(): Promise<void>
}

export interface InstallationOptions {
  /** The folder of the build. */
  root?: string
  name: string
  workers: number
  /** Ingress processes; one when undefined. */
  apis?: number
  /** Of the simulated Stripe, in milliseconds; undefined without one. */
  stripeMs?: number
  /** On loopback, where its processes reach PostgreSQL; undefined: at its own. */
  databasePort?: number
}

/** Starts `npm run api` and `npm run workers` of a build, without the npm. */
export async function startTillworks(stores: Stores, options: InstallationOptions): Promise<Installation> {
  const { root = projectRoot, name, workers: count, apis: apiCount = 1, stripeMs } = options
  if (!existsSync(join(root, 'dist/api/main.js')))
    throw new Error(`There is no build in ${root}: run npm run build there`)
  const url = await stores.databaseUrl(name)
  await migrate(root, url)
  const port = await freePort()
  const stripe = stripeMs === undefined ? undefined : await startSimulator(stripeMs, port)
  const env = {
    ...settings(stores, name, atPort(url, options.databasePort)),
    ...(stripe && { STRIPE_API_BASE: `http://127.0.0.1:${stripe.port}` })
  }
  const apis = [await startApi(root, env, port)]
  while (apis.length < apiCount) apis.push(await startApi(root, env, await freePort()))
  const workers: Server[] = []
  for (let each = 0; each < count; each++) workers.push(await startWorkers(root, env))
  const database = new pg.Pool({ connectionString: url, max: 2 })
  database.on('error', () => undefined)
  const sum = (servers: Server[]) => servers.reduce((total, { pid }) => total + cpuMs(pid), 0)
  return {
    apis,
    workers,
    database,
    port,
    cpu: () => ({ api: sum(apis), workers: sum(workers) }),
    async stripeRequests(operation) {
      const counted = await Promise.all(workers.map(({ port }) => countRequests(port, operation)))
      return counted.reduce((total, count) => total + count, 0)
    },
    async stopWorkers() {
      await Promise.all(workers.splice(0).map(server => server.stop()))
    },
    async stop() {
      await database.end()
      await Promise.all([...apis, ...workers].map(server => server.stop()))
      await stripe?.stop()
    }
  }
}

function atPort(url: string, port: number | undefined): string {
  const at = new URL(url)
  if (port !== undefined) at.port = String(port)
  return at.href
}

async function startApi(root: string, env: Record<string, string>, port: number): Promise<Server> {
  const own = { ...env, PORT: String(port), OPS_PORT: String(await freePort()) }
  return await startServer({ args: ['dist/api/main.js'], cwd: root, env: own, port, readyPath: '/readyz' })
}

async function startWorkers(root: string, env: Record<string, string>): Promise<Server> {
  const port = await freePort()
  const own = { ...env, WORKERS_PORT: String(port) }
  return await startServer({ args: ['dist/workers/main.js'], cwd: root, env: own, port, readyPath: '/healthz' })
}

async function countRequests(port: number, operation: string): Promise<number> {
  const headers = { Authorization: `Basic ${btoa(`${OPERATOR.user}:${OPERATOR.password}`)}` }
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { headers })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`The workers do not show their metrics: ${answer.status} ${text}`)
  const lines = text.split('\n').filter(line => line.startsWith('tillworks_stripe_request_duration_seconds_count{'))
  const counts = lines
    .filter(line => line.includes(`operation="${operation}"`))
    .map(line => Number(line.split(' ').at(-1)))
  return counts.reduce((total, count) => total + count, 0)
}

export async function migrate(root: string, url: string): Promise<void> {
  const program = startProgram({ args: ['dist/prisma/deploy.js'], cwd: root, env: { DATABASE_URL: url } })
  if ((await program.exited) !== 0) throw new Error(`The migrations failed:\n${program.output()}`)
}

/** Limits that would refuse one machine's load are off or high; everything else is as it comes. */
function settings(stores: Stores, name: string, url: string): Record<string, string> {
  return {
    NODE_ENV: 'bench',
    DATABASE_URL: url,
    ...(stores.redisUrl === undefined
      ? { QUEUE_ENGINE: 'postgres' }
      : { REDIS_URL: stores.redisUrl, QUEUE_PREFIX: name.replaceAll('_', '-') }),
    STRIPE_SECRET_KEY: 'sk_test_bench',
    STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET,
    AUTH_SECRET,
    ALLOWED_ORIGINS: 'https://shop.example',
    PAYMENT_SUCCESS_URL: 'https://shop.example/success',
    PAYMENT_CANCEL_URL: 'https://shop.example/cancelled',
    OPS_USER: OPERATOR.user,
    OPS_PASSWORD: OPERATOR.password,
    TRUST_PROXY: '127.0.0.1',
    RATE_LIMIT_PER_IP: '0',
    RATE_LIMIT_PER_USER: '0',
    FRAUD_MAX_ATTEMPTS_PER_HOUR: '100000',
    FRAUD_CHALLENGE_ATTEMPTS: '100000',
    RESERVATION_MAX_OPEN: '1000',
    LOG_LEVEL: 'info'
  }
}

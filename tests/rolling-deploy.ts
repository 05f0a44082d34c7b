// npm run test:rolling: the release before and this one beside each other, as in a rolling deploy. Each part of this release
// works on the schema of the one before, with the other parts of either, and the other way round once it is migrated. The
// release before is $ROLLING_FROM, or the newest tag, or the last commit before the newest migration.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import Stripe from 'stripe'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { createShopper, data, lineOf } from '../local/shopper.js'
import { startThrowAwayPostgres } from '../local/throw-away-postgres.js'
import { catalogue } from '../prisma/catalogue.js'
import { SECOND } from '../shared/duration.js'
import { projectRoot } from '../shared/project-root.js'
import { startSimulator } from '../simulator/start.js'

type Release = 'before' | 'this'

const AUTH_SECRET = 'a secret for tests of at least thirty-two characters'
const WEBHOOK_SECRET = 'whsec_of_the_tests'
const SLUG = 'stoneware-mug'

const revision = releaseBefore()
const worktree = mkdtempSync(join(tmpdir(), 'tillworks-release-'))
const running: ChildProcess[] = []
const postgres = await startThrowAwayPostgres()
const database = postgres.url('postgres')
let customers = 0
let code = 1
try {
  say(`The release before is ${git('log', '-1', '--format=%h %s', revision)}`)
  git('worktree', 'add', '--detach', '--force', worktree, revision)
  symlinkSync(join(projectRoot, 'node_modules'), join(worktree, 'node_modules'))
  for (const release of ['before', 'this'] as const) await finished(program(release, 'npm', ['run', '-s', 'build']))

  await migrate('before')
  await fillCatalogue()
  await purchase('the schema of before', 'this', 'this')
  await purchase('the schema of before', 'this', 'before')
  await purchase('the schema of before', 'before', 'this')
  await migrate('this')
  await purchase('the schema of this release', 'before', 'before')
  await purchase('the schema of this release', 'before', 'this')
  await purchase('the schema of this release', 'this', 'before')
  say('Both releases work with each other, before the migrations and after them.')
  code = 0
} catch (error) {
  say(`FAILED: ${error instanceof Error ? error.stack : String(error)}`)
} finally {
  for (const child of running) child.kill('SIGKILL')
  await postgres.stop()
  git('worktree', 'remove', '--force', worktree)
  rmSync(worktree, { recursive: true, force: true })
}
process.exit(code)

function releaseBefore(): string {
  if (process.env.ROLLING_FROM) return process.env.ROLLING_FROM
  const [tag] = git('tag', '--merged', 'HEAD', '--sort=-creatordate').split('\n')
  if (tag) return tag
  const migration = git('log', '-1', '--format=%H', '--diff-filter=A', '--', 'prisma/migrations')
  return git('rev-parse', '--verify', `${migration}^`)
}

/** A customer buys, pays and is refunded, with the ingress of one release and the workers of one. */
async function purchase(schema: string, api: Release, workers: Release): Promise<void> {
  const port = await freePort()
  const endpoint = { url: `http://127.0.0.1:${port}/api/stripe/webhook`, secret: WEBHOOK_SECRET }
  const simulator = await startSimulator({ port: 0, endpoint })
  const env = settings(port, simulator.url)
  const pair = [
    program(api, 'node', ['dist/api/main.js'], env),
    program(workers, 'node', ['dist/workers/main.js'], env)
  ]
  const client = new pg.Client({ connectionString: database })
  await client.connect()
  try {
    await listening(port)
    const userId = `customer-${++customers}`
    const shopper = await createShopper({ port, userId, authSecret: AUTH_SECRET, email: `${userId}@shop.example` })
    const accepted = data(
      await shopper.checkout({ items: [lineOf(await shopper.product(SLUG), 1)] }, { Prefer: 'respond-async' })
    )
    const { url, orderId } = await shopper.checkoutBecomes(accepted.checkoutId, 'OPEN')
    await shopper.pay(url ?? '')
    const order = await shopper.orderBecomes(orderId ?? '', 'PAID')
    const { rows } = await client.query('SELECT "paymentIntentId" AS id FROM "Payment" WHERE "orderId" = $1', [
      order.id
    ])
    await stripeAt(simulator.url).refunds.create({ payment_intent: rows[0]?.id })
    await shopper.orderBecomes(order.id, 'REFUNDED')
    say(`${schema}: the ingress of ${api}, the workers of ${workers}: bought, paid, refunded`)
  } finally {
    await client.end()
    for (const child of pair) child.kill('SIGTERM')
    await Promise.all(pair.map(child => child.exitCode ?? once(child, 'exit')))
    await simulator.close()
  }
}

function settings(port: number, simulatorUrl: string): NodeJS.ProcessEnv {
  return {
    DATABASE_URL: database,
    QUEUE_ENGINE: 'postgres',
    AUTH_SECRET,
    OPS_PASSWORD: 'password of the tests',
    STRIPE_SECRET_KEY: 'sk_test_tillworks_demo',
    STRIPE_API_BASE: simulatorUrl,
    STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET,
    PAYMENT_SUCCESS_URL: 'http://localhost/success',
    PAYMENT_CANCEL_URL: 'http://localhost/cancel',
    FRAUD_CHECK_ENABLED: 'false',
    SWEEP_EVERY_SECONDS: '1',
    SWEEP_AFTER_SECONDS: '1',
    PORT: String(port),
    OPS_PORT: '0',
    LOG_LEVEL: 'warn'
  }
}

async function migrate(release: Release): Promise<void> {
  await finished(program(release, 'node', ['dist/prisma/deploy.js'], { DATABASE_URL: database }))
}

async function fillCatalogue(): Promise<void> {
  const client = new pg.Client({ connectionString: database })
  await client.connect()
  const product = catalogue.find(({ slug }) => slug === SLUG)
  await client.query(
    `INSERT INTO "Product" ("id", "slug", "name", "description", "price", "currency", "stock") VALUES ($1, $2, $3, $4, $5, 'EUR', $6)`,
    [product?.id, product?.slug, product?.name, product?.description, product?.price, product?.stock]
  )
  await client.end()
}

/** Whoever listens may say that a migration is missing. */
async function listening(port: number): Promise<void> {
  const answers = () =>
    fetch(`http://127.0.0.1:${port}/healthz`).then(
      answer => answer.ok,
      () => false
    )
  if (!(await eventually(answers, Boolean, 30 * SECOND))) throw new Error(`nobody listens on ${port}`)
}

function stripeAt(url: string): Stripe {
  const { hostname, port } = new URL(url)
  return new Stripe('sk_test_tillworks_demo', { host: hostname, port, protocol: 'http', telemetry: false })
}

function program(release: Release, command: string, args: string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const cwd = release === 'this' ? projectRoot : worktree
  const child = spawn(command === 'node' ? process.execPath : command, args, {
    cwd,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...env }
  })
  running.push(child)
  return child
}

async function finished(child: ChildProcess): Promise<void> {
  const [exit] = await once(child, 'exit')
  if (exit !== 0) throw new Error(`${child.spawnargs.join(' ')} ended with ${exit}`)
}

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: projectRoot, encoding: 'utf8' }).trim()
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

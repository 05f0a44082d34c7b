// npm start: everything on one machine with nothing configured. What the environment sets is used instead.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../local/embedded-postgres.js'
import { freePort, isFree } from '../local/free-port.js'
import { startStack } from '../local/stack.js'
import { stateFolder } from '../ops/state-folder.js'
import { readBasePath } from '../shared/config/base-path.js'
import { settingNames } from '../shared/config/config.js'
import { namesRedis } from '../shared/config/groups/redis.js'
import { allSettings } from '../shared/config/groups.js'
import { messageOf } from '../shared/errors.js'
import { createLogger } from '../shared/logger.js'
import { shutdownOnSignal } from '../shared/runtime/shutdown.js'
import { announce, instance, loadSecrets, refuseSecondStart, withdraw } from './instance.js'
import { storefront } from './storefront/router.js'

const DEFAULT_PORT = 3000
const OPS_PORT = 3001
const SIMULATOR_PORT = 12111

/** What another process on the same stores decides for itself. */
const OWN_SETTINGS = ['NODE_ENV', 'PORT', 'LOG_LEVEL']

try {
  await start()
} catch (error) {
  // PostgreSQL is bound to this process: it stops in order once we are gone.
  process.stderr.write(`${messageOf(error)}\n`)
  process.exit(1)
}

async function start(): Promise<void> {
  const began = Date.now()
  if (process.env.NODE_ENV === 'production') {
    throw new Error(
      'npm start runs the demo with its simulator, which NODE_ENV=production forbids. Run npm run api and npm run workers.'
    )
  }
  const given = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ''))
  await refuseSecondStart()
  const secrets = loadSecrets()
  const port = await choosePort(given.PORT)
  const basePath = readBasePath(given.BASE_PATH)
  const postgres = given.DATABASE_URL === undefined ? await startPostgres(secrets.databasePassword) : undefined
  const log = createLogger({ level: given.LOG_LEVEL ?? 'info', production: false, name: 'tillworks' })
  const env: NodeJS.ProcessEnv = {
    DATABASE_URL: postgres?.url('tillworks'),
    ...(namesRedis(given) ? {} : { QUEUE_ENGINE: 'postgres' }),
    AUTH_SECRET: secrets.authSecret,
    OPS_PASSWORD: secrets.opsPassword,
    ...(given.STRIPE_SECRET_KEY === undefined ? { STRIPE_WEBHOOK_SECRET: secrets.webhookSecret } : {}),
    ...declaredValues(),
    ...(given.ORDER_WEBHOOK_URL === undefined
      ? {
          ORDER_WEBHOOK_URL: `http://127.0.0.1:${port}${basePath}/demo/notifications`,
          ORDER_WEBHOOK_SECRET: secrets.notificationSecret
        }
      : {}),
    ...given
  }
  const opsPort = given.OPS_PORT ?? String((await isFree(OPS_PORT)) ? OPS_PORT : await freePort())
  env.OPS_PORT = opsPort
  const simulatorPort = (await isFree(SIMULATOR_PORT)) ? SIMULATOR_PORT : await freePort()
  const stack = await startStack({
    env,
    port,
    log,
    simulator: { port: simulatorPort, file: join(stateFolder, 'stripe.json') },
    pages: storefront({
      authSecret: String(env.AUTH_SECRET),
      notificationSecret: secrets.notificationSecret,
      basePath,
      instance
    })
  })
  announce(port, settingsForOps(stack.env))
  shutdownOnSignal(
    [
      { name: 'withdraw', capMs: 1_000, run: withdraw },
      ...stack.shutdown,
      { name: 'stop PostgreSQL', capMs: 12_000, run: () => postgres?.stop() }
    ],
    log
  )
  const { ops, queue } = stack.config
  const shop = `http://localhost:${port}${basePath}`
  process.stdout.write(
    [
      '',
      `  Tillworks is ready (${((Date.now() - began) / 1000).toFixed(1)} s)`,
      '',
      `  Storefront        ${shop}/`,
      `  Your orders       ${shop}/orders   (what the shop was told by its webhook)`,
      `  Operators         http://localhost:${stack.api.opsPort}${ops.basePath}/ops   (${ops.user} / ${given.OPS_PASSWORD === undefined ? ops.password : 'your OPS_PASSWORD'})`,
      `  Health            ${shop}/readyz`,
      `  Stripe            ${stack.simulator === undefined ? 'the real one, by STRIPE_SECRET_KEY' : `simulator at http://localhost:${stack.simulator.port}`}`,
      `  Database          ${postgres === undefined ? 'yours, by DATABASE_URL' : `embedded PostgreSQL, data in ${postgres.dataDir}`}`,
      `  Queue             BullMQ on ${queue.engine === 'redis' ? 'Redis' : 'that same PostgreSQL'}`,
      `  Before going live npm run ops -- doctor   (looks at each of these, and says what to do)`,
      '',
      '  Pay with 4242 4242 4242 4242; TEN is a promotion code. Ctrl-C stops everything; the data stays.',
      '',
      ''
    ].join('\n')
  )
}

async function choosePort(given: string | undefined): Promise<number> {
  if (given === undefined) return (await isFree(DEFAULT_PORT)) ? DEFAULT_PORT : await freePort()
  const port = Number(given)
  if (!/^\d+$/.test(given) || port < 1 || port > 65_535)
    throw new Error(`PORT: expected a port from 1 to 65535, not "${given}"`)
  if (!(await isFree(port)))
    throw new Error(`Port ${port} is in use. Stop what listens there, or set PORT to another one.`)
  return port
}

async function startPostgres(password: string): Promise<EmbeddedPostgres> {
  mkdirSync(stateFolder, { recursive: true })
  const postgres = await startEmbeddedPostgres({ dataDir: join(stateFolder, 'postgres'), password })
  await postgres.createDatabase('tillworks')
  return postgres
}

/** What the settings declare that npm start has in place of their defaults. */
function declaredValues(): Record<string, string> {
  return Object.fromEntries(
    allSettings.flatMap(({ variable, npmStart }) => (typeof npmStart === 'object' ? [[variable, npmStart.value]] : []))
  )
}

/** The ops command decides as this instance does: it needs the same settings. */
function settingsForOps(env: NodeJS.ProcessEnv): Record<string, string> {
  const names = settingNames.filter(name => !OWN_SETTINGS.includes(name))
  return Object.fromEntries(
    names.flatMap(name => {
      const value = env[name]
      return value === undefined ? [] : [[name, value]]
    })
  )
}

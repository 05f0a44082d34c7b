import type Stripe from 'stripe'
import { type Config, ConfigError } from '../config/config.js'
import type { Access } from '../database/access.js'
import { type Database, openDatabase } from '../database/database.js'
import { messageOf } from '../errors.js'
import { createLogger, type Logger } from '../logger.js'
import { openQueues, type Queues } from '../queue/queues.js'
import { type CountryOf, openCountries } from './countries.js'
import { Neighbours } from './neighbours.js'
import { directAccess, settlePooling } from './pooling.js'
import type { ShutdownPhase } from './shutdown.js'
import { createStripe } from './stripe-client.js'
import { NO_TELEMETRY, startTelemetry } from './telemetry.js'

/** What the ingress and the workers are given, by name; `Part`: the settings that are read. */
export interface Services<Part extends keyof Config = keyof Config> {
  config: Pick<Config, Part>
  log: Logger
  db: Database
  stripe: Stripe
  queues: Queues
  neighbours: Neighbours
  /** Undefined unless FRAUD_GEOLOCATION_CHECK is on. */
  countryOf: CountryOf | undefined
  /** Ends traces and error reports; the last phase of a shutdown. */
  telemetry: ShutdownPhase
  /** The one clock: tests move it, nothing else asks the machine for the time of a rule. */
  now(): Date
}

/** PAYMENT_LOGGING_ENABLED=false leaves warnings and errors. */
function logLevel({ logLevel: level, paymentLogging }: Config): string {
  return !paymentLogging && ['info', 'debug', 'trace'].includes(level) ? 'warn' : level
}

export async function openServices(
  config: Config,
  options: {
    name: string
    now?: () => Date
    log?: Logger
    /** A process that stays, whose requests and jobs are traced and whose errors are reported. */
    isServer?: boolean
  }
): Promise<Services> {
  const log =
    options.log ??
    createLogger({
      level: logLevel(config),
      production: config.production,
      name: options.name
    })
  const countryOf = await openCountryDatabase(config)
  const telemetry = options.isServer ? await startTelemetry(config, options.name, log) : NO_TELEMETRY
  const database = await settlePooling(config.database, log)
  const queueDatabase = queueAccess(config, database)
  const db = openDatabase({ ...database, log, name: options.name })
  const queues = await openQueues({ ...config.queue, database: queueDatabase }, log).catch(async error => {
    await db.close()
    throw error
  })
  const now = options.now ?? (() => new Date())
  return {
    config: { ...config, database },
    log,
    db,
    queues,
    stripe: createStripe(config),
    neighbours: new Neighbours(),
    countryOf,
    telemetry,
    now
  }
}

/** BullMQ listens on PostgreSQL, which needs a session. */
export function queueAccess({ queue }: Pick<Config, 'queue'>, database: Config['database']): Access {
  if (queue.engine === 'postgres' && database.pooling === 'transaction' && database.directUrl === undefined) {
    throw new ConfigError([
      'DATABASE_DIRECT_URL: missing; DATABASE_URL leads to a pooler in transaction mode, and QUEUE_ENGINE=postgres needs the database itself, or a pool in session mode. Set it, or REDIS_URL'
    ])
  }
  return directAccess(database)
}

async function openCountryDatabase({ fraud }: Config): Promise<CountryOf | undefined> {
  if (fraud.countryDatabase === undefined) return undefined
  return await openCountries(fraud.countryDatabase).catch(error => {
    throw new ConfigError([`GEOIP_DATABASE: cannot be read as a country database (${messageOf(error)})`])
  })
}

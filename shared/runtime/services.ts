import type Stripe from 'stripe'
import { type Config, ConfigError } from '../config/config.js'
import { type Database, openDatabase } from '../database/database.js'
import { messageOf } from '../errors.js'
import { createLogger, type Logger } from '../logger.js'
import { openQueues, type Queues } from '../queue/queues.js'
import { type CountryOf, openCountries } from './countries.js'
import { Neighbours } from './neighbours.js'
import { createStripe } from './stripe-client.js'

/** What the ingress and the workers are given, by name. */
export interface Services {
  config: Config
  log: Logger
  db: Database
  stripe: Stripe
  queues: Queues
  neighbours: Neighbours
  /** Undefined unless FRAUD_GEOLOCATION_CHECK is on. */
  countryOf: CountryOf | undefined
  /** The one clock: tests move it, nothing else asks the machine for the time of a rule. */
  now(): Date
}

/** PAYMENT_LOGGING_ENABLED=false leaves warnings and errors. */
function logLevel({ logLevel: level, paymentLogging }: Config): string {
  return !paymentLogging && ['info', 'debug', 'trace'].includes(level) ? 'warn' : level
}

export async function openServices(
  config: Config,
  options: { name: string; now?: () => Date; log?: Logger }
): Promise<Services> {
  const log =
    options.log ??
    createLogger({
      level: logLevel(config),
      production: config.production,
      name: options.name
    })
  const countryOf = await openCountryDatabase(config)
  const db = openDatabase({ ...config.database, log, name: options.name })
  const queues = await openQueues({ ...config.queue, databaseUrl: config.database.url }, log).catch(async error => {
    await db.close()
    throw error
  })
  const now = options.now ?? (() => new Date())
  return { config, log, db, queues, stripe: createStripe(config), neighbours: new Neighbours(), countryOf, now }
}

async function openCountryDatabase({ fraud }: Config): Promise<CountryOf | undefined> {
  if (fraud.countryDatabase === undefined) return undefined
  return await openCountries(fraud.countryDatabase).catch(error => {
    throw new ConfigError([`GEOIP_DATABASE: cannot be read as a country database (${messageOf(error)})`])
  })
}

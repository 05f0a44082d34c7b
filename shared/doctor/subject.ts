import type pg from 'pg'
import type Stripe from 'stripe'
import { type Config, type Readable, readSettings } from '../config/config.js'
import { openPool, type Pooling } from '../database/database.js'
import { SECOND } from '../duration.js'
import { createLogger } from '../logger.js'
import { findPooling } from '../runtime/pooling.js'
import { createStripe } from '../runtime/stripe-client.js'
import { readBackend } from '../statements/server-state.js'
import { Unseen } from './finding.js'
import { type AccountAnswer, askForAccount } from './stripe-account.js'

/** What is looked at, shared by the checks, each part opened once and when it is first needed. */
export interface Subject {
  settings: Readable
  config: Config
  now(): Date
  /** Where Stripe should deliver, when whoever asks has said it. */
  webhookUrl: string | undefined
  /** Connections as the application has them. Fails as connecting does. */
  connect(): Promise<pg.Pool>
  /** What a connection of DATABASE_URL is. Fails as connecting does. */
  pooling(): Promise<Pooling>
  /** As connect(), for checks that are about something else. */
  database(): Promise<pg.Pool>
  account(): Promise<AccountAnswer>
  /** For checks that need a key that Stripe takes. */
  stripe(): Promise<Stripe>
  close(): Promise<void>
}

export interface SubjectOptions {
  env: NodeJS.ProcessEnv
  now?: () => Date
  webhookUrl?: string
}

const CALL_WITHIN = 4 * SECOND
const STATEMENT_WITHIN = 4 * SECOND

export function openSubject({ env, now = () => new Date(), webhookUrl }: SubjectOptions): Subject {
  const settings = readSettings(env)
  const { config } = settings
  // What it would say becomes findings.
  const log = createLogger({ level: 'silent', production: true, name: 'tillworks-doctor' })
  let pool: pg.Pool | undefined
  const pooling = once(() => findPooling(config.database))
  const connect = once(async () => {
    const bounds = { connectTimeoutMs: CALL_WITHIN, statementTimeoutMs: STATEMENT_WITHIN }
    pool = openPool({
      ...config.database,
      pooling: await pooling(),
      poolSize: 4,
      name: 'tillworks-doctor',
      log,
      ...bounds
    })
    await readBackend(pool)
    return pool
  })
  const stripe = once(async () =>
    createStripe({ ...config, stripe: { ...config.stripe, timeoutMs: CALL_WITHIN, maxRetries: 0 } })
  )
  const account = once(async () => await askForAccount(await stripe(), now))
  return {
    settings,
    config,
    now,
    webhookUrl,
    connect,
    pooling,
    async database() {
      if (settings.wrong.has('DATABASE_URL')) throw new Unseen('DATABASE_URL is wrong')
      return await connect().catch(() => {
        throw new Unseen('there is no connection to the database')
      })
    },
    account,
    async stripe() {
      const { state } = await account()
      if (state === 'away') throw new Unseen('Stripe cannot be reached')
      if (state === 'refused') throw new Unseen('Stripe does not take the key')
      return await stripe()
    },
    async close() {
      await pool?.end()
    }
  }
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined
  return () => {
    result ??= work()
    return result
  }
}

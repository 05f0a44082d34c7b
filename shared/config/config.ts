import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { z } from 'zod'
import { isSupportedCurrency, type MinorUnits, toMinorUnits } from '../money.js'
import { isCronPattern } from '../queue/cron.js'
import { PINNED_API_VERSION } from '../runtime/stripe-version.js'

/** Everything that the environment can set, read once at the start. Amounts in minor units, durations in milliseconds. */
export type Config = Readonly<ReturnType<typeof readSettings>>

/** Lists everything that is wrong with the settings, one line a variable, without the values of secrets. */
export class ConfigError extends Error {
  constructor(readonly problems: string[]) {
    super(
      `The settings are not complete:\n${problems.map(problem => `  ${problem}`).join('\n')}\nSee the table in README.md.`
    )
    this.name = 'ConfigError'
  }
}

const flag = (fallback: 'true' | 'false') =>
  z
    .enum(['true', 'false'], 'expected true or false')
    .default(fallback)
    .transform(value => value === 'true')

const integer = (fallback: number, min: number, max: number) =>
  z
    .string()
    .default(String(fallback))
    .refine(
      text => /^\d+$/.test(text) && Number(text) >= min && Number(text) <= max,
      `expected a whole number from ${min} to ${max}`
    )
    .transform(Number)

const amount = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .refine(text => /^\d+(\.\d+)?$/.test(text), 'expected an amount such as 0.50')
    .transform(Number)

/** As the queue reads it, which would refuse another one only once the workers start. */
const cron = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .refine(isCronPattern, `expected a cron pattern with a time that comes, such as ${fallback}`)

const url = (example: string, protocols: string[]) =>
  z.string('missing').refine(text => {
    return URL.canParse(text) && protocols.includes(new URL(text).protocol)
  }, `expected a URL such as ${example}`)

const web = (example: string) => url(example, ['http:', 'https:'])

const list = (text: string) =>
  text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return (
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= (family === 4 ? 32 : 128))
  )
}

const environment = z.object({
  NODE_ENV: z.string().default('development'),
  PORT: integer(3000, 0, 65_535),
  LOG_LEVEL: z
    .enum(
      ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
      'expected fatal, error, warn, info, debug, trace or silent'
    )
    .default('info'),

  DATABASE_URL: url('postgresql://user:password@host:5432/tillworks', ['postgres:', 'postgresql:']),
  DATABASE_POOL_SIZE: integer(20, 2, 500),
  DATABASE_ROLE: z
    .string()
    .regex(/^[a-z_][a-z0-9_]{0,62}$/, 'expected the name of a role, or none')
    .default('tillworks_app'),
  REDIS_URL: url('redis://host:6379', ['redis:', 'rediss:']).optional(),
  QUEUE_ENGINE: z.enum(['redis', 'postgres'], 'expected redis or postgres').optional(),
  QUEUE_PREFIX: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/, 'expected lower-case letters, digits and dashes')
    .default('tillworks'),
  WORKER_CONCURRENCY: integer(16, 1, 500),

  STRIPE_SECRET_KEY: z
    .string('missing')
    .regex(/^(sk|rk)_(test|live)_\w+$/, 'expected a key that begins with sk_test_, sk_live_, rk_test_ or rk_live_'),
  STRIPE_PUBLISHABLE_KEY: z
    .string()
    .regex(/^pk_(test|live)_\w+$/, 'expected a key that begins with pk_test_ or pk_live_')
    .optional(),
  STRIPE_WEBHOOK_SECRET: z
    .string('missing')
    .transform(list)
    .refine(
      secrets => secrets.length > 0 && secrets.every(secret => /^whsec_\S+$/.test(secret)),
      'expected one secret that begins with whsec_, or several with commas between them while one is being replaced'
    ),
  STRIPE_API_VERSION: z
    .string()
    .default(PINNED_API_VERSION)
    .refine(
      version => version === PINNED_API_VERSION,
      `can only be ${PINNED_API_VERSION}: the types and the tests of this release are for that version; leave it unset`
    ),
  STRIPE_API_BASE: web('http://127.0.0.1:12111').optional(),
  STRIPE_WEBHOOK_TIMEOUT_MS: integer(60_000, 1_000, 600_000),
  STRIPE_TIMEOUT_MS: integer(20_000, 100, 80_000),
  STRIPE_MAX_RETRIES: integer(3, 0, 10),
  STRIPE_IDEMPOTENCY_ENABLED: z
    .literal('true', 'can only be true: without idempotency keys a retry could create a second Session')
    .default('true'),

  PAYMENT_MIN_AMOUNT: amount('0.50'),
  PAYMENT_MAX_AMOUNT: amount('99999.99'),
  PAYMENT_CURRENCY: z
    .string()
    .default('EUR')
    .transform(code => code.toUpperCase())
    .refine(isSupportedCurrency, 'expected a currency that Stripe supports, such as EUR'),
  PAYMENT_STATEMENT_DESCRIPTOR: z
    .string()
    .regex(/^(?=.*[A-Za-z])[^<>\\'"*]{2,22}$/, 'expected 2 to 22 characters with a letter and none of < > \\ \' " *')
    .optional(),
  PAYMENT_CAPTURE_METHOD: z.enum(['automatic', 'manual'], 'expected automatic or manual').default('automatic'),
  PAYMENT_PROMOTION_CODES: flag('false'),
  PAYMENT_AUTOMATIC_TAX: flag('false'),
  PAYMENT_TAX_BEHAVIOR: z.enum(['exclusive', 'inclusive'], 'expected exclusive or inclusive').default('exclusive'),
  PAYMENT_ADAPTIVE_PRICING: flag('false'),
  PAYMENT_CONFIRMATION_METHOD: z
    .literal('automatic', 'can only be automatic: a Stripe Checkout Session confirms its own payment')
    .default('automatic'),
  PAYMENT_SUCCESS_URL: web('https://shop.example/checkout/success'),
  PAYMENT_CANCEL_URL: web('https://shop.example/cart'),
  CHECKOUT_WAIT_MS: integer(5_000, 0, 30_000),
  CHECKOUT_SESSION_MINUTES: integer(60, 40, 1_440),
  SHIPPING_AMOUNT: amount('0'),
  SHIPPING_FREE_FROM: amount('0'),
  MAINTENANCE: flag('false'),

  ORDER_WEBHOOK_URL: web('https://shop.example/tillworks').optional(),
  ORDER_WEBHOOK_SECRET: z
    .string()
    .transform(list)
    .refine(
      secrets => secrets.every(secret => /^whsec_[A-Za-z0-9+/]{32,}={0,2}$/.test(secret)),
      'expected whsec_ and at least 24 bytes in base64, such as the output of: echo whsec_$(openssl rand -base64 32)'
    )
    .optional(),

  AUTH_SECRET: z
    .string('missing')
    .transform(list)
    .refine(
      secrets => secrets.length > 0 && secrets.every(secret => secret.length >= 32),
      'expected at least 32 characters, such as the output of: openssl rand -base64 33; several with commas while one is being replaced'
    ),
  AUDIT_SIGNING_KEY: z
    .string()
    .transform(list)
    .refine(
      keys => keys.length > 0 && keys.every(key => key.length >= 32),
      'expected at least 32 characters, such as the output of: openssl rand -base64 33; several with commas, the newest first, to read what an old one has signed'
    )
    .optional(),
  AUTH_JWKS_URL: web('https://login.example/.well-known/jwks.json').optional(),
  AUTH_JWT_ISSUER: z.string().min(1).optional(),
  AUTH_JWT_AUDIENCE: z.string().min(1).optional(),
  AUTH_JWT_ALGORITHMS: z
    .string()
    .default('RS256,ES256,EdDSA')
    .transform(list)
    .refine(
      names => names.length > 0 && names.every(name => /^(RS|ES|PS)(256|384|512)$|^EdDSA$|^Ed25519$/.test(name)),
      'expected public-key algorithms such as RS256,ES256,EdDSA'
    ),
  TRUST_PROXY: z
    .string()
    .default('')
    .transform(list)
    .refine(
      all => all.every(each => ['loopback', 'linklocal', 'uniquelocal'].includes(each) || isNetwork(each)),
      'expected the addresses or networks of your proxies, such as 10.0.0.0/8, or loopback; whoever is trusted can claim any address'
    ),
  RATE_LIMIT_PER_IP: integer(600, 0, 1_000_000),
  RATE_LIMIT_PER_USER: integer(120, 0, 1_000_000),
  ALLOWED_ORIGINS: z.string().default('').transform(list),
  NEXTAUTH_URL: web('https://shop.example').optional(),
  OPS_USER: z.string().min(1).default('ops'),
  OPS_PASSWORD: z.string('missing').min(12, 'expected at least 12 characters'),
  OPS_VIEWER_USER: z.string().min(1).default('viewer'),
  OPS_VIEWER_PASSWORD: z.string().min(12, 'expected at least 12 characters').optional(),
  OPS_PORT: integer(3001, 0, 65_535),
  WORKERS_PORT: integer(0, 0, 65_535),
  OPS_HOST: z.string().min(1).default('127.0.0.1'),
  OPS_PROXY_USER_HEADER: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9-]*$/, 'expected the name of a header such as X-Forwarded-Email')
    .optional(),
  OPS_TRUST_PROXY: z
    .string()
    .default('')
    .transform(list)
    .refine(all => all.every(isNetwork), 'expected addresses or networks such as 10.0.0.5 or 10.0.0.0/24'),
  OPS_OPERATORS: z.string().default('').transform(list),

  FRAUD_CHECK_ENABLED: flag('true'),
  FRAUD_VELOCITY_CHECK: flag('true'),
  FRAUD_GEOLOCATION_CHECK: flag('false'),
  GEOIP_DATABASE: z.string().min(1).optional(),
  FRAUD_MAX_ATTEMPTS_PER_HOUR: integer(10, 1, 100_000),
  FRAUD_CHALLENGE_ATTEMPTS: integer(5, 1, 100_000),
  FRAUD_CHALLENGE_FAILURES: integer(3, 1, 100_000),
  FRAUD_CHALLENGE_SMALL_CARTS: integer(5, 1, 100_000),
  FRAUD_SMALL_CART_AMOUNT: amount('5'),
  FRAUD_BLOCK_DECLINES: integer(10, 1, 100_000),
  FRAUD_BLOCK_DECLINES_PER_IP: integer(20, 1, 100_000),
  FRAUD_BLOCK_CARDS: integer(5, 1, 100_000),
  FRAUD_BLOCK_CARDS_PER_IP: integer(10, 1, 100_000),
  RESERVATION_MAX_OPEN: integer(5, 1, 1_000),
  RESERVATION_MIN_MINUTES: integer(20, 0, 1_440),

  PCI_DSS_LEVEL: z.enum(['1', '2', '3', '4'], 'expected 1, 2, 3 or 4').optional(),
  DATA_RETENTION_DAYS: integer(90, 31, 3_650),
  LOG_RETENTION_DAYS: integer(365, 1, 36_500),
  PAYMENT_LOGGING_ENABLED: flag('true'),
  PAYMENT_AUDIT_ENABLED: z
    .literal('true', 'can only be true: the audit row is part of every transaction that moves money')
    .default('true'),
  SENTRY_DSN: z
    .literal('', 'can only be empty: errors go to the log and to `ops attention`; point a log collector at them')
    .default(''),

  SWEEP_EVERY_SECONDS: integer(15, 1, 3_600),
  SWEEP_AFTER_SECONDS: integer(30, 1, 3_600),
  KEY_CLEANUP_CRON: cron('*/15 * * * *'),
  RETENTION_CRON: cron('17 3 * * *'),
  RECONCILE_CRON: cron('*/10 * * * *'),
  RECONCILE_GRACE_MINUTES: integer(10, 0, 1_440),
  AUTHORIZATION_ALERT_HOURS: integer(48, 1, 720)
})

/** The name of every setting. */
export const settingNames: readonly string[] = Object.keys(environment.shape)

/** Reads the settings; a ConfigError lists everything that is wrong at once. */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''))
  const files = readSecretFiles(given)
  const present = { ...given, ...files.values }
  const read = environment.safeParse(present)
  const problems = read.success ? [] : read.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`)
  problems.push(...files.problems, ...combinedProblems(present))
  if (!read.success || problems.length > 0) throw new ConfigError([...new Set(problems)].sort())
  return readSettings(read.data)
}

/**
 * The days for which things are kept, undefined where they are not set: for whoever migrates, who needs no other setting.
 * Throws a ConfigError.
 */
export function readRetentionDays(env: NodeJS.ProcessEnv): { dataDays?: number; logDays?: number } {
  const { DATA_RETENTION_DAYS: data, LOG_RETENTION_DAYS: log } = env
  const read = environment
    .pick({ DATA_RETENTION_DAYS: true, LOG_RETENTION_DAYS: true })
    .safeParse({ DATA_RETENTION_DAYS: data || undefined, LOG_RETENTION_DAYS: log || undefined })
  if (!read.success) {
    throw new ConfigError(read.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`))
  }
  return {
    ...(data ? { dataDays: read.data.DATA_RETENTION_DAYS } : {}),
    ...(log ? { logDays: read.data.LOG_RETENTION_DAYS } : {})
  }
}

/** Settings that a file may hold, named by NAME_FILE, as container secrets do. */
const SECRETS = [
  'DATABASE_URL',
  'REDIS_URL',
  'STRIPE_SECRET_KEY',
  'STRIPE_WEBHOOK_SECRET',
  'AUTH_SECRET',
  'AUDIT_SIGNING_KEY',
  'OPS_PASSWORD',
  'OPS_VIEWER_PASSWORD',
  'ORDER_WEBHOOK_SECRET'
]

function readSecretFiles(env: Record<string, string | undefined>) {
  const values: Record<string, string> = {}
  const problems: string[] = []
  for (const name of SECRETS) {
    const file = env[`${name}_FILE`]
    if (file === undefined) continue
    if (env[name] !== undefined) problems.push(`${name}_FILE: is set although ${name} is; unset one of the two`)
    try {
      values[name] = readFileSync(file, 'utf8').trim()
    } catch (error) {
      problems.push(`${name}_FILE: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`)
    }
  }
  return { values, problems }
}

/** What no single variable can tell. */
function combinedProblems(env: Record<string, string | undefined>): string[] {
  const problems: string[] = []
  const production = env.NODE_ENV === 'production'
  if (env.QUEUE_ENGINE !== 'postgres' && env.REDIS_URL === undefined) {
    problems.push('REDIS_URL: missing; set it, or QUEUE_ENGINE=postgres to keep the queue in PostgreSQL')
  }
  if (env.QUEUE_ENGINE === 'postgres' && env.REDIS_URL !== undefined) {
    problems.push('QUEUE_ENGINE: is postgres although REDIS_URL is set; unset one of the two')
  }
  if (production && env.STRIPE_API_BASE !== undefined) {
    problems.push('STRIPE_API_BASE: not allowed with NODE_ENV=production; it is for the local simulator')
  }
  if (production && list(env.ALLOWED_ORIGINS ?? '').length === 0 && env.NEXTAUTH_URL === undefined) {
    problems.push('ALLOWED_ORIGINS: missing; the origins of the storefront, such as https://shop.example')
  }
  if ((env.ORDER_WEBHOOK_URL === undefined) !== (env.ORDER_WEBHOOK_SECRET === undefined)) {
    const missing = env.ORDER_WEBHOOK_URL === undefined ? 'ORDER_WEBHOOK_URL' : 'ORDER_WEBHOOK_SECRET'
    problems.push(`${missing}: missing; notifications need both an address and a secret to sign with`)
  }
  if (env.FRAUD_GEOLOCATION_CHECK === 'true' && env.GEOIP_DATABASE === undefined) {
    problems.push('GEOIP_DATABASE: missing; the path of a country database (MMDB), for FRAUD_GEOLOCATION_CHECK=true')
  }
  if ((env.OPS_PROXY_USER_HEADER === undefined) !== (env.OPS_TRUST_PROXY === undefined)) {
    const missing = env.OPS_TRUST_PROXY === undefined ? 'OPS_TRUST_PROXY' : 'OPS_PROXY_USER_HEADER'
    problems.push(`${missing}: missing; a proxy is believed only with both its header and its address`)
  }
  for (const name of ['AUTH_JWT_ISSUER', 'AUTH_JWT_AUDIENCE']) {
    if (env.AUTH_JWKS_URL !== undefined && env[name] === undefined) {
      problems.push(`${name}: missing; with AUTH_JWKS_URL only tokens of one issuer and for one audience are accepted`)
    }
  }
  for (const origin of list(env.ALLOWED_ORIGINS ?? '')) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      problems.push(
        `ALLOWED_ORIGINS: "${origin}" is not an origin; expected scheme and host alone, such as https://shop.example`
      )
    }
  }
  if (
    mode(env.STRIPE_SECRET_KEY) &&
    mode(env.STRIPE_PUBLISHABLE_KEY) &&
    mode(env.STRIPE_SECRET_KEY) !== mode(env.STRIPE_PUBLISHABLE_KEY)
  ) {
    problems.push('STRIPE_PUBLISHABLE_KEY: is of another mode (test or live) than STRIPE_SECRET_KEY')
  }
  if (env.PCI_DSS_LEVEL !== undefined && Number(env.LOG_RETENTION_DAYS ?? 365) < 365) {
    problems.push(
      'LOG_RETENTION_DAYS: must be 365 or more while PCI_DSS_LEVEL is set (PCI DSS 4.0, requirement 10.5.1)'
    )
  }
  const currency = (env.PAYMENT_CURRENCY ?? 'EUR').toUpperCase()
  for (const name of ['PAYMENT_MIN_AMOUNT', 'PAYMENT_MAX_AMOUNT', 'SHIPPING_AMOUNT', 'SHIPPING_FREE_FROM']) {
    const text = env[name]
    if (text !== undefined && toMinorUnits(Number(text), currency) === undefined) {
      problems.push(`${name}: ${currency} has no amount ${text}`)
    }
  }
  return problems
}

function mode(key: string | undefined): string | undefined {
  return key?.split('_')[1]
}

function readSettings(env: z.output<typeof environment>) {
  const currency = env.PAYMENT_CURRENCY
  return {
    production: env.NODE_ENV === 'production',
    port: env.PORT,
    logLevel: env.LOG_LEVEL,
    paymentLogging: env.PAYMENT_LOGGING_ENABLED,
    maintenance: env.MAINTENANCE,
    database: {
      url: env.DATABASE_URL,
      poolSize: env.DATABASE_POOL_SIZE,
      /** What every connection acts as: it can add to the audit trail and the ledger, and change neither. */
      role: env.DATABASE_ROLE === 'none' ? undefined : env.DATABASE_ROLE
    },
    queue: {
      engine: env.REDIS_URL === undefined ? ('postgres' as const) : ('redis' as const),
      redisUrl: env.REDIS_URL,
      prefix: env.QUEUE_PREFIX,
      concurrency: env.WORKER_CONCURRENCY
    },
    stripe: {
      secretKey: env.STRIPE_SECRET_KEY,
      livemode: mode(env.STRIPE_SECRET_KEY) === 'live',
      publishableKey: env.STRIPE_PUBLISHABLE_KEY,
      webhookSecrets: env.STRIPE_WEBHOOK_SECRET,
      apiBase: env.STRIPE_API_BASE,
      timeoutMs: env.STRIPE_TIMEOUT_MS,
      maxRetries: env.STRIPE_MAX_RETRIES,
      webhookTimeoutMs: env.STRIPE_WEBHOOK_TIMEOUT_MS
    },
    payment: {
      currency,
      minAmount: inCurrency(env.PAYMENT_MIN_AMOUNT, currency),
      maxAmount: inCurrency(env.PAYMENT_MAX_AMOUNT, currency),
      statementDescriptor: env.PAYMENT_STATEMENT_DESCRIPTOR,
      captureMethod: env.PAYMENT_CAPTURE_METHOD,
      promotionCodes: env.PAYMENT_PROMOTION_CODES,
      automaticTax: env.PAYMENT_AUTOMATIC_TAX,
      taxBehavior: env.PAYMENT_TAX_BEHAVIOR,
      adaptivePricing: env.PAYMENT_ADAPTIVE_PRICING,
      successUrl: env.PAYMENT_SUCCESS_URL,
      cancelUrl: env.PAYMENT_CANCEL_URL,
      sessionMinutes: env.CHECKOUT_SESSION_MINUTES,
      waitMs: env.CHECKOUT_WAIT_MS
    },
    shipping: {
      amount: inCurrency(env.SHIPPING_AMOUNT, currency),
      freeFrom: inCurrency(env.SHIPPING_FREE_FROM, currency)
    },
    /** Where the shop hears of its orders; the first secret signs first. */
    notifications:
      env.ORDER_WEBHOOK_URL === undefined
        ? undefined
        : { url: env.ORDER_WEBHOOK_URL, secrets: env.ORDER_WEBHOOK_SECRET ?? [] },
    auth: {
      /** Signs; all of them are read. */
      secret: env.AUTH_SECRET[0] ?? '',
      secrets: env.AUTH_SECRET,
      issuer:
        env.AUTH_JWKS_URL === undefined
          ? undefined
          : {
              jwksUrl: env.AUTH_JWKS_URL,
              issuer: env.AUTH_JWT_ISSUER ?? '',
              audience: env.AUTH_JWT_AUDIENCE ?? '',
              algorithms: env.AUTH_JWT_ALGORITHMS
            }
    },
    /** What signs removed chains of the audit trail, the newest first; none: AUTH_SECRET does. */
    audit: { signingKeys: env.AUDIT_SIGNING_KEY ?? [] },
    trustProxy: env.TRUST_PROXY,
    /** Requests in a minute; 0 for no limit. */
    rateLimits: { perIp: env.RATE_LIMIT_PER_IP, perUser: env.RATE_LIMIT_PER_USER },
    allowedOrigins: [...env.ALLOWED_ORIGINS, ...(env.NEXTAUTH_URL ? [new URL(env.NEXTAUTH_URL).origin] : [])],
    ops: {
      port: env.OPS_PORT,
      /** Where workers that run apart from the ingress show what they count. */
      workersPort: env.WORKERS_PORT === 0 ? undefined : env.WORKERS_PORT,
      host: env.OPS_HOST,
      user: env.OPS_USER,
      password: env.OPS_PASSWORD,
      viewerUser: env.OPS_VIEWER_USER,
      viewerPassword: env.OPS_VIEWER_PASSWORD,
      /** A proxy at one of these addresses names who it has signed in; those in `operators` may change things. */
      proxyUserHeader: env.OPS_PROXY_USER_HEADER,
      trustProxy: env.OPS_TRUST_PROXY,
      operators: env.OPS_OPERATORS
    },
    fraud: {
      enabled: env.FRAUD_CHECK_ENABLED,
      velocity: env.FRAUD_VELOCITY_CHECK,
      /** A country database to compare the address of an order with; undefined for no comparison. */
      countryDatabase: env.FRAUD_CHECK_ENABLED && env.FRAUD_GEOLOCATION_CHECK ? env.GEOIP_DATABASE : undefined,
      challengeAttempts: env.FRAUD_CHALLENGE_ATTEMPTS,
      challengeFailures: env.FRAUD_CHALLENGE_FAILURES,
      challengeSmallCarts: env.FRAUD_CHALLENGE_SMALL_CARTS,
      smallCartAmount: inCurrency(env.FRAUD_SMALL_CART_AMOUNT, currency),
      blockDeclines: env.FRAUD_BLOCK_DECLINES,
      blockDeclinesPerIp: env.FRAUD_BLOCK_DECLINES_PER_IP,
      blockCards: env.FRAUD_BLOCK_CARDS,
      blockCardsPerIp: env.FRAUD_BLOCK_CARDS_PER_IP,
      maxAttemptsPerHour:
        env.FRAUD_CHECK_ENABLED && env.FRAUD_VELOCITY_CHECK ? env.FRAUD_MAX_ATTEMPTS_PER_HOUR : undefined
    },
    /** Open checkouts of a customer, and how old one has to be before it may end for somebody who wants its goods. */
    reservations: { maxOpen: env.RESERVATION_MAX_OPEN, minMinutes: env.RESERVATION_MIN_MINUTES },
    retention: { dataDays: env.DATA_RETENTION_DAYS, logDays: env.LOG_RETENTION_DAYS },
    schedules: {
      sweepEverySeconds: env.SWEEP_EVERY_SECONDS,
      sweepAfterSeconds: env.SWEEP_AFTER_SECONDS,
      keyCleanupCron: env.KEY_CLEANUP_CRON,
      retentionCron: env.RETENTION_CRON,
      reconcileCron: env.RECONCILE_CRON,
      reconcileGraceMinutes: env.RECONCILE_GRACE_MINUTES,
      authorizationAlertHours: env.AUTHORIZATION_ALERT_HOURS
    }
  }
}

/** A default such as 0.50 has no exact counterpart in every currency: round up to the next amount that exists. */
function inCurrency(major: number, currency: string): MinorUnits {
  return toMinorUnits(major, currency) ?? toMinorUnits(Math.ceil(major), currency) ?? (0 as MinorUnits)
}

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { envExample } from '../docs/env-example.js'
import { settingsPage } from '../docs/settings-page.js'
import { type ConfigError, loadConfig, settingNames } from '../shared/config/config.js'
import { allSettings } from '../shared/config/groups.js'
import { ENOUGH } from './support/settings.js'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

const errorOf = (env: NodeJS.ProcessEnv): ConfigError | undefined => {
  try {
    loadConfig(env)
    return undefined
  } catch (error) {
    return error as ConfigError
  }
}
const problemsOf = (env: NodeJS.ProcessEnv): string[] => errorOf(env)?.problems ?? []

const enough = { ...ENOUGH, QUEUE_ENGINE: 'postgres' }

describe('what is written of the settings', () => {
  it('has docs/settings.md as they are declared (npm run docs:settings)', () => {
    expect(read('docs/settings.md')).toBe(settingsPage())
  })

  it('has .env.example as they are declared (npm run docs:settings)', () => {
    expect(read('.env.example')).toBe(envExample())
  })

  it('declares for npm start only values that the setting takes', () => {
    const values = allSettings.flatMap(setting =>
      typeof setting.npmStart === 'object' ? [[setting, setting.npmStart.value] as const] : []
    )
    expect(values.filter(([{ schema }, value]) => !schema.safeParse(value).success)).toEqual([])
    expect(values.length).toBeGreaterThan(0)
  })
})

describe('docker-compose.yml', () => {
  /** What it decides itself: what it starts, and how that is reached. */
  const own = ['NODE_ENV', 'DATABASE_URL', 'REDIS_URL', 'PORT', 'OPS_PORT', 'OPS_HOST', 'WORKERS_PORT']
  const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, { environment: Record<string, string | number> }>
  }
  const environmentOf = (service: string) => services[service]?.environment ?? {}

  /** As docker compose puts the variables of .env in: `${NAME:-}` and `${NAME:?what to do}`. */
  const started = (service: string, env: Record<string, string>) =>
    Object.fromEntries(
      Object.entries(environmentOf(service)).map(([name, value]) => [
        name,
        String(value).replace(
          /\$\{(\w+):(?:-([^}]*)|\?[^}]*)\}/g,
          (_all, variable: string, usual: string = '') => env[variable] || usual
        )
      ])
    )

  it.each(['api', 'workers'])('hands every setting on to %s', service => {
    const environment = environmentOf(service)
    expect(Object.keys(environment).sort()).toEqual([...settingNames].sort())
    for (const name of settingNames.filter(each => !own.includes(each))) {
      expect([name, environment[name]]).toEqual([name, expect.stringMatching(`^\\$\\{${name}:(-|\\?set it)\\}$`)])
    }
  })

  it('starts on a filled .env.example, and with what else is set there', () => {
    const written = Object.fromEntries(
      [...read('.env.example').matchAll(/^([A-Z_]+)=(.*)$/gm)].map(line => line.slice(1))
    )
    const { DATABASE_URL, QUEUE_ENGINE, ...filled } = enough
    const env = { ...written, ...filled, POSTGRES_PASSWORD: 'secret' }
    for (const service of ['api', 'workers']) {
      expect(loadConfig(started(service, env))).toMatchObject({
        production: true,
        database: { url: 'postgresql://tillworks:secret@postgres:5432/tillworks' },
        queue: { engine: 'redis' },
        allowedOrigins: ['https://shop.example'],
        schedules: { keyCleanupCron: '*/15 * * * *' }
      })
      const config = loadConfig(started(service, { ...env, KEY_CLEANUP_CRON: '*/5 * * * *', PAYMENT_CURRENCY: 'CHF' }))
      expect([config.schedules.keyCleanupCron, config.payment.currency]).toEqual(['*/5 * * * *', 'CHF'])
    }
    expect(problemsOf(started('api', written)).map(problem => problem.split(':')[0])).toEqual([
      'AUTH_SECRET',
      'OPS_PASSWORD',
      'STRIPE_SECRET_KEY',
      'STRIPE_WEBHOOK_SECRET'
    ])
  })
})

describe('the settings', () => {
  it('are each declared once', () => {
    expect(settingNames.length).toBe(new Set(settingNames).size)
  })

  it('lists everything that is missing at once', () => {
    const names = problemsOf({ NODE_ENV: 'production' }).map(problem => problem.split(':')[0])
    expect(names).toEqual([
      'ALLOWED_ORIGINS',
      'AUTH_SECRET',
      'DATABASE_URL',
      'OPS_PASSWORD',
      'PAYMENT_CANCEL_URL',
      'PAYMENT_SUCCESS_URL',
      'REDIS_URL',
      'STRIPE_SECRET_KEY',
      'STRIPE_WEBHOOK_SECRET'
    ])
  })

  it('refuses what cannot work, with the reason and without the secret', () => {
    const problems = problemsOf({
      STRIPE_SECRET_KEY: 'pk_secret',
      STRIPE_IDEMPOTENCY_ENABLED: 'false',
      PAYMENT_CONFIRMATION_METHOD: 'manual',
      PCI_DSS_LEVEL: '3',
      LOG_RETENTION_DAYS: '90'
    }).join('\n')
    expect(problems).toContain('STRIPE_IDEMPOTENCY_ENABLED: can only be true')
    expect(problems).toContain('PAYMENT_CONFIRMATION_METHOD: can only be automatic')
    expect(problems).toContain('LOG_RETENTION_DAYS: must be 365 or more')
    expect(problems).not.toContain('pk_secret')
  })

  it('says where they are described', () => {
    expect(errorOf({ ...enough, PORT: 'x' })?.message).toBe(
      'The settings are not complete:\n  PORT: expected a whole number from 0 to 65535\nSee docs/settings.md.'
    )
  })

  it('reads a default as it reads the same text in the environment', () => {
    for (const setting of allSettings) {
      const { variable, default: value } = setting
      if (value !== undefined) {
        expect([variable, loadConfig({ ...enough, [variable]: value })]).toEqual([variable, loadConfig(enough)])
      }
    }
  })

  it('keeps amounts in the minor unit of the currency', () => {
    const amountsIn = (currency: string) => {
      const { payment, shipping, fraud } = loadConfig({
        ...enough,
        PAYMENT_CURRENCY: currency,
        SHIPPING_AMOUNT: '5'
      })
      return [payment.minAmount, shipping.amount, fraud.smallCartAmount].map(amounts => amounts[currency])
    }
    expect([amountsIn('EUR'), amountsIn('JPY'), amountsIn('KWD')]).toEqual([
      [50, 500, 500],
      [1, 5, 5],
      [500, 5_000, 5_000]
    ])
  })

  it('reads secrets from files, and nothing else', () => {
    for (const { variable, secret } of allSettings) {
      const problems = problemsOf({ [`${variable}_FILE`]: '/nowhere/at-all' })
      expect([variable, problems.includes(`${variable}_FILE: cannot be read (ENOENT)`)]).toEqual([variable, secret])
    }
  })

  it('never shows the value of a secret', () => {
    for (const { variable } of allSettings.filter(setting => setting.secret)) {
      const message = errorOf({ ...enough, [variable]: 'hush hush' })?.message
      expect([variable, message]).toEqual([variable, expect.stringContaining(`${variable}: expected`)])
      expect(message).not.toContain('hush')
    }
  })
})

it('takes secrets from files, and says what is wrong with one without showing another', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tillworks-secrets-'))
  try {
    const file = join(folder, 'key')
    writeFileSync(file, 'sk_test_from_a_file\n')
    const env = {
      DATABASE_URL: 'postgresql://user:password@localhost/shop',
      QUEUE_ENGINE: 'postgres',
      STRIPE_SECRET_KEY_FILE: file,
      STRIPE_WEBHOOK_SECRET: 'whsec_x',
      AUTH_SECRET: 'x'.repeat(32),
      OPS_PASSWORD: 'y'.repeat(12),
      PAYMENT_SUCCESS_URL: 'https://shop.example',
      PAYMENT_CANCEL_URL: 'https://shop.example'
    }
    expect(loadConfig(env).stripe.secretKey).toBe('sk_test_from_a_file')
    expect(() => loadConfig({ ...env, OPS_PASSWORD_FILE: file })).toThrow(
      'OPS_PASSWORD_FILE: is set although OPS_PASSWORD is'
    )
    expect(() => loadConfig({ ...env, AUTH_SECRET: '', AUTH_SECRET_FILE: join(folder, 'none') })).toThrow(
      'AUTH_SECRET_FILE: cannot be read (ENOENT)'
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})

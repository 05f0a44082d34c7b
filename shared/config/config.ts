import { ConfigError } from './config-error.js'
import { combinedProblems } from './cross-checks.js'
import { type Parsed, parse, valuesOf, withoutEmpty } from './environment.js'
import { readAudit } from './groups/audit.js'
import { readAuth } from './groups/auth.js'
import { readDatabase } from './groups/database.js'
import { readFraud } from './groups/fraud.js'
import { readGuests } from './groups/guests.js'
import { readIngress } from './groups/ingress.js'
import { readNotifications } from './groups/notifications.js'
import { readOps } from './groups/ops.js'
import { readPayment } from './groups/payment.js'
import { readProxies, withProxyNames } from './groups/proxies.js'
import { readQueue } from './groups/queue.js'
import { readReports } from './groups/reports.js'
import { readShipping } from './groups/shipping.js'
import { readStripe } from './groups/stripe.js'
import { allSettings, groups, settingsOf } from './groups.js'
import { readSecretFiles } from './secret-files.js'
import type { Setting } from './setting.js'

export { ConfigError } from './config-error.js'

/** Everything that the environment can set, read once at the start. Amounts in minor units, durations in milliseconds. */
export type Config = Readonly<ReturnType<typeof configOf>>

/** The name of every setting. */
export const settingNames: readonly string[] = allSettings.map(setting => setting.variable)

/** Reads the settings; a ConfigError lists everything that is wrong at once. */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const { parsed, problems } = look(env)
  if (parsed === undefined || problems.length > 0) throw new ConfigError(problems)
  return configOf(parsed)
}

/** What can be read of settings that may be wrong. */
export interface Readable {
  /** One line a variable, as in a ConfigError. */
  problems: string[]
  /** The variables that are wrong: `config` has their defaults, or nothing where there is none. */
  wrong: ReadonlySet<string>
  config: Config
  /** The values of secrets, which are not to be shown. */
  secrets: string[]
}

/** For whoever looks at what is wrong: nothing may be started on it. */
export function readSettings(env: NodeJS.ProcessEnv): Readable {
  const { problems, present } = look(env)
  const wrong = new Set(problems.map(variableIn))
  const parsed = allSettings.map(({ variable, schema }) => {
    const text = wrong.has(variable) ? undefined : present[variable]
    return [variable, schema.safeParse(text).data] as const
  })
  const secrets = allSettings.flatMap(({ variable, secret }) => (secret ? (present[variable] ?? []) : []))
  return { problems, wrong, secrets, config: configOf(Object.fromEntries(parsed)) }
}

/** The groups whose settings Config has under their own name. */
export type GroupName = keyof Config & keyof typeof groups

/** The settings of these groups, for whoever needs no others. Throws a ConfigError about them alone. */
export function loadPart<Name extends GroupName>(env: NodeJS.ProcessEnv, names: readonly Name[]): Pick<Config, Name> {
  return loadFor(
    env,
    names.flatMap(name => settingsOf(groups[name]))
  )
}

/**
 * For whoever needs these settings and no others: what else is wrong is read as its default. Throws a ConfigError about
 * them alone.
 */
export function loadFor(env: NodeJS.ProcessEnv, needed: readonly Setting[]): Config {
  const { problems, config } = readSettings(env)
  const own = problems.filter(problem => needed.some(({ variable }) => variable === variableIn(problem)))
  if (own.length > 0) throw new ConfigError(own)
  return config
}

function variableIn(problem: string): string {
  const variable = problem.slice(0, problem.indexOf(':'))
  return settingNames.includes(variable) ? variable : variable.replace(/_FILE$/, '')
}

function look(env: NodeJS.ProcessEnv) {
  const given = withProxyNames(withoutEmpty(env))
  const files = readSecretFiles(given)
  const present = { ...given, ...files.values }
  const { parsed, problems } = parse(allSettings, present)
  problems.push(...files.problems, ...combinedProblems(present))
  return { parsed, present, problems: [...new Set(problems)].sort() }
}

/**
 * The days for which things are kept, undefined where they are not set: for whoever migrates, who needs no other setting.
 * Throws a ConfigError.
 */
export function readRetentionDays(env: NodeJS.ProcessEnv): { dataDays?: number; logDays?: number } {
  const given = withoutEmpty(env)
  const { dataDays, logDays } = groups.retention.settings
  const { parsed, problems } = parse([dataDays, logDays], given)
  if (parsed === undefined) throw new ConfigError(problems)
  const values = valuesOf(groups.retention, parsed)
  return {
    ...(given[dataDays.variable] === undefined ? {} : { dataDays: values.dataDays }),
    ...(given[logDays.variable] === undefined ? {} : { logDays: values.logDays })
  }
}

function configOf(parsed: Parsed) {
  const paymentConfig = readPayment(valuesOf(groups.payment, parsed))
  const { currencies } = paymentConfig
  const guestConfig = readGuests(valuesOf(groups.guests, parsed))
  return {
    ...valuesOf(groups.general, parsed),
    ...readIngress(valuesOf(groups.ingress, parsed)),
    database: readDatabase(valuesOf(groups.database, parsed)),
    queue: readQueue(valuesOf(groups.queue, parsed)),
    stripe: readStripe(valuesOf(groups.stripe, parsed)),
    payment: paymentConfig,
    paymentPage: valuesOf(groups.paymentPage, parsed),
    catalogue: valuesOf(groups.catalogue, parsed),
    shipping: readShipping(valuesOf(groups.shipping, parsed), currencies),
    notifications: readNotifications(valuesOf(groups.notifications, parsed)),
    auth: readAuth(valuesOf(groups.auth, parsed)),
    guests: guestConfig,
    audit: readAudit(valuesOf(groups.audit, parsed)),
    ops: readOps(valuesOf(groups.ops, parsed)),
    fraud: { ...readFraud(valuesOf(groups.fraud, parsed), currencies), guestsPerIp: guestConfig.guestsPerIp },
    reservations: valuesOf(groups.reservations, parsed),
    retention: valuesOf(groups.retention, parsed),
    schedules: valuesOf(groups.schedules, parsed),
    reports: readReports(valuesOf(groups.reports, parsed)),
    telemetry: valuesOf(groups.telemetry, parsed),
    proxies: readProxies(valuesOf(groups.proxies, parsed))
  }
}

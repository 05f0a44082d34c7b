import { ConfigError } from './config-error.js'
import { combinedProblems } from './cross-checks.js'
import { type Parsed, parse, valuesOf, withoutEmpty } from './environment.js'
import { readAudit } from './groups/audit.js'
import { readAuth } from './groups/auth.js'
import { readFraud } from './groups/fraud.js'
import { readIngress } from './groups/ingress.js'
import { readNotifications } from './groups/notifications.js'
import { readOps } from './groups/ops.js'
import { readPayment } from './groups/payment.js'
import { readQueue } from './groups/queue.js'
import { readShipping } from './groups/shipping.js'
import { readStripe } from './groups/stripe.js'
import { allSettings, groups } from './groups.js'
import { readSecretFiles } from './secret-files.js'

export { ConfigError } from './config-error.js'

/** Everything that the environment can set, read once at the start. Amounts in minor units, durations in milliseconds. */
export type Config = Readonly<ReturnType<typeof configOf>>

/** The name of every setting. */
export const settingNames: readonly string[] = allSettings.map(setting => setting.variable)

/** Reads the settings; a ConfigError lists everything that is wrong at once. */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const given = withoutEmpty(env)
  const files = readSecretFiles(given)
  const present = { ...given, ...files.values }
  const { parsed, problems } = parse(allSettings, present)
  problems.push(...files.problems, ...combinedProblems(present))
  if (parsed === undefined || problems.length > 0) throw new ConfigError([...new Set(problems)].sort())
  return configOf(parsed)
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
  return {
    ...valuesOf(groups.general, parsed),
    ...readIngress(valuesOf(groups.ingress, parsed)),
    database: valuesOf(groups.database, parsed),
    queue: readQueue(valuesOf(groups.queue, parsed)),
    stripe: readStripe(valuesOf(groups.stripe, parsed)),
    payment: paymentConfig,
    shipping: readShipping(valuesOf(groups.shipping, parsed), currencies),
    notifications: readNotifications(valuesOf(groups.notifications, parsed)),
    auth: readAuth(valuesOf(groups.auth, parsed)),
    audit: readAudit(valuesOf(groups.audit, parsed)),
    ops: readOps(valuesOf(groups.ops, parsed)),
    fraud: readFraud(valuesOf(groups.fraud, parsed), currencies),
    reservations: valuesOf(groups.reservations, parsed),
    retention: valuesOf(groups.retention, parsed),
    schedules: valuesOf(groups.schedules, parsed)
  }
}

import { ConfigError } from './config-error.js'
import { combinedProblems } from './cross-checks.js'
import { type Parsed, parse, valuesOf, withoutEmpty } from './environment.js'
import { audit, readAudit } from './groups/audit.js'
import { auth, readAuth } from './groups/auth.js'
import { database } from './groups/database.js'
import { fraud, readFraud } from './groups/fraud.js'
import { general } from './groups/general.js'
import { ingress, readIngress } from './groups/ingress.js'
import { notifications, readNotifications } from './groups/notifications.js'
import { ops, readOps } from './groups/ops.js'
import { payment, readPayment } from './groups/payment.js'
import { queue, readQueue } from './groups/queue.js'
import { reservations } from './groups/reservations.js'
import { retention } from './groups/retention.js'
import { schedules } from './groups/schedules.js'
import { readShipping, shipping } from './groups/shipping.js'
import { readStripe, stripe } from './groups/stripe.js'
import { readSecretFiles } from './secret-files.js'
import { allSettings } from './settings.js'

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
  const { dataDays, logDays } = retention.settings
  const { parsed, problems } = parse([dataDays, logDays], given)
  if (parsed === undefined) throw new ConfigError(problems)
  const values = valuesOf(retention, parsed)
  return {
    ...(given[dataDays.variable] === undefined ? {} : { dataDays: values.dataDays }),
    ...(given[logDays.variable] === undefined ? {} : { logDays: values.logDays })
  }
}

function configOf(parsed: Parsed) {
  const paymentConfig = readPayment(valuesOf(payment, parsed))
  const { currency } = paymentConfig
  return {
    ...valuesOf(general, parsed),
    ...readIngress(valuesOf(ingress, parsed)),
    database: valuesOf(database, parsed),
    queue: readQueue(valuesOf(queue, parsed)),
    stripe: readStripe(valuesOf(stripe, parsed)),
    payment: paymentConfig,
    shipping: readShipping(valuesOf(shipping, parsed), currency),
    notifications: readNotifications(valuesOf(notifications, parsed)),
    auth: readAuth(valuesOf(auth, parsed)),
    audit: readAudit(valuesOf(audit, parsed)),
    ops: readOps(valuesOf(ops, parsed)),
    fraud: readFraud(valuesOf(fraud, parsed), currency),
    reservations: valuesOf(reservations, parsed),
    retention: valuesOf(retention, parsed),
    schedules: valuesOf(schedules, parsed)
  }
}

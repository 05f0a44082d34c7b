import type { Check } from './check.js'
import { attention } from './checks/attention.js'
import { auditTrail } from './checks/audit-trail.js'
import { clocks } from './checks/clocks.js'
import { database } from './checks/database.js'
import { databaseRole } from './checks/database-role.js'
import { databaseTimeZone } from './checks/database-time-zone.js'
import { maintenance } from './checks/maintenance.js'
import { migrations } from './checks/migrations.js'
import { notifications } from './checks/notifications.js'
import { origins } from './checks/origins.js'
import { pooler } from './checks/pooler.js'
import { products } from './checks/products.js'
import { proxies } from './checks/proxies.js'
import { queueStore } from './checks/queue-store.js'
import { replica } from './checks/replica.js'
import { settings } from './checks/settings.js'
import { signIn } from './checks/sign-in.js'
import { stripeAccount } from './checks/stripe-account.js'
import { stripeKey } from './checks/stripe-key.js'
import { stripePermissions } from './checks/stripe-permissions.js'
import { webhookEndpoint } from './checks/webhook-endpoint.js'

/** In the order in which they are told. */
export const checks: readonly Check[] = [
  settings,
  database,
  databaseRole,
  databaseTimeZone,
  migrations,
  pooler,
  replica,
  queueStore,
  proxies,
  stripeKey,
  stripePermissions,
  stripeAccount,
  webhookEndpoint,
  clocks,
  signIn,
  origins,
  notifications,
  products,
  attention,
  maintenance,
  auditTrail
]

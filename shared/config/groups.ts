import { audit } from './groups/audit.js'
import { auth } from './groups/auth.js'
import { catalogue } from './groups/catalogue.js'
import { database } from './groups/database.js'
import { fraud } from './groups/fraud.js'
import { general } from './groups/general.js'
import { guests } from './groups/guests.js'
import { ingress } from './groups/ingress.js'
import { notifications } from './groups/notifications.js'
import { ops } from './groups/ops.js'
import { payment } from './groups/payment.js'
import { paymentPage } from './groups/payment-page.js'
import { proxies } from './groups/proxies.js'
import { queue } from './groups/queue.js'
import { reports } from './groups/reports.js'
import { reservations } from './groups/reservations.js'
import { retention } from './groups/retention.js'
import { schedules } from './groups/schedules.js'
import { shipping } from './groups/shipping.js'
import { stripe } from './groups/stripe.js'
import { telemetry } from './groups/telemetry.js'
import type { Group, Setting } from './setting.js'

/** In the order of docs/settings.md. */
export const groups = {
  database,
  queue,
  stripe,
  payment,
  paymentPage,
  catalogue,
  shipping,
  auth,
  guests,
  ingress,
  ops,
  notifications,
  fraud,
  reservations,
  audit,
  retention,
  schedules,
  reports,
  telemetry,
  proxies,
  general
} satisfies Record<string, Group>

export function settingsOf({ settings, checked = [] }: Group): Setting[] {
  return [...Object.values(settings), ...checked]
}

export const allSettings: readonly Setting[] = Object.values(groups).flatMap(settingsOf)

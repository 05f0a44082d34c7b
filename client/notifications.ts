import { Webhook } from 'standardwebhooks'
import type { components } from './generated/api.js'

export type Notification = components['schemas']['OrderNotification'] | components['schemas']['Ping']

/**
 * The notification in a request to your shop. Throws when it is not signed by `secret` (ORDER_WEBHOOK_SECRET), or not now.
 * `body` is the raw text: a parsed and printed one has another signature. For servers.
 */
export function verifyNotification(body: string, headers: Headers, secret: string): Notification {
  return new Webhook(secret).verify(body, Object.fromEntries(headers)) as Notification
}

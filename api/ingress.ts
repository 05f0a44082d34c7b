import type { Services } from '../shared/services.js'
import type { NewWebhookEvent } from '../shared/statements/webhook-events.js'
import type { CheckoutWatcher } from './checkout-watcher.js'

/** What the routes are given. */
export interface Ingress extends Services {
  watcher: CheckoutWatcher
  /** Stores a delivery, sharing one insert with concurrent ones; resolves after the commit: true when it was new. */
  storeEvent(event: NewWebhookEvent): Promise<boolean>
}

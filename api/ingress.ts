import type { Request, Response } from 'express'
import type { Queryable } from '../shared/database/database.js'
import type { Customer } from '../shared/identity/customer-claims.js'
import type { Drain } from '../shared/runtime/drain.js'
import type { Services } from '../shared/runtime/services.js'
import type { NewWebhookEvent } from '../shared/statements/webhook-events.js'
import type { CheckoutWatcher } from './checkout-watcher.js'
import type { RateLimits } from './rate-limits.js'

/** A delivery of Stripe's as it came. */
export interface Delivery {
  requestId: string
  body: Buffer
  signature: string | undefined
}

/** Stores the event of a delivery; resolves after the commit. Throws the Problem of a delivery that is refused. */
export type Receive = (delivery: Delivery) => Promise<{ event: NewWebhookEvent; isNew: boolean }>

/** What the routes are given. */
export interface Ingress extends Services {
  watcher: CheckoutWatcher
  /** Begins when the process is to end. */
  drain: Drain
  /** See openControlConnection(). */
  control: Queryable
  /** The customer of a request, counted against their limit; a Problem when there is none. */
  authenticate(request: Request, response: Response): Promise<Customer>
  limits: RateLimits
  /** A Problem when a page of another origin sends the request; for routes that need no session. */
  checkOwnOrigin(request: Request): void
  /** Stores a delivery, sharing one insert with concurrent ones; resolves after the commit: true when it was new. */
  storeEvent(event: NewWebhookEvent): Promise<boolean>
  receive: Receive
}

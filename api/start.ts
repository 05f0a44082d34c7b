import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Router } from 'express'
import { SECOND } from '../shared/duration.js'
import { isGuest } from '../shared/identity/user-ids.js'
import { createBatcher } from '../shared/queue/batcher.js'
import { watchSchedules } from '../shared/queue/schedule-watch.js'
import { behindBasePath } from '../shared/runtime/base-path.js'
import { Drain } from '../shared/runtime/drain.js'
import { listen, portOf, stopAccepting } from '../shared/runtime/http-server.js'
import type { Services } from '../shared/runtime/services.js'
import { findClaimant } from '../shared/statements/guests.js'
import { type NewWebhookEvent, storeEvents } from '../shared/statements/webhook-events.js'
import { withinTime } from '../shared/within-time.js'
import { createApp } from './app.js'
import { createAuthenticator, unauthorized } from './authentication.js'
import { createCheckoutWatcher } from './checkout-watcher.js'
import { openControlConnection } from './control-connection.js'
import type { Ingress } from './ingress.js'
import { createOpsApp } from './ops/app.js'
import { plainDeliveries } from './plain-deliveries.js'
import { createRateLimits } from './rate-limits.js'
import { clientOf } from './request-context.js'
import { createReceiver } from './routes/webhook.js'

export interface RunningApi {
  port: number
  /** Where Bull Board, metrics and the operators' API listen. */
  opsPort: number
  /**
   * Tells whoever asks that this process ends: /readyz says so, streams end, each answer is the last one of its connection.
   * Requests are taken for SHUTDOWN_DELAY_MS more, until balancers have heard.
   */
  drain(): Promise<void>
  /** Takes no new connections and lets the requests under way finish. */
  stopAccepting(): Promise<void>
  /** Call it after stopAccepting(). */
  close(): Promise<void>
}

const MAX_EVENT_BATCH = 200
/** A delivery can wait for the batch before its own. One that is stored after all is a duplicate when Stripe tries again. */
const STORE_WITHIN = 25 * SECOND

/** Starts the ingress on `port`; 0 takes a free one. */
export async function startApi(
  services: Services,
  port: number,
  options: { pages?: Router; host?: string } = {}
): Promise<RunningApi> {
  const watcher = createCheckoutWatcher(services)
  const control = openControlConnection(services)
  const drain = new Drain()
  const limits = createRateLimits(services)
  const { identify, checkOwnOrigin } = createAuthenticator(services.config, services.log)
  const authenticate: Ingress['authenticate'] = async (request, response) => {
    const customer = await identify(request)
    await limits.consume('user', customer.userId, response)
    if (isGuest(customer.userId)) {
      // A guest's id costs nothing: those of one network count together, too.
      await limits.consume('guests', clientOf(request), response)
      if ((await findClaimant(services.db.pool, customer.userId)) !== undefined) throw unauthorized()
    }
    return customer
  }
  const parts = {
    ...services,
    watcher,
    drain,
    control,
    limits,
    authenticate,
    checkOwnOrigin,
    storeEvent: eventStore(services)
  }
  const ingress: Ingress = { ...parts, receive: createReceiver(parts) }
  const server = createServer(
    {
      requestTimeout: 30 * SECOND,
      headersTimeout: 10 * SECOND,
      // How often Node looks for connections that are over these times; by itself every 30 seconds.
      connectionsCheckingInterval: 5 * SECOND,
      // Above the 60 seconds of most balancers: one that keeps a connection for longer would meet its end with a request.
      keepAliveTimeout: services.config.keepAliveMs,
      maxHeaderSize: 16 * 1024
    },
    behindBasePath(services.config.basePath, plainDeliveries(ingress, createApp(ingress, options.pages)))
  )
  await listen(server, port, options.host, 'PORT')
  const opsServer = createServer(
    { requestTimeout: 30 * SECOND, headersTimeout: 10 * SECOND },
    behindBasePath(services.config.ops.basePath, createOpsApp(services))
  )
  try {
    await listen(opsServer, services.config.ops.port, services.config.ops.host, 'OPS_PORT')
  } catch (error) {
    server.close()
    limits.close()
    await Promise.all([watcher.close(), control.end()])
    throw error
  }
  const schedules = watchSchedules(services)
  return {
    port: portOf(server),
    opsPort: portOf(opsServer),
    async drain() {
      drain.begin()
      await sleep(services.config.shutdownDelayMs)
    },
    async stopAccepting() {
      await Promise.all([stopAccepting(server), stopAccepting(opsServer)])
    },
    async close() {
      server.closeAllConnections()
      opsServer.closeAllConnections()
      schedules.stop()
      limits.close()
      await Promise.all([watcher.close(), control.end()])
    }
  }
}

/** One insert for the deliveries that arrive together; the same event twice in one batch is new once. */
function eventStore(services: Services): Ingress['storeEvent'] {
  const store = createBatcher<NewWebhookEvent, boolean>(
    async events => {
      const firstOfEach = new Map(events.map(event => [event.id, event]).reverse() as [string, NewWebhookEvent][])
      const stored = await storeEvents(services.db.pool, [...firstOfEach.values()])
      return events.map(event => stored.has(event.id) && firstOfEach.get(event.id) === event)
    },
    { maxBatch: MAX_EVENT_BATCH, maxConcurrent: 2 }
  )
  return event => withinTime(store(event), STORE_WITHIN, 'the event was not stored in time')
}

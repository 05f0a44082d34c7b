import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import Stripe from 'stripe'
import type { Account } from './account.js'
import { handleApi, readBody } from './api.js'
import { Deliveries } from './deliveries.js'
import { type FaultSettings, Faults, faultSettings } from './faults.js'
import { handlePage } from './hosted-page.js'
import { stripeId } from './ids.js'
import { lapseAuthorizations } from './payment-intents.js'
import { type AccountRecord, recordOf } from './record.js'
import { settleDueRefunds } from './refunds.js'
import { expireDueSessions, settleDueDebits } from './sessions.js'
import { Store } from './store.js'
import type { WebhookEndpoint } from './webhook-endpoint.js'

export interface SimulatorOptions {
  /** 0 takes a free one. */
  port: number
  /** Where events go; without one they are only kept. */
  endpoint?: WebhookEndpoint
  /** Keeps the account across restarts. */
  file?: string
  /** How long a bank debit takes, in milliseconds. */
  debitMs?: number
  /** What the account is paid out in, such as usd; without it, whatever was charged. */
  settlementCurrency?: string
  /**
   * A partial capture and a cancelled authorization make a refund of what was never captured, as they do by requests of API
   * versions before 2025-03-31.basil (a dashboard's, another integration's).
   */
  refundsReleases?: boolean
  /** The clock, in milliseconds. */
  now?: () => number
  faultSeed?: number
}

/** A local Stripe that runs in this process. */
export interface Simulator {
  url: string
  port: number
  record: AccountRecord
  /** How many requests to the API there were. */
  calls(): number
  faults: { set(settings: FaultSettings): void; get(): FaultSettings }
  /** Does now what the clock would do by itself: expire Sessions, settle debits and refunds, retry deliveries. */
  tick(options?: { settleAllDebits?: boolean }): void
  /** Waits for the deliveries that are under way. */
  idle(): Promise<void>
  close(): Promise<void>
}

const TICK_MS = 500

export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const store = new Store(options.file)
  const now = options.now ?? Date.now
  const faults = new Faults(options.faultSeed ?? Date.now())
  const deliveries = new Deliveries({ store, endpoint: options.endpoint, faults, now })
  const account: Account = {
    store,
    now,
    publicUrl: '',
    debitMs: options.debitMs ?? 5_000,
    settlementCurrency: options.settlementCurrency,
    endpoint: options.endpoint,
    refundsReleases: options.refundsReleases ?? false,
    emit: () => undefined
  }
  account.emit = (type, object, cause, previous) => {
    const event = {
      id: stripeId('evt'),
      object: 'event',
      api_version: Stripe.API_VERSION,
      created: Math.floor(now() / 1000),
      // As it is at this moment: later changes of the object are not this event's.
      data: { object: structuredClone(object), ...(previous === undefined ? {} : { previous_attributes: previous }) },
      livemode: false,
      pending_webhooks: deliveries.endpointsFor(type),
      request: cause,
      type
    } as Stripe.Event
    store.put('event', event)
    deliveries.send(event)
  }

  let calls = 0
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/v1/')) calls++
    handle(account, faults, request, response).catch(error => {
      if (!response.headersSent) response.writeHead(500)
      response.end(String(error))
    })
  })
  const port = await listen(server, options.port)
  account.publicUrl = `http://localhost:${port}`
  const tick: Simulator['tick'] = ({ settleAllDebits } = {}) => {
    expireDueSessions(account)
    settleDueDebits(account, settleAllDebits)
    settleDueRefunds(account, settleAllDebits)
    lapseAuthorizations(account)
    deliveries.retryDue()
  }
  const timer = setInterval(tick, TICK_MS)
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    record: recordOf(store),
    calls: () => calls,
    faults,
    tick,
    idle: () => deliveries.idle(),
    async close() {
      clearInterval(timer)
      deliveries.stop()
      await new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
      store.save()
    }
  }
}

async function handle(
  account: Account,
  faults: Faults,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> {
  const path = (request.url ?? '/').split('?')[0] ?? '/'
  if (path.startsWith('/v1/')) return await handleApi(account, faults, request, response)
  const pay = /^\/c\/pay\/(cs_test_\w+)$/.exec(path)
  if (pay?.[1] !== undefined) return await handlePage(account, pay[1], request, response)
  if (path === '/_simulator/faults') return await handleFaults(faults, request, response)
  response.writeHead(404, { 'Content-Type': 'text/plain' })
  response.end(
    'A local simulator of Stripe: the API is under /v1, payment pages under /c/pay, faults at /_simulator/faults.\n'
  )
}

/** GET shows the faults that are set, POST sets them from JSON. */
async function handleFaults(faults: Faults, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let status = 200
  let body: unknown
  try {
    if (request.method === 'POST') faults.set(faultSettings.parse(JSON.parse(await readBody(request))))
    body = faults.get()
  } catch (error) {
    status = 400
    body = { error: String(error) }
  }
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}

import { Webhook } from 'standardwebhooks'
import type { Config } from '../config/config.js'
import { SECOND } from '../duration.js'
import { tracedCall, traceHeaders } from '../tracing.js'
import { type Fetch, outgoingFetch } from './outgoing.js'

/** Where the shop hears of its orders, and how it is called. */
export type ShopEndpoint = NonNullable<Config['notifications']> & { call: Fetch }

/** Undefined when it is told nothing. */
export function shopEndpointOf({ notifications, proxies }: Config): ShopEndpoint | undefined {
  return notifications && { ...notifications, call: outgoingFetch(proxies) }
}

export interface ShopMessage {
  id: string
  type: string
  timestamp: Date
  data: object
}

/**
 * Posts one message, signed as https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 * says, and gives the status of the answer; a redirect is not followed. Throws when there is none in `withinMs` milliseconds.
 */
export async function postToShop(
  target: ShopEndpoint,
  message: ShopMessage,
  now: Date,
  withinMs: number
): Promise<number> {
  const { id, type, timestamp, data } = message
  const body = JSON.stringify({ type, timestamp: timestamp.toISOString(), data })
  const signatures = target.secrets.map(secret => new Webhook(secret).sign(id, now, body))
  return await tracedCall('POST notification', { 'http.request.method': 'POST' }, async span => {
    const response = await target.call(target.url, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        'User-Agent': 'Tillworks',
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(now.getTime() / SECOND)),
        'webhook-signature': signatures.join(' '),
        ...traceHeaders()
      },
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(withinMs)
    })
    span?.setAttribute('http.response.status_code', response.status)
    await response.body?.cancel()
    return response.status
  })
}

/** A message about no order, which says so by its type. */
export async function pingShop(target: ShopEndpoint, id: string, now: Date, withinMs: number): Promise<number> {
  return await postToShop(target, { id, type: 'ping', timestamp: now, data: {} }, now, withinMs)
}

import { Webhook } from 'standardwebhooks'
import type { Config } from '../config/config.js'
import { SECOND } from '../duration.js'

/** Where the shop hears of its orders. */
export type ShopEndpoint = NonNullable<Config['notifications']>

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
  const response = await fetch(target.url, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      'User-Agent': 'Tillworks',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now.getTime() / SECOND)),
      'webhook-signature': signatures.join(' ')
    },
    body,
    redirect: 'manual',
    signal: AbortSignal.timeout(withinMs)
  })
  await response.body?.cancel()
  return response.status
}

/** A message about no order, which says so by its type. */
export async function pingShop(target: ShopEndpoint, id: string, now: Date, withinMs: number): Promise<number> {
  return await postToShop(target, { id, type: 'ping', timestamp: now, data: {} }, now, withinMs)
}

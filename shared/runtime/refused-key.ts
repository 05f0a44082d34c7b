import { alertUnlessOpen } from '../audit/alerts.js'
import { messageOf } from '../errors.js'
import type { Services } from './services.js'
import { isKeyRefused } from './stripe-client.js'

/**
 * Stripe does not take our API key: one alert for all that waits until it is mended. Any other error is none of its
 * business. https://docs.stripe.com/keys/restricted-api-keys
 */
export async function reportRefusedKey({ db, log }: Services, error: unknown): Promise<void> {
  if (!isKeyRefused(error)) return
  await alertUnlessOpen(db.pool, log, 'stripe_key_refused', { reason: messageOf(error) }).catch(reason =>
    log.warn({ reason: messageOf(reason) }, 'an alert about the API key waits for the database')
  )
}

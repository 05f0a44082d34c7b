import { alertUnlessOpen } from '../audit/alerts.js'
import { messageOf } from '../errors.js'
import type { Services } from './services.js'
import { isKeyRefused, missingPermission } from './stripe-client.js'

/**
 * Stripe does not take our API key: one alert for all that waits until it is mended, and one for each permission that it
 * lacks. Any other error is none of its business. https://docs.stripe.com/keys/restricted-api-keys
 */
export async function reportRefusedKey({ db, log }: Services, error: unknown): Promise<void> {
  if (!isKeyRefused(error)) return
  const permission = missingPermission(error)
  const reason = permission === undefined ? messageOf(error) : `the key lacks ${permission}: ${messageOf(error)}`
  const context = { subject: permission ?? 'the key', reason }
  await alertUnlessOpen(db.pool, log, 'stripe_key_refused', context).catch(failure =>
    log.warn({ reason: messageOf(failure) }, 'an alert about the API key waits for the database')
  )
}

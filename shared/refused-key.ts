import Stripe from 'stripe'
import { alertIfNone } from './alerts.js'
import { messageOf } from './errors.js'
import type { Services } from './services.js'

/**
 * Stripe does not take our API key: one alert for all that waits until it is mended. Any other error is none of its
 * business. https://docs.stripe.com/keys/restricted-api-keys
 */
export async function reportRefusedKey({ db, log }: Services, error: unknown): Promise<void> {
  const { StripeAuthenticationError, StripePermissionError } = Stripe.errors
  if (!(error instanceof StripeAuthenticationError) && !(error instanceof StripePermissionError)) return
  await alertIfNone(db.pool, log, 'stripe_key_refused', { reason: messageOf(error) })
}

import Stripe from 'stripe'
import type { Config } from '../config/config.js'
import { MINUTE } from '../duration.js'
import { countedHttpClient } from './counted-http-client.js'
import { namedPermissions } from './stripe-permission.js'
import { PINNED_API_VERSION } from './stripe-version.js'

const STRIPE = new URL('https://api.stripe.com')

export function createStripe(config: Pick<Config, 'stripe' | 'proxies'>): Stripe {
  const { secretKey, apiBase, timeoutMs, maxRetries } = config.stripe
  const base = apiBase === undefined ? undefined : new URL(apiBase)
  return new Stripe(secretKey, {
    apiVersion: PINNED_API_VERSION as typeof Stripe.API_VERSION,
    timeout: timeoutMs,
    maxNetworkRetries: maxRetries,
    telemetry: false,
    httpClient: countedHttpClient(config.proxies, base ?? STRIPE),
    appInfo: { name: 'Tillworks' },
    ...(base === undefined
      ? {}
      : { host: base.hostname, port: base.port, protocol: base.protocol === 'https:' ? 'https' : 'http' })
  })
}

export type StripeFailure = 'retry' | 'refused' | 'unauthorized' | 'unknown'

/**
 * What a failed call means. `retry`: nothing was done or it may be repeated under the same idempotency key. `refused`:
 * Stripe has said no and will say so again. `unauthorized`: it was not looked at, because the API key is wrong, rolled or
 * lacks a permission. `unknown`: it may have taken effect (https://docs.stripe.com/error-low-level).
 */
export function classifyStripeError(error: unknown): StripeFailure {
  if (!(error instanceof Stripe.errors.StripeError)) return 'unknown'
  switch (error.type) {
    case 'StripeConnectionError':
    case 'StripeRateLimitError':
      return 'retry'
    // 409: another request under this key is still running. 400: one with other parameters was made under it.
    case 'StripeIdempotencyError':
      return error.statusCode === 409 ? 'retry' : 'unknown'
    case 'StripeAuthenticationError':
    case 'StripePermissionError':
      return 'unauthorized'
    case 'StripeAPIError':
      return 'unknown'
    default:
      if (error.statusCode === 409 || error.statusCode === 429) return 'retry'
      return (error.statusCode ?? 0) >= 500 ? 'unknown' : 'refused'
  }
}

/** Stripe cannot be reached, is busy, fails by itself, or does not take our key: what was asked for may be answered later. */
export function isStripeAway(error: unknown): boolean {
  return classifyStripeError(error) === 'retry' || isKeyRefused(error) || error instanceof Stripe.errors.StripeAPIError
}

/** Stripe does not take our key, or it lacks a permission: nothing of ours goes on until a person mends it. */
export function isKeyRefused(error: unknown): boolean {
  return classifyStripeError(error) === 'unauthorized'
}

/**
 * The permissions that a restricted key lacks, as Stripe names them; undefined when the key itself is not taken.
 * https://docs.stripe.com/keys/restricted-api-keys
 */
export function missingPermission(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  return namedPermissions(error.message)?.replaceAll("'", '') ?? /\brak_\w+/.exec(error.message)?.[0]
}

/**
 * Stripe met an error of its own, after which it may or may not have done what was asked; it answers the same
 * idempotency key with that error for a day, so that another try needs another key.
 * https://docs.stripe.com/error-low-level#server-errors
 */
function isServerError(error: unknown): boolean {
  return error instanceof Stripe.errors.StripeAPIError && (error.statusCode ?? 0) >= 500
}

/**
 * Another try needs another idempotency key: Stripe repeats its own error under this one, or has it with other parameters
 * (a release sent others). Either may have been done.
 */
export function isKeySpent(error: unknown): boolean {
  if (error instanceof Stripe.errors.StripeIdempotencyError) return error.statusCode !== 409
  return isServerError(error)
}

/** The key of a write: the row's id, and how many keys are spent. */
export function idempotencyKeyOf({ id, serverErrors }: { id: string; serverErrors: number }): string {
  return serverErrors === 0 ? id : `${id}-${serverErrors}`
}

/**
 * The key of what ends a thing once by nature, however often it is asked for (expiring, capturing, cancelling): another one
 * each minute, since Stripe answers a key that met an error of its own with that error for a day.
 * https://docs.stripe.com/api/idempotent_requests
 */
export function keyOfEnd(name: string, now: Date): string {
  return `${name}-${Math.floor(now.getTime() / MINUTE)}`
}

/** The e-mail that a Session is to begin with is none for Stripe. https://docs.stripe.com/error-codes#email-invalid */
export function isEmailRefused(error: unknown): boolean {
  if (!(error instanceof Stripe.errors.StripeInvalidRequestError)) return false
  return /^customer_email$|\[receipt_email\]$/.test(error.param ?? '') || error.code === 'email_invalid'
}

/** Stripe has no such object: it was deleted, or the key is of another account. */
export function isUnknownToStripe(error: unknown): boolean {
  return error instanceof Stripe.errors.StripeError && error.code === 'resource_missing'
}

/** All refunds of a PaymentIntent. */
export async function listRefunds(stripe: Stripe, paymentIntentId: string): Promise<Stripe.Refund[]> {
  return await stripe.refunds.list({ payment_intent: paymentIntentId, limit: 100 }).autoPagingToArray({ limit: 1_000 })
}

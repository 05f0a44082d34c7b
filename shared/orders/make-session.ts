import type Stripe from 'stripe'
import { MINUTE, SECOND } from '../duration.js'
import type { Services } from '../runtime/services.js'
import { classifyStripeError, idempotencyKeyOf, isKeySpent } from '../runtime/stripe-client.js'
import { postponeSession } from '../statements/checkouts.js'
import { countServerError } from '../statements/due-rows.js'
import { readInstallation } from '../statements/installation.js'
import { readOrder, readOrderLines } from '../statements/orders.js'
import { sessionParams } from './session-params.js'
import type { VerifiedCheckout } from './verified-checkout.js'

/** Between our clock and Stripe's, when Sessions are looked for by their time. */
const CLOCK_SLACK_SECONDS = 300
const MOST_SESSIONS = 10_000
/** Stripe makes none that ends in less than half an hour; a minute for the call and the clocks. */
const LEAST_SESSION = 31 * MINUTE

/**
 * The Session at Stripe and what it was made with, or why Stripe refuses to make one.
 *
 * Once it has waited for long (Stripe was away, or the API key was refused) the Session would end too early for Stripe. One
 * that an earlier try has made counts; else it is made for a later time, which is kept for the next try.
 */
export async function makeSession(
  services: Services,
  checkout: VerifiedCheckout
): Promise<{ params: Stripe.Checkout.SessionCreateParams; session: Stripe.Checkout.Session | Error }> {
  const { db, config, now } = services
  const kept = checkout.sessionParams ?? (await paramsOfToday(services, checkout))
  const earliest = now().getTime() + LEAST_SESSION
  if (kept.expires_at === undefined || kept.expires_at * SECOND >= earliest) {
    return { params: kept, session: await makeOrFind(services, checkout, kept) }
  }
  const made = await findMade(services, checkout)
  if (made !== undefined) return { params: kept, session: made }
  const expiresAt = Math.floor((now().getTime() + config.payment.sessionMinutes * MINUTE) / SECOND)
  const params = { ...kept, expires_at: expiresAt }
  await postponeSession(db.pool, checkout.id, { sessionParams: params, sessionExpiresAt: new Date(expiresAt * SECOND) })
  return { params, session: await makeOrFind(services, checkout, params) }
}

/**
 * The Session, or why Stripe refuses to make one. An earlier try may have made it although its answer was lost: so a "no"
 * counts only after a look at what there is.
 */
async function makeOrFind(
  services: Services,
  checkout: VerifiedCheckout,
  params: Stripe.Checkout.SessionCreateParams
): Promise<Stripe.Checkout.Session | Error> {
  try {
    // The key is the row's: a retry, even after a crash before our commit, is the same call (docs/golden-rules.md#rule-6).
    return await services.stripe.checkout.sessions.create(params, { idempotencyKey: idempotencyKeyOf(checkout) })
  } catch (error) {
    if (isKeySpent(error)) await countServerError(services.db.pool, 'Checkout', checkout.id, services.now())
    if (classifyStripeError(error) !== 'refused') throw error
    return (await findMade(services, checkout)) ?? (error as Error)
  }
}

/** For a checkout that was verified by a release that did not keep what the call sends. */
async function paramsOfToday({ config, db }: Services, checkout: VerifiedCheckout) {
  const [installation] = await readInstallation(db.pool)
  const order = await readOrder(db.pool, checkout.orderId)
  const lines = await readOrderLines(db.pool, checkout.orderId)
  return sessionParams(config, installation, checkout, lines, order?.address ?? null)
}

/** Sessions cannot be listed by their metadata, but by when they were made. */
async function findMade(
  { stripe }: Services,
  { id, createdAt, sessionExpiresAt }: VerifiedCheckout
): Promise<Stripe.Checkout.Session | undefined> {
  // It was asked for between these two; Sessions of later checkouts need no look.
  const gte = Math.floor(createdAt.getTime() / SECOND) - CLOCK_SLACK_SECONDS
  const lte = Math.ceil(sessionExpiresAt.getTime() / SECOND) + CLOCK_SLACK_SECONDS
  let looked = 0
  for await (const session of stripe.checkout.sessions.list({ created: { gte, lte }, limit: 100 })) {
    if (session.metadata?.checkoutId === id) return session
    if (++looked === MOST_SESSIONS)
      throw new Error(`among ${looked} Sessions none is known to be that of checkout ${id}`)
  }
  return undefined
}

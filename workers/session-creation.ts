import Stripe from 'stripe'
import { alertOnce } from '../shared/audit/alerts.js'
import { MINUTE, SECOND } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import { minor, toDecimalString } from '../shared/money.js'
import { advanceOrder, cancelOrder } from '../shared/orders/advance.js'
import { inChange, trailOf } from '../shared/orders/change.js'
import { endIfPossible } from '../shared/orders/expire-checkout.js'
import { sessionParams, withoutEmail } from '../shared/orders/session-params.js'
import { type VerifiedCheckout, verifiedCheckout } from '../shared/orders/verified-checkout.js'
import type { JobContext } from '../shared/queue/queues.js'
import { checkoutOutcome, type Refusal } from '../shared/rules/checkout-outcome.js'
import { reportRefusedKey } from '../shared/runtime/refused-key.js'
import type { Services } from '../shared/runtime/services.js'
import { classifyStripeError, idempotencyKeyOf, isEmailRefused, isKeySpent } from '../shared/runtime/stripe-client.js'
import {
  leaveOutEmail,
  lockCheckout,
  moveCheckout,
  postponeSession,
  readCheckout
} from '../shared/statements/checkouts.js'
import { countServerError } from '../shared/statements/due-rows.js'
import { readInstallation } from '../shared/statements/installation.js'
import { readOrder, readOrderLines } from '../shared/statements/orders.js'
import type { Job } from './job.js'

/** Between our clock and Stripe's, when Sessions are looked for by their time. */
const CLOCK_SLACK_SECONDS = 300
const MOST_SESSIONS = 10_000
/** Stripe makes none that ends in less than half an hour; a minute for the call and the clocks. */
const LEAST_SESSION = 31 * MINUTE

/** Creates the Stripe Checkout Session of a verified checkout: VERIFIED → OPEN, or FAILED when Stripe refuses. */
export const sessionCreation: Job<'session-creation'> = {
  name: 'session-creation',
  async handle(services, { checkoutId }, job) {
    const row = await readCheckout(services.db.pool, checkoutId)
    if (row === undefined) throw new Error(`There is no checkout ${checkoutId}`)
    if (row.status !== 'VERIFIED') return
    const checkout = verifiedCheckout(row)
    const kept = checkout.sessionParams ?? (await paramsOfToday(services, checkout))
    const { params, session } = await createInTime(services, checkout, kept)
    const without = isEmailRefused(session) ? withoutEmail(params) : undefined
    if (without !== undefined) return await askAtStripe(services, checkout, without, job)
    if (session instanceof Error) await fail(services, checkout, session)
    else await open(services, { ...checkout, sessionParams: params }, session)
  }
}

/**
 * Once it has waited for long (Stripe was away, or the API key was refused) the Session would end too early for Stripe. One
 * that an earlier try has made counts; else it is made for a later time, which is kept for the next try.
 */
async function createInTime(
  services: Services,
  checkout: VerifiedCheckout,
  kept: Stripe.Checkout.SessionCreateParams
): Promise<{ params: Stripe.Checkout.SessionCreateParams; session: Stripe.Checkout.Session | Error }> {
  const { db, config, now } = services
  const earliest = now().getTime() + LEAST_SESSION
  if (kept.expires_at === undefined || kept.expires_at * SECOND >= earliest) {
    return { params: kept, session: await createSession(services, checkout, kept) }
  }
  const made = await findMade(services, checkout)
  if (made !== undefined) return { params: kept, session: made }
  const expiresAt = Math.floor((now().getTime() + config.payment.sessionMinutes * MINUTE) / SECOND)
  const params = { ...kept, expires_at: expiresAt }
  await postponeSession(db.pool, checkout.id, { sessionParams: params, sessionExpiresAt: new Date(expiresAt * SECOND) })
  return { params, session: await createSession(services, checkout, params) }
}

/**
 * The Session, or why Stripe refuses to make one. An earlier try may have made it although its answer was lost: so a "no"
 * counts only after a look at what there is.
 */
async function createSession(
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

/**
 * Stripe does not take the e-mail, although it looks like one (shared/rules/stripe-email.ts): the Session is made without it,
 * and its page asks the customer. That is another call, so that it has another key, and both are kept first: whoever tries
 * next, after a crash too, makes the same call (docs/decisions/0012-another-key-after-stripes-own-error.md).
 */
async function askAtStripe(
  services: Services,
  checkout: VerifiedCheckout,
  without: Stripe.Checkout.SessionCreateParams,
  job: JobContext
): Promise<void> {
  await leaveOutEmail(services.db.pool, checkout, without)
  services.log.warn(
    { requestId: checkout.requestId, checkoutId: checkout.id },
    'Stripe does not take the e-mail of this customer; its page asks for one'
  )
  await sessionCreation.handle(services, { checkoutId: checkout.id }, job)
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

async function open(services: Services, checkout: VerifiedCheckout, session: Stripe.Checkout.Session): Promise<void> {
  const opened = {
    sessionId: session.id,
    sessionUrl: session.url,
    sessionExpiresAt: new Date(session.expires_at * SECOND)
  }
  const moved = await moveCheckout(services.db.pool, checkout.id, {
    to: 'OPEN',
    now: services.now(),
    ...opened,
    ...(checkout.sessionParams && { sessionParams: checkout.sessionParams }),
    outcome: checkoutOutcome({ ...checkout, ...opened, status: 'OPEN' }),
    audit: [
      {
        action: 'checkout_session_created',
        status: 'SUCCESS',
        ...trailOf(checkout),
        amount: checkout.amount,
        currency: checkout.currency,
        before: 'VERIFIED',
        after: 'OPEN',
        metadata: { sessionId: session.id }
      }
    ]
  })
  // Not moved: the webhook of this Session came first and has already taken the checkout further, or another Session is
  // the checkout's.
  if (!moved) await expireStray(services, checkout.id, session)
  // Marked while it had none; one that was marked since this row was read is ended by its job.
  else if (checkout.expireReason !== null) await endIfPossible(services, { ...checkout, ...opened })
  services.log.info(
    { requestId: checkout.requestId, checkoutId: checkout.id, sessionId: session.id, moved },
    'a Stripe Checkout Session was created'
  )
}

/** A Session that nobody was given the address of. It would expire by itself, too. */
async function expireStray(services: Services, checkoutId: string, session: Stripe.Checkout.Session): Promise<void> {
  const current = await readCheckout(services.db.pool, checkoutId)
  if (current === undefined || current.sessionId === null || current.sessionId === session.id) return
  await services.stripe.checkout.sessions.expire(session.id).catch(async error => {
    await reportRefusedKey(services, error)
    services.log.warn({ checkoutId, sessionId: session.id, reason: messageOf(error) }, 'a stray Session stays open')
  })
}

/** What Stripe refuses in words that are the same for every checkout. https://docs.stripe.com/api/errors */
function refusedFor(error: unknown): string {
  if (!(error instanceof Stripe.errors.StripeError)) return 'unknown'
  const { code, type, param } = error
  return [code ?? type, ...(param === undefined ? [] : [param])].join(' ')
}

const serviceRefused: Refusal = {
  code: 'payment_service',
  extras: { detail: 'The payment provider did not accept this checkout. Nothing was charged; try again later.' }
}

/**
 * What only Stripe can tell: the least of the account's own currency, into which a charge is converted, or a limit of a card network
 * (https://docs.stripe.com/error-codes#amount-too-small).
 */
function isAmountRefused(error: unknown): boolean {
  return (
    error instanceof Stripe.errors.StripeError && ['amount_too_small', 'amount_too_large'].includes(error.code ?? '')
  )
}

function amountRefused({ amount, currency }: VerifiedCheckout): Refusal {
  const total = `${toDecimalString(minor(amount), currency)} ${currency}`
  const detail = `The payment provider does not charge ${total}. Nothing was charged; change the cart.`
  return { code: 'amount_refused', extras: { detail } }
}

/** Stripe has refused for good: the Session was never created, so the stock goes back. */
async function fail(services: Services, checkout: VerifiedCheckout, error: unknown): Promise<void> {
  const now = services.now()
  const refusal = isAmountRefused(error) ? amountRefused(checkout) : serviceRefused
  const trail = trailOf(checkout)
  await inChange(services, trail, async change => {
    const { client } = change
    const current = await lockCheckout(client, checkout.id)
    if (current?.status !== 'VERIFIED') return
    await moveCheckout(client, checkout.id, {
      to: 'FAILED',
      now,
      refusal,
      outcome: checkoutOutcome({ ...checkout, status: 'FAILED', refusal }),
      audit: [
        {
          action: 'checkout_session_refused',
          status: 'FAILED',
          ...trail,
          amount: checkout.amount,
          currency: checkout.currency,
          before: 'VERIFIED',
          after: 'FAILED',
          error: messageOf(error)
        }
      ]
    })
    if (checkout.ownsOrder) await cancelOrder(change, checkout.orderId, 'Stripe refused its Session')
    else await advanceOrder(change, checkout.orderId)
    if (isAmountRefused(error)) return
    await alertOnce(client, services.log, 'session_refused', {
      ...trail,
      subject: refusedFor(error),
      reason: messageOf(error)
    })
  })
}

import type Stripe from 'stripe'
import { SECOND } from '../duration.js'
import { messageOf } from '../errors.js'
import { checkoutOutcome } from '../rules/checkout-outcome.js'
import { reportRefusedKey } from '../runtime/refused-key.js'
import type { Services } from '../runtime/services.js'
import { isEmailRefused } from '../runtime/stripe-client.js'
import { leaveOutEmail, moveCheckout, readCheckout } from '../statements/checkouts.js'
import { trailOf } from './change.js'
import { applySession, endIfPossible } from './expire-checkout.js'
import { makeSession } from './make-session.js'
import { failCheckout } from './refused-session.js'
import { withoutEmail } from './session-params.js'
import { type VerifiedCheckout, verifiedCheckout } from './verified-checkout.js'

/** As openSession(), for a checkout that may have gone further since its job was enqueued. */
export async function createSession(services: Services, checkoutId: string): Promise<void> {
  const row = await readCheckout(services.db.pool, checkoutId)
  if (row === undefined) throw new Error(`There is no checkout ${checkoutId}`)
  if (row.status === 'VERIFIED') await openSession(services, verifiedCheckout(row))
}

/** Creates the Stripe Checkout Session of a verified checkout: VERIFIED → OPEN, or FAILED when Stripe refuses. */
export async function openSession(services: Services, checkout: VerifiedCheckout): Promise<void> {
  const { params, session } = await makeSession(services, checkout)
  const without = isEmailRefused(session) ? withoutEmail(params) : undefined
  if (without !== undefined) return await askAtStripe(services, checkout, without)
  if (session instanceof Error) await failCheckout(services, { ...checkout, sessionParams: params }, session)
  // An earlier try made it, and it is over before anybody was given its address.
  else if (session.status !== 'open') await applySession(services, checkout, session)
  else await open(services, checkout, params, session)
}

/**
 * Stripe does not take the e-mail, although it looks like one (shared/rules/stripe-email.ts): the Session is made without it,
 * and its page asks the customer. That is another call, so that it has another key, and both are kept first: whoever tries
 * next, after a crash too, makes the same call (docs/decisions/0012-another-key-after-stripes-own-error.md).
 */
async function askAtStripe(
  services: Services,
  checkout: VerifiedCheckout,
  without: Stripe.Checkout.SessionCreateParams
): Promise<void> {
  await leaveOutEmail(services.db.pool, checkout, without)
  services.log.warn(
    { requestId: checkout.requestId, checkoutId: checkout.id },
    'Stripe does not take the e-mail of this customer; its page asks for one'
  )
  await createSession(services, checkout.id)
}

async function open(
  services: Services,
  checkout: VerifiedCheckout,
  params: Stripe.Checkout.SessionCreateParams,
  session: Stripe.Checkout.Session
): Promise<void> {
  const opened = {
    sessionId: session.id,
    sessionUrl: session.url,
    sessionExpiresAt: new Date(session.expires_at * SECOND)
  }
  const moved = await moveCheckout(services.db.pool, checkout.id, {
    to: 'OPEN',
    now: services.now(),
    ...opened,
    ...(params !== checkout.sessionParams && { sessionParams: params }),
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
  // the checkout's, or it is over.
  if (moved === undefined) await expireStray(services, checkout.id, session)
  // Marked while it had none; one that was marked since this row was read is ended by its job.
  else if (checkout.expireReason !== null) await endIfPossible(services, { ...checkout, ...opened })
  services.log.info(
    { requestId: checkout.requestId, checkoutId: checkout.id, sessionId: session.id, moved: moved !== undefined },
    'a Stripe Checkout Session was created'
  )
}

/**
 * A Session that nobody was given the address of: another one is the checkout's, or another try was refused and the goods
 * went back. It would expire by itself, too.
 */
async function expireStray(services: Services, checkoutId: string, session: Stripe.Checkout.Session): Promise<void> {
  const current = await readCheckout(services.db.pool, checkoutId)
  if (current === undefined || current.sessionId === session.id) return
  await services.stripe.checkout.sessions.expire(session.id).catch(async error => {
    await reportRefusedKey(services, error)
    services.log.warn({ checkoutId, sessionId: session.id, reason: messageOf(error) }, 'a stray Session stays open')
  })
}

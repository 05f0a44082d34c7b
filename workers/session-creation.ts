import type Stripe from 'stripe'
import { alert } from '../shared/alerts.js'
import { checkoutOutcome, type Refusal } from '../shared/checkout-outcome.js'
import type { Config } from '../shared/config.js'
import { transaction } from '../shared/database.js'
import { SECOND } from '../shared/duration.js'
import { messageOf, TerminalError } from '../shared/errors.js'
import type { Services } from '../shared/services.js'
import { type CheckoutRow, lockCheckout, moveCheckout, readCheckout } from '../shared/statements/checkouts.js'
import { countServerError, type DueRow } from '../shared/statements/due-rows.js'
import { type OrderLine, readOrderLines } from '../shared/statements/orders.js'
import { classifyStripeError, idempotencyKeyOf, isServerError } from '../shared/stripe.js'
import type { Job } from './job.js'
import { endIfPossible } from './session-expiry.js'
import { cancelOrder, enqueueDue, settleOrder } from './settlement.js'

/** Creates the Stripe Checkout Session of a verified checkout: VERIFIED → OPEN, or FAILED when Stripe refuses. */
export const sessionCreation: Job<'session-creation'> = {
  name: 'session-creation',
  async handle(services, { checkoutId }) {
    const checkout = await readCheckout(services.db.pool, checkoutId)
    if (checkout === undefined) throw new Error(`There is no checkout ${checkoutId}`)
    if (checkout.status !== 'VERIFIED') return
    const lines = await readOrderLines(services.db.pool, checkout.orderId as string)
    const params = sessionParams(services.config, checkout, lines)
    try {
      // The key is the row's: a retry, even after a crash before our commit, is the same call (golden rule 6).
      const idempotencyKey = idempotencyKeyOf(checkout)
      const session = await services.stripe.checkout.sessions.create(params, { idempotencyKey })
      await open(services, checkout, session)
    } catch (error) {
      if (isServerError(error)) await countServerError(services.db.pool, 'Checkout', checkout.id)
      if (classifyStripeError(error) !== 'refused') throw error
      await fail(services, checkout, error)
    }
  }
}

/**
 * The customer's bank has to authenticate (https://docs.stripe.com/payments/3d-secure/authentication-flow#manual-three-ds).
 * Only cards are asked to, so that nothing else is offered: no debits, and no Link, which keeps cards of its own.
 */
const challenge = {
  payment_method_options: { card: { request_three_d_secure: 'any' } },
  allowed_payment_method_types: ['card'],
  wallet_options: { link: { display: 'never' } }
} satisfies Partial<Stripe.Checkout.SessionCreateParams>

/** What Stripe is told to charge: the verified lines and the delivery, never what the client sent. */
export function sessionParams(
  config: Config,
  checkout: CheckoutRow,
  lines: OrderLine[]
): Stripe.Checkout.SessionCreateParams {
  const currency = checkout.currency.toLowerCase()
  const { payment } = config
  const goods = lines.reduce((sum, line) => sum + line.unitPrice * line.quantity, 0)
  const shipping = (checkout.amount as number) - goods
  if (shipping < 0) throw new TerminalError(`Checkout ${checkout.id} is for less than its lines`)
  const metadata = {
    userId: checkout.userId,
    orderId: checkout.orderId as string,
    checkoutId: checkout.id,
    requestId: checkout.requestId
  }
  return {
    mode: 'payment',
    client_reference_id: checkout.id,
    customer_email: checkout.email,
    metadata,
    line_items: lines.map(line => ({
      quantity: line.quantity,
      price_data: {
        currency,
        unit_amount: line.unitPrice,
        ...(payment.automaticTax ? { tax_behavior: payment.taxBehavior } : {}),
        product_data: {
          name: line.name,
          metadata: { productId: line.productId },
          ...(line.description ? { description: line.description } : {}),
          // Stripe fetches images: only absolute addresses make sense there.
          ...(line.image?.startsWith('https://') ? { images: [line.image] } : {})
        }
      }
    })),
    ...(shipping > 0
      ? {
          shipping_options: [
            {
              shipping_rate_data: {
                type: 'fixed_amount',
                display_name: 'Delivery',
                fixed_amount: { amount: shipping, currency },
                ...(payment.automaticTax ? { tax_behavior: payment.taxBehavior } : {})
              }
            }
          ]
        }
      : {}),
    // Said in words, because an account can have them on by default.
    adaptive_pricing: { enabled: payment.adaptivePricing },
    ...(payment.automaticTax ? { automatic_tax: { enabled: true } } : {}),
    ...(payment.promotionCodes ? { allow_promotion_codes: true } : {}),
    ...(checkout.risk === 'CHALLENGE' ? challenge : {}),
    payment_intent_data: {
      metadata,
      capture_method: payment.captureMethod,
      // Cards take the suffix only: https://docs.stripe.com/get-started/account/statement-descriptors
      ...(payment.statementDescriptor ? { statement_descriptor_suffix: payment.statementDescriptor } : {})
    },
    expires_at: Math.floor((checkout.sessionExpiresAt as Date).getTime() / SECOND),
    success_url: withSessionId(payment.successUrl),
    cancel_url: payment.cancelUrl
  }
}

/** https://docs.stripe.com/payments/checkout/custom-success-page: Stripe fills in the braces, so they stay unescaped. */
function withSessionId(url: string): string {
  if (url.includes('{CHECKOUT_SESSION_ID}')) return url
  return `${url}${url.includes('?') ? '&' : '?'}session_id={CHECKOUT_SESSION_ID}`
}

async function open(services: Services, checkout: CheckoutRow, session: Stripe.Checkout.Session): Promise<void> {
  const opened = {
    sessionId: session.id,
    sessionUrl: session.url,
    sessionExpiresAt: new Date(session.expires_at * SECOND)
  }
  const moved = await moveCheckout(services.db.pool, checkout.id, {
    to: 'OPEN',
    now: services.now(),
    ...opened,
    outcome: checkoutOutcome({ ...checkout, ...opened, status: 'OPEN' }),
    audit: [
      {
        action: 'checkout_session_created',
        status: 'SUCCESS',
        userId: checkout.userId,
        orderId: checkout.orderId,
        checkoutId: checkout.id,
        amount: checkout.amount,
        currency: checkout.currency,
        before: 'VERIFIED',
        after: 'OPEN',
        requestId: checkout.requestId,
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
    'Stripe Checkout Session created'
  )
}

/** A Session that nobody was given the address of. It would expire by itself, too. */
async function expireStray(services: Services, checkoutId: string, session: Stripe.Checkout.Session): Promise<void> {
  const current = await readCheckout(services.db.pool, checkoutId)
  if (current === undefined || current.sessionId === null || current.sessionId === session.id) return
  await services.stripe.checkout.sessions.expire(session.id).catch(error => {
    services.log.warn({ checkoutId, sessionId: session.id, reason: messageOf(error) }, 'a stray Session stays open')
  })
}

/** Stripe has refused for good: the Session was never created, so the stock goes back. */
async function fail(services: Services, checkout: CheckoutRow, error: unknown): Promise<void> {
  const now = services.now()
  const refusal: Refusal = {
    code: 'payment_service',
    extras: { detail: 'The payment provider did not accept this checkout. Nothing was charged; try again later.' }
  }
  const trail = {
    userId: checkout.userId,
    orderId: checkout.orderId,
    checkoutId: checkout.id,
    requestId: checkout.requestId
  }
  const due: DueRow[] = []
  await transaction(services.db.pool, async client => {
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
    const change = { services, client, trail, due }
    if (checkout.ownsOrder) await cancelOrder(change, checkout.orderId as string, 'Stripe refused its Session')
    else await settleOrder(change, checkout.orderId as string)
    await alert(client, services.log, 'session_refused', { ...trail, reason: messageOf(error) })
  })
  await enqueueDue({ services, due })
}

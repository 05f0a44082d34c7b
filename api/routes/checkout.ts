import { type Request, type RequestHandler, type Response, Router } from 'express'
import { HOUR, MINUTE } from '../../shared/duration.js'
import { Problem } from '../../shared/errors.js'
import type { Customer } from '../../shared/identity/customer-claims.js'
import { isGuest } from '../../shared/identity/user-ids.js'
import { newId } from '../../shared/ids.js'
import type { Cart } from '../../shared/rules/cart.js'
import { type CheckoutOutcome, checkoutOutcome } from '../../shared/rules/checkout-outcome.js'
import type { ShopMetadata } from '../../shared/rules/shop-metadata.js'
import { isInFlight } from '../../shared/rules/state-groups.js'
import { whenGone } from '../../shared/runtime/client-gone.js'
import {
  type CheckoutRow,
  type ClaimedKey,
  claimCheckout,
  findKey,
  type NewCheckout
} from '../../shared/statements/checkouts.js'
import { refuseCardNumbers } from '../card-numbers.js'
import { prefersAsync, statusPath, waitForCheckout } from '../checkout-wait.js'
import type { Watch } from '../checkout-watcher.js'
import { KEY_LIFETIME, type RequestKey, requestKey } from '../idempotency.js'
import type { Ingress } from '../ingress.js'
import { inShape, jsonBytes, readBody } from '../json-body.js'
import { createKeyedMutex } from '../keyed-mutex.js'
import { refuseInMaintenance } from '../maintenance.js'
import { noteProblem } from '../problem.js'
import { clientOf, origin, requestId } from '../request-context.js'
import { saleTermsOf } from '../sale-currency.js'
import { requestSchemas } from '../schemas.js'

const ATTEMPT_WINDOW = HOUR
/** POST /api/stripe/checkout: writes the checkout down, enqueues it, and answers with what the workers made of it. */
export function checkoutRoute(ingress: Ingress): Router {
  const { payment } = ingress.config
  const inTurn = createKeyedMutex()
  const schemasIn = requestSchemas(ingress.config)
  const handle: RequestHandler = async (request, response) => {
    const customer = await ingress.authenticate(request, response)
    const body = readBody(request)
    const terms = await saleTermsOf(ingress, customer.userId, body)
    // The currency is the checkout's, whoever said it.
    const { currency: _said, metadata, ...cart } = inShape(body, schemasIn(terms).checkout)
    await refuseCardNumbers(ingress, cart.items)
    const of = { currency: terms.currency, usual: payment.currency }
    const key = requestKey(request, customer.userId, { cart, metadata }, of)
    const checkout = newCheckout(ingress, request, customer, { cart, metadata, currency: terms.currency }, key)

    const watch = ingress.watcher.watch(checkout.id)
    try {
      // One after the other, so that requests at once cannot all find the limit of attempts unreached.
      const claimed = await inTurn(countedAs(request, customer), () => claim(ingress, checkout))
      if (claimed !== 'new') return await answerClaimed(ingress, request, response, key, claimed)
      const enqueued = await ingress.queues.offer('price-verification', checkout.id)
      const waitMs = enqueued && !prefersAsync(request) ? ingress.config.payment.waitMs : 0
      await answerWithOutcome(ingress, response, watch, checkout.id, waitMs)
    } finally {
      watch.stop()
    }
  }
  return Router().post('/api/stripe/checkout', refuseInMaintenance(ingress), jsonBytes, handle)
}

/** Whose attempts wait for each other: those of a customer, or of all guests of an address. */
function countedAs(request: Request, { userId }: Customer): string {
  return isGuest(userId) ? clientOf(request) : userId
}

function newCheckout(
  ingress: Ingress,
  request: Request,
  customer: Customer,
  { cart, metadata, currency }: { cart: Cart; metadata?: ShopMetadata; currency: string },
  key: RequestKey
): NewCheckout {
  const now = ingress.now()
  return {
    id: newId(),
    userId: customer.userId,
    email: customer.email,
    cart,
    metadata: metadata ?? null,
    newOrderId: cart.orderId === undefined ? newId() : undefined,
    currency,
    requestId: requestId(request),
    ...origin(request),
    key: key.key,
    keyIsDerived: key.derived,
    fingerprint: key.fingerprint,
    keyExpiresAt: new Date(now.getTime() + KEY_LIFETIME),
    maxAttempts: ingress.config.fraud.maxAttemptsPerHour ?? null,
    attemptsSince: new Date(now.getTime() - ATTEMPT_WINDOW),
    guestsPerIp: ingress.config.guests.guestsPerIp,
    now
  }
}

/** 'new', or the key's present holder. A key can vanish between the claim and the look (its checkout ended): try again. */
async function claim(ingress: Ingress, checkout: NewCheckout): Promise<'new' | ClaimedKey> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const result = await claimCheckout(ingress.db.pool, checkout)
    if (result.claimed) return 'new'
    const holder = await findKey(ingress.db.pool, checkout.key, checkout.now)
    if (holder !== undefined) return holder
    if (checkout.maxAttempts !== null && result.attempts >= checkout.maxAttempts) {
      throw tooManyAttempts(checkout, result.oldestAttempt)
    }
  }
  throw new Problem(
    'unavailable',
    { detail: 'The request met too many others of the same kind. Try again.' },
    { 'Retry-After': '1' }
  )
}

function tooManyAttempts(checkout: NewCheckout, oldest: Date | null): Problem {
  const freeAt = (oldest ?? checkout.now).getTime() + ATTEMPT_WINDOW
  const seconds = Math.max(1, Math.ceil((freeAt - checkout.now.getTime()) / 1_000))
  return new Problem(
    'too_many_attempts',
    {
      detail: `At most ${checkout.maxAttempts} checkouts in an hour; try again in ${Math.ceil((seconds * 1_000) / MINUTE)} minutes.`
    },
    {
      'Retry-After': String(seconds),
      'RateLimit-Policy': `"checkout";q=${checkout.maxAttempts};w=${ATTEMPT_WINDOW / 1_000}`,
      RateLimit: `"checkout";r=0;t=${seconds}`
    }
  )
}

/** Another request holds the key: replay its outcome, or join its wait when the key is derived and still in flight. */
async function answerClaimed(
  ingress: Ingress,
  request: Request,
  response: Response,
  key: RequestKey,
  holder: ClaimedKey
): Promise<void> {
  if (holder.fingerprint !== key.fingerprint) {
    throw new Problem('key_reused', { detail: 'Send a new Idempotency-Key with a new request.' })
  }
  const { checkout } = holder
  if (holder.response !== null && holder.status !== null) {
    response.setHeader('Idempotent-Replayed', 'true')
    return send(ingress, response, { status: holder.status, body: holder.response }, checkout.id)
  }
  if (!holder.derived && isInFlight(checkout.status) && checkout.keyRefusedAt === null) {
    throw new Problem(
      'key_in_flight',
      { detail: 'Wait for its answer, or ask at the address in Location.', checkoutId: checkout.id },
      { Location: statusPath(ingress, checkout.id), 'Retry-After': '1' }
    )
  }
  const watch = ingress.watcher.watch(checkout.id)
  try {
    const waitMs = prefersAsync(request) ? 0 : ingress.config.payment.waitMs
    await answerWithOutcome(ingress, response, watch, checkout.id, waitMs, true)
  } finally {
    watch.stop()
  }
}

/** Answers with the outcome, or with 202 when the workers take longer than `waitMs`. */
async function answerWithOutcome(
  ingress: Ingress,
  response: Response,
  watch: Watch,
  id: string,
  waitMs: number,
  lookFirst = false
): Promise<void> {
  whenGone(response, () => watch.stop())
  const until = (checkout: CheckoutRow) => !isInFlight(checkout.status)
  const ended = await waitForCheckout(ingress, response, { watch, id, waitMs, until, lookFirst })
  send(ingress, response, ended === undefined ? accepted(id) : checkoutOutcome(ended), id)
}

function accepted(checkoutId: string): CheckoutOutcome {
  return { status: 202, body: { success: true, data: { checkoutId, status: 'RECEIVED' } } }
}

function send(ingress: Ingress, response: Response, outcome: CheckoutOutcome, checkoutId: string): void {
  response.status(outcome.status)
  if (!outcome.body.success) noteProblem(response, outcome.body)
  if (outcome.status === 202) response.setHeader('Location', statusPath(ingress, checkoutId))
  response
    .type(outcome.body.success ? 'application/json' : 'application/problem+json')
    .send(JSON.stringify(outcome.body))
}

import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import { Problem } from '../../shared/errors.js'
import {
  GUEST_COOKIE,
  newGuestId,
  SECURE_GUEST_COOKIE,
  signGuestToken,
  verifyGuestToken
} from '../../shared/identity/guests.js'
import { isGuest } from '../../shared/identity/user-ids.js'
import { claimGuest } from '../../shared/orders/claim-guest.js'
import { cookiePath } from '../../shared/runtime/base-path.js'
import { findClaimant } from '../../shared/statements/guests.js'
import { findGuestToken } from '../guest-token.js'
import type { Ingress } from '../ingress.js'
import { jsonBytes, readJson } from '../json-body.js'
import { clientOf, origin, requestId } from '../request-context.js'

export const claimSchema = z.strictObject({ token: z.string().min(1).max(4_096).optional() })

/**
 * POST /api/guest begins a guest session, or prolongs the one that the request has; POST /api/guest/claim moves what a guest
 * has ordered to the customer who is signed in.
 */
export function guestRoutes(ingress: Ingress): Router {
  const { guests, auth } = ingress.config
  const router = Router()

  router.post('/api/guest', async (request, response) => {
    if (!guests.enabled) throw guestsAreOff()
    ingress.checkOwnOrigin(request)
    const known = await presentGuest(ingress, request)
    if (known === undefined) await ingress.limits.consume('guest', clientOf(request), response)
    const userId = known ?? newGuestId()
    const expiresAt = new Date(Math.ceil(ingress.now().getTime() / 1_000) * 1_000 + guests.sessionMs)
    const token = await signGuestToken(userId, auth.secret, expiresAt)
    setCookie(ingress, request, response, token)
    response.setHeader('Cache-Control', 'no-store')
    response
      .status(known === undefined ? 201 : 200)
      .json({ success: true, data: { userId, token, expiresAt: expiresAt.toISOString() } })
  })

  router.post('/api/guest/claim', jsonBytes, async (request, response) => {
    if (!guests.enabled) throw guestsAreOff()
    const customer = await ingress.authenticate(request, response)
    if (isGuest(customer.userId)) {
      throw new Problem('unauthorized', { detail: 'Sign in first: the orders move to the customer who is signed in.' })
    }
    const given = isEmpty(request) ? undefined : readJson(request, claimSchema).token
    const guestId = await guestOf(ingress, given ?? findGuestToken(request.get('cookie') ?? ''))
    if (guestId === undefined) {
      throw new Problem('invalid_request', {
        detail: `Send the guest session that is to be claimed: its token in the body, or the cookie ${GUEST_COOKIE}.`,
        errors: { token: 'Must be the token of a guest session that has not expired' }
      })
    }
    const moved = await claimGuest(ingress, {
      guestId,
      userId: customer.userId,
      requestId: requestId(request),
      ...origin(request)
    })
    clearCookies(ingress, response)
    response.setHeader('Cache-Control', 'no-store')
    response.json({ success: true, data: { orderIds: moved.orders, checkoutIds: moved.checkouts } })
  })

  return router
}

function isEmpty(request: Request): boolean {
  return !Buffer.isBuffer(request.body) || request.body.length === 0
}

/** The guest whom the request comes from, if nobody has claimed it. */
async function presentGuest(ingress: Ingress, request: Request): Promise<string | undefined> {
  const bearer = /^Bearer +(\S+)$/i.exec(request.get('authorization') ?? '')?.[1]
  const guestId = await guestOf(ingress, bearer ?? findGuestToken(request.get('cookie') ?? ''))
  if (guestId === undefined || (await findClaimant(ingress.db.pool, guestId)) !== undefined) return undefined
  return guestId
}

/** The guest of a token that one of our secrets has signed; undefined for every other text. */
async function guestOf({ config }: Ingress, token: string | undefined): Promise<string | undefined> {
  if (token === undefined) return undefined
  for (const secret of config.auth.secrets) {
    const guest = await verifyGuestToken(token, secret).catch(() => undefined)
    if (guest !== undefined) return guest.userId
  }
  return undefined
}

/** For pages of the same site; a storefront on another site sends the token as a bearer token. */
function setCookie({ config }: Ingress, request: Request, response: Response, token: string): void {
  const secure = config.production || request.secure
  response.cookie(secure ? SECURE_GUEST_COOKIE : GUEST_COOKIE, token, {
    httpOnly: true,
    sameSite: 'lax',
    secure,
    path: cookiePath(config.basePath),
    maxAge: config.guests.sessionMs
  })
}

function clearCookies({ config }: Ingress, response: Response): void {
  const options = { httpOnly: true, sameSite: 'lax', path: cookiePath(config.basePath) } as const
  response.clearCookie(GUEST_COOKIE, options)
  response.clearCookie(SECURE_GUEST_COOKIE, { ...options, secure: true })
}

function guestsAreOff(): Problem {
  return new Problem('not_found', { detail: 'This shop sells to customers who are signed in (GUEST_CHECKOUT).' })
}

import { hkdfSync } from 'node:crypto'
import { decodeJwt, jwtVerify, SignJWT } from 'jose'
import { newId } from '../ids.js'
import type { Customer } from './customer-claims.js'
import { GUEST_PREFIX, isGuest } from './user-ids.js'

/** The cookie that carries a guest session; over HTTPS with the prefix that browsers hold to it. */
export const GUEST_COOKIE = 'tillworks.guest-token'
export const SECURE_GUEST_COOKIE = `__Secure-${GUEST_COOKIE}`

const ISSUER = 'tillworks'
const AUDIENCE = 'tillworks-guest'
const ALGORITHM = 'HS256'
const CLOCK_TOLERANCE_SECONDS = 15

export function newGuestId(): string {
  return `${GUEST_PREFIX}${newId()}`
}

/** A JWT (RFC 7519), signed by a key of its own: no session token is one of a guest, and none of a guest a session token. */
export async function signGuestToken(guestId: string, secret: string, expiresAt: Date): Promise<string> {
  return await new SignJWT()
    .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
    .setSubject(guestId)
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setIssuedAt()
    .setExpirationTime(expiresAt)
    .sign(guestKey(secret))
}

/** The guest of a valid token. Throws when it is expired, signed by another key, or no guest's. */
export async function verifyGuestToken(token: string, secret: string): Promise<Customer> {
  const { payload } = await jwtVerify(token, guestKey(secret), {
    algorithms: [ALGORITHM],
    issuer: ISSUER,
    audience: AUDIENCE,
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    requiredClaims: ['sub', 'exp']
  })
  if (payload.sub === undefined || !isGuest(payload.sub)) throw new Error('the token names no guest')
  return { userId: payload.sub, email: null }
}

/** Says that it is one, unverified. Throws when it is no JWT. */
export function claimsToBeGuest(token: string): boolean {
  return decodeJwt(token).aud === AUDIENCE
}

function guestKey(secret: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, '', 'tillworks guest session', 32))
}

import { decodeJwt, jwtVerify, SignJWT } from 'jose'
import { type Customer, customerOf } from './customer-claims.js'

/** The cookie that carries a session token when there is no Authorization header. */
export const SESSION_COOKIE = 'tillworks.session-token'

const ISSUER = 'tillworks'
const AUDIENCE = 'tillworks'
const ALGORITHM = 'HS256'
const CLOCK_TOLERANCE_SECONDS = 15

/** A JWT (RFC 7519) signed with HS256 by `secret`; it lasts `seconds`. */
export async function signSessionToken(customer: Customer, secret: string, seconds: number): Promise<string> {
  return await new SignJWT(customer.email === null ? {} : { email: customer.email })
    .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
    .setSubject(customer.userId)
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setIssuedAt()
    .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
    .sign(new TextEncoder().encode(secret))
}

/** Says that it is one of ours, a guest's too, unverified. Throws when it is no JWT. */
export function isOwnToken(token: string): boolean {
  return decodeJwt(token).iss === ISSUER
}

/** The customer of a valid token. Throws when it is expired, for another audience, unsigned or signed by another key. */
export async function verifySessionToken(token: string, secret: string): Promise<Customer> {
  const { payload } = await jwtVerify(token, new TextEncoder().encode(secret), {
    algorithms: [ALGORITHM],
    issuer: ISSUER,
    audience: AUDIENCE,
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    requiredClaims: ['sub', 'exp']
  })
  return customerOf(payload)
}

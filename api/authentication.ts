import type { Request } from 'express'
import { createRemoteJWKSet, decodeProtectedHeader, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { Config } from '../shared/config/config.js'
import { MINUTE, SECOND } from '../shared/duration.js'
import { messageOf, Problem } from '../shared/errors.js'
import { type Customer, customerOf } from '../shared/identity/customer-claims.js'
import { originMatcher } from '../shared/identity/origins.js'
import { SESSION_COOKIE, verifySessionToken } from '../shared/identity/session-token.js'
import type { Logger } from '../shared/logger.js'
import { requestId } from './request-context.js'
import { findSessionCookie } from './session-cookies.js'

/** The customer of a request, or a Problem: 401 without a valid session, 403 from an origin that is not the shop's. */
export type Authenticate = (request: Request) => Promise<Customer>

export function createAuthenticator(config: Config, log: Logger): Authenticate {
  const verifyBearer = bearerVerifier(config)
  const isAllowedOrigin = originMatcher(config.allowedOrigins)
  return async request => {
    const bearer = /^Bearer +(\S+)$/i.exec(request.get('authorization') ?? '')?.[1]
    const cookie = bearer === undefined ? findSessionCookie(request.get('cookie') ?? '') : undefined
    if (bearer === undefined && cookie === undefined) throw unauthorized()
    const reading =
      bearer !== undefined
        ? verifyBearer(bearer)
        : withEachSecret(
            config.auth.secrets,
            secret => cookie?.read(cookie.value, secret, cookie.name, config.auth.claims) as Promise<Customer>
          )
    const customer = await reading.catch(error => {
      if (isIssuerAway(error)) {
        log.error(
          { requestId: requestId(request), reason: messageOf(error) },
          'the keys at AUTH_JWKS_URL cannot be fetched'
        )
        throw new Problem(
          'unavailable',
          { detail: 'Your sign-in cannot be checked at the moment. Try again.' },
          { 'Retry-After': '5' }
        )
      }
      // The reason is for the log; telling it to the caller would help only a forger.
      log.warn(
        { requestId: requestId(request), cookie: cookie?.name, reason: messageOf(error) },
        'a customer’s session was refused'
      )
      throw unauthorized()
    })
    checkOrigin(request, cookie === undefined ? 'header' : 'cookie', isAllowedOrigin)
    return customer
  }
}

/**
 * A token signed with our secret, or by the issuer whose keys are at AUTH_JWKS_URL. The key to try is chosen by the kind
 * of algorithm, and each accepts its own kind only: a public key can never be taken for a secret (RFC 8725, section 3.1).
 */
function bearerVerifier({ auth }: Config): (token: string) => Promise<Customer> {
  const keys = auth.issuer === undefined ? undefined : remoteKeys(auth.issuer.jwksUrl)
  return async token => {
    const { alg } = decodeProtectedHeader(token)
    if (alg === 'HS256') return await withEachSecret(auth.secrets, secret => verifySessionToken(token, secret))
    if (keys === undefined || auth.issuer === undefined) throw new Error(`tokens signed with ${alg} are not accepted`)
    const { payload } = await jwtVerify(token, keys, {
      algorithms: auth.issuer.algorithms,
      issuer: auth.issuer.issuer,
      audience: auth.issuer.audience,
      clockTolerance: 15,
      requiredClaims: ['exp']
    })
    return customerOf(payload, auth.claims)
  }
}

/** The token may be right: its issuer does not answer. What `jose` itself refuses is a JOSEError with a code. */
function isIssuerAway(error: unknown): boolean {
  const { code, message = '' } = error as { code?: unknown; message?: string }
  return code === 'ERR_JWKS_TIMEOUT' || message === 'fetch failed' || message.includes('JSON Web Key Set HTTP response')
}

/** Fetched when first needed, again for an unknown key, and at most twice a minute. */
function remoteKeys(url: string): JWTVerifyGetKey {
  return createRemoteJWKSet(new URL(url), {
    timeoutDuration: 5 * SECOND,
    cooldownDuration: 30 * SECOND,
    cacheMaxAge: 10 * MINUTE
  })
}

/** The first secret that reads it: the newest one signs, older ones are still read while they are being replaced. */
async function withEachSecret(
  secrets: readonly string[],
  read: (secret: string) => Promise<Customer>
): Promise<Customer> {
  let refused: unknown = new Error('there is no secret')
  for (const secret of secrets) {
    try {
      return await read(secret)
    } catch (error) {
      refused = error
    }
  }
  throw refused
}

/**
 * A browser sends the cookie by itself, so the Origin must be the shop's (OWASP, Cross-Site Request Forgery Prevention).
 * A page's own GET has none; Sec-Fetch-Site tells it from another page's, which browsers let through without reading.
 * A bearer token is sent on purpose, also by servers, which have no Origin.
 */
function checkOrigin(request: Request, from: 'header' | 'cookie', isAllowed: (origin: string) => boolean): void {
  const origin = request.get('origin')
  const site = request.get('sec-fetch-site')
  const isOwnGet = request.method === 'GET' && (site === undefined || site === 'same-origin' || site === 'none')
  if (origin === undefined && (from === 'header' || isOwnGet)) return
  if (origin !== undefined && isAllowed(origin)) return
  throw new Problem('origin_refused', {
    detail:
      origin === undefined
        ? 'A request with a session cookie needs an Origin header.'
        : `The origin ${origin.slice(0, 200)} is not in ALLOWED_ORIGINS.`
  })
}

function unauthorized(): Problem {
  return new Problem(
    'unauthorized',
    { detail: `Send a session token as Authorization: Bearer, or in the cookie ${SESSION_COOKIE}.` },
    { 'WWW-Authenticate': 'Bearer' }
  )
}

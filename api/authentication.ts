import type { Request } from 'express'
import { createRemoteJWKSet, customFetch, decodeProtectedHeader, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { Config } from '../shared/config/config.js'
import { MINUTE, SECOND } from '../shared/duration.js'
import { messageOf, Problem } from '../shared/errors.js'
import { type Customer, customerOf } from '../shared/identity/customer-claims.js'
import { claimsToBeGuest, GUEST_COOKIE, verifyGuestToken } from '../shared/identity/guests.js'
import { originMatcher } from '../shared/identity/origins.js'
import { isOwnToken, SESSION_COOKIE, verifySessionToken } from '../shared/identity/session-token.js'
import type { Logger } from '../shared/logger.js'
import { type Fetch, outgoingFetch, ProxyError } from '../shared/runtime/outgoing.js'
import { findGuestToken } from './guest-token.js'
import { requestId } from './request-context.js'
import { cookiesOfOthers, findSessionCookie } from './session-cookies.js'
import { type AskSessionEndpoint, SessionEndpointError, sessionEndpoint } from './session-endpoint.js'

export interface Authenticator {
  /** The customer, or the guest, of a request; a Problem: 401 without a valid session, 403 from an origin that is not the shop's. */
  identify(request: Request): Promise<Customer>
  /** A Problem when a page of another origin sends the request. */
  checkOwnOrigin(request: Request): void
}

/** What a request says of who sends it. */
interface Session {
  /** A browser sends cookies by itself, a header only a page or server that means to. */
  from: 'header' | 'cookie'
  /** For the log: the name of a cookie. */
  name: string
  /** Undefined when it is nobody's: then the next one counts. */
  read(): Promise<Customer | undefined>
}

export function createAuthenticator(config: Config, log: Logger): Authenticator {
  const readers = sessionReaders(config)
  const isAllowedOrigin = originMatcher(config.allowedOrigins)
  return {
    async identify(request) {
      for (const read of readers) {
        const session = read(request)
        const customer = await session?.read().catch(error => refuse(log, request, session, error))
        if (session === undefined || customer === undefined) continue
        checkOrigin(request, session.from, isAllowedOrigin)
        return customer
      }
      throw unauthorized()
    },
    checkOwnOrigin: request => checkOrigin(request, 'header', isAllowedOrigin)
  }
}

type SessionReader = (request: Request) => Session | undefined

/** In the order in which they count. A bearer token counts alone. */
function sessionReaders(config: Config): SessionReader[] {
  const { session, claims } = config.auth
  const ask = session && sessionEndpoint(session, claims, { call: outgoingFetch(config.proxies) })
  const bearer = bearerReader(config, ask)
  const cookies: SessionReader[] = [
    request => customerCookie(request, config),
    ...(ask === undefined ? [] : [cookieReader(ask)]),
    request => guestCookie(request, config)
  ]
  const unlessBearer = (read: SessionReader) => (request: Request) =>
    bearerOf(request) === undefined ? read(request) : undefined
  return [bearer, ...cookies.map(unlessBearer)]
}

function bearerOf(request: Request): string | undefined {
  return /^Bearer +(\S+)$/i.exec(request.get('authorization') ?? '')?.[1]
}

function bearerReader(config: Config, ask: AskSessionEndpoint | undefined): SessionReader {
  const verify = bearerVerifier(config)
  const isPassedOn = (token: string) => config.auth.session?.authorization === true && !isReadHere(token, config)
  return request => {
    const token = bearerOf(request)
    if (token === undefined) return undefined
    const read = () =>
      ask !== undefined && isPassedOn(token) ? ask({ authorization: `Bearer ${token}` }) : verify(token)
    return { from: 'header', name: 'Authorization', read }
  }
}

/** A token of ours, or one of an issuer whose keys we have. All others only the shop can read. */
function isReadHere(token: string, { auth }: Config): boolean {
  try {
    const { alg } = decodeProtectedHeader(token)
    return alg === 'HS256' ? isOwnToken(token) : auth.issuer !== undefined
  } catch {
    return false
  }
}

/** The cookies of which only the shop knows whose they are; none of ours is among them. */
function cookieReader(ask: AskSessionEndpoint): SessionReader {
  return request => {
    const cookie = cookiesOfOthers(request.get('cookie') ?? '')
    return cookie === '' ? undefined : { from: 'cookie', name: 'AUTH_SESSION_URL', read: () => ask({ cookie }) }
  }
}

/** With a session endpoint the cookies of Auth.js are left to it: one of a database session has the name of one that is a JWT. */
function customerCookie(request: Request, { auth }: Config): Session | undefined {
  const cookie = findSessionCookie(request.get('cookie') ?? '', { onlyOurs: auth.session !== undefined })
  if (cookie === undefined) return undefined
  const { name, value } = cookie
  return {
    from: 'cookie',
    name,
    read: () => withEachSecret(auth.secrets, secret => cookie.read(value, secret, name, auth.claims))
  }
}

/** Comes last: whoever is signed in is no guest. */
function guestCookie(request: Request, { auth, guests }: Config): Session | undefined {
  const token = guests.enabled ? findGuestToken(request.get('cookie') ?? '') : undefined
  if (token === undefined) return undefined
  const read = () => withEachSecret(auth.secrets, secret => verifyGuestToken(token, secret))
  return { from: 'cookie', name: GUEST_COOKIE, read }
}

function refuse(log: Logger, request: Request, session: Session | undefined, error: unknown): never {
  const context = { requestId: requestId(request), reason: messageOf(error) }
  const isEndpoint = error instanceof SessionEndpointError
  if (isEndpoint || isIssuerAway(error)) {
    log.error(
      context,
      isEndpoint ? 'AUTH_SESSION_URL does not say who is signed in' : 'the keys at AUTH_JWKS_URL cannot be fetched'
    )
    throw new Problem(
      'unavailable',
      { detail: 'Your sign-in cannot be checked at the moment. Try again.' },
      { 'Retry-After': '5' }
    )
  }
  // The reason is for the log; telling it to the caller would help only a forger.
  log.warn({ ...context, session: session?.name }, 'session refused')
  throw unauthorized()
}

/**
 * A token signed with our secret, or by the issuer whose keys are at AUTH_JWKS_URL. The key to try is chosen by the kind
 * of algorithm, and each accepts its own kind only: a public key can never be taken for a secret (RFC 8725, section 3.1).
 */
function bearerVerifier({ auth, guests, proxies }: Config): (token: string) => Promise<Customer> {
  const keys = auth.issuer === undefined ? undefined : remoteKeys(auth.issuer.jwksUrl, outgoingFetch(proxies))
  return async token => {
    const { alg } = decodeProtectedHeader(token)
    if (alg === 'HS256') {
      const verify = guests.enabled && claimsToBeGuest(token) ? verifyGuestToken : verifySessionToken
      return await withEachSecret(auth.secrets, secret => verify(token, secret))
    }
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
  if (error instanceof ProxyError) return true
  const { code, message = '' } = error as { code?: unknown; message?: string }
  return code === 'ERR_JWKS_TIMEOUT' || message === 'fetch failed' || message.includes('JSON Web Key Set HTTP response')
}

/** Fetched when first needed, again for an unknown key, and at most twice a minute. */
function remoteKeys(url: string, call: Fetch): JWTVerifyGetKey {
  return createRemoteJWKSet(new URL(url), {
    timeoutDuration: 5 * SECOND,
    cooldownDuration: 30 * SECOND,
    cacheMaxAge: 10 * MINUTE,
    [customFetch]: (address, options) => call(address, options)
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

export function unauthorized(): Problem {
  return new Problem(
    'unauthorized',
    { detail: `Send a session token as Authorization: Bearer, or in the cookie ${SESSION_COOKIE}.` },
    { 'WWW-Authenticate': 'Bearer' }
  )
}

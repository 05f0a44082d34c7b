import type { Request } from 'express'
import type { Config } from '../shared/config.js'
import { messageOf, Problem } from '../shared/errors.js'
import type { Logger } from '../shared/logger.js'
import { type Customer, SESSION_COOKIE, verifySessionToken } from '../shared/session-token.js'
import { requestId } from './request-context.js'

/** The customer of a request, or a Problem: 401 without a valid session, 403 from an origin that is not the shop's. */
export async function authenticate(request: Request, config: Config, log: Logger): Promise<Customer> {
  const credentials = findToken(request)
  if (credentials === undefined) throw unauthorized()
  const customer = await verifySessionToken(credentials.token, config.auth.secret).catch(error => {
    // The reason is for the log; telling it to the caller would help only a forger.
    log.warn({ requestId: requestId(request), reason: messageOf(error) }, 'session token refused')
    throw unauthorized()
  })
  checkOrigin(request, credentials.from, config.allowedOrigins)
  return customer
}

/**
 * A browser sends the cookie by itself, so the Origin must be the shop's (OWASP, Cross-Site Request Forgery Prevention).
 * A bearer token is sent on purpose, also by servers, which have no Origin.
 */
function checkOrigin(request: Request, from: 'header' | 'cookie', allowed: readonly string[]): void {
  const origin = request.get('origin')
  if (origin === undefined && (from === 'header' || request.method === 'GET')) return
  if (origin !== undefined && allowed.includes(origin)) return
  throw new Problem('origin_refused', {
    detail:
      origin === undefined
        ? 'A request with a session cookie needs an Origin header.'
        : `The origin ${origin} is not in ALLOWED_ORIGINS.`
  })
}

function findToken(request: Request): { token: string; from: 'header' | 'cookie' } | undefined {
  const header = /^Bearer +(\S+)$/i.exec(request.get('authorization') ?? '')
  if (header?.[1] !== undefined) return { token: header[1], from: 'header' }
  const cookie = cookieValue(request.get('cookie') ?? '', SESSION_COOKIE)
  return cookie === undefined ? undefined : { token: cookie, from: 'cookie' }
}

function cookieValue(header: string, name: string): string | undefined {
  const pair = header.split(';').find(part => part.trim().startsWith(`${name}=`))
  return pair?.slice(pair.indexOf('=') + 1).trim()
}

function unauthorized(): Problem {
  return new Problem(
    'unauthorized',
    { detail: `Send a session token as Authorization: Bearer, or in the cookie ${SESSION_COOKIE}.` },
    { 'WWW-Authenticate': 'Bearer' }
  )
}

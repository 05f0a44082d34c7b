import type { Request, RequestHandler, Response } from 'express'
import { DAY, SECOND } from '../duration.js'
import { networkOf } from '../identity/ip-address.js'
import { cookiePath } from './base-path.js'
import { isGone } from './client-gone.js'
import { createGuessBrake, type GuessBrake, type Verdict } from './guess-brake.js'
import { type Credentials, type Operator, type OperatorAccounts, operatorAccounts } from './operator-accounts.js'
import { reportRefusedPasswords } from './refused-passwords.js'
import type { Services } from './services.js'
import { sharedGuesses } from './shared-guesses.js'

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']
/** Where the login of the catalogue may go. */
const CATALOGUE = /^\/ops\/api\/products(\/|$)/
/** What a browser that was let in is known by; see `isKnownBrowser`. */
const PASS_COOKIE = 'tillworks.operations'

/**
 * Who may come in: the operator and the viewer by password (RFC 7617), or whoever a trusted proxy has signed in. Guessing is
 * slowed down and nobody is locked out (docs/decisions/0018).
 */
export function admit(services: Services): RequestHandler {
  const brake: GuessBrake<Operator> = createGuessBrake({ shared: sharedGuesses(services) })
  const accounts = operatorAccounts(services.config)
  const report = reportRefusedPasswords(services)
  const path = cookiePath(services.config.ops.basePath)
  const pass = { httpOnly: true, sameSite: 'strict', maxAge: DAY, path } as const
  return async (request, response, next) => {
    const credentials = accounts.credentialsOf(request)
    const operator = accounts.byProxy(request)
    if (operator !== undefined) return enter(request, response, operator, next)
    if (credentials === undefined) return askForPassword(response)
    const verdict = isKnownBrowser(request, accounts, credentials)
      ? compare(accounts, credentials)
      : await brake.check({
          address: networkOf(request.socket.remoteAddress ?? '') ?? 'unknown',
          digest: credentials.digest.toString('base64'),
          compare: () => accounts.byPassword(credentials),
          isGone: () => isGone(response)
        })
    if (verdict.is === 'gone') return
    if (verdict.is === 'busy') return refuseForNow(response, verdict.retryAfterMs)
    if (verdict.is === 'right') {
      response.cookie(PASS_COOKIE, accounts.passFor(credentials), pass)
      return enter(request, response, verdict.who, next)
    }
    if (!verdict.known) await report(request, verdict.count)
    askForPassword(response)
  }
}

function enter(request: Request, response: Response, operator: Operator, next: () => void): void {
  if (operator.role === 'catalogue' && !CATALOGUE.test(request.path))
    return refuse(response, 'This login is for products alone. Sign in with OPS_USER.')
  response.locals.operator = operator
  next()
}

/**
 * A browser that has given these very credentials before, and that they let in, is not slowed down by what others try at its
 * address: it would be locked out of pages that ask every few seconds. Whoever guesses has no pass for what they guess.
 */
function isKnownBrowser(request: Request, accounts: OperatorAccounts, credentials: Credentials): boolean {
  const pass = new RegExp(`(?:^|; *)${PASS_COOKIE.replace('.', '\\.')}=([\\w-]+)`).exec(
    request.get('cookie') ?? ''
  )?.[1]
  return pass !== undefined && accounts.isPassFor(credentials, pass)
}

function compare(accounts: OperatorAccounts, credentials: Credentials): Verdict<Operator> {
  const who = accounts.byPassword(credentials)
  return who === undefined ? { is: 'wrong', known: true, count: 0 } : { is: 'right', who }
}

/** A viewer changes nothing, and no other site can make an operator's browser do so. */
export const guardChanges: RequestHandler = (request, response, next) => {
  if (SAFE_METHODS.includes(request.method)) return next()
  const { role } = operatorOf(response)
  if (role === 'viewer') return refuse(response, 'A viewer can look and not change. Sign in with OPS_USER.')
  if (!isOwnPage(request)) return refuse(response, 'This request comes from another site.')
  next()
}

export function operatorOf(response: Response): Operator {
  return response.locals.operator as Operator
}

/** Browsers send both headers with every change; what sends neither is no browser. */
function isOwnPage(request: Request): boolean {
  const site = request.get('sec-fetch-site')
  if (site !== undefined && site !== 'same-origin') return false
  const origin = request.get('origin')
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === request.get('host'))
}

function askForPassword(response: Response): void {
  response.status(401).setHeader('WWW-Authenticate', 'Basic realm="Tillworks operations", charset="UTF-8"')
  response.type('text/plain').send('The operations pages need OPS_USER and OPS_PASSWORD.\n')
}

function refuse(response: Response, reason: string): void {
  response.status(403).type('text/plain').send(`${reason}\n`)
}

function refuseForNow(response: Response, ms: number): void {
  response.status(429).setHeader('Retry-After', String(Math.ceil(ms / SECOND)))
  response.type('text/plain').send('Too many passwords from this address wait to be looked at. Try again.\n')
}

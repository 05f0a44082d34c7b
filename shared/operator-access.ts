import { createHash, timingSafeEqual } from 'node:crypto'
import { BlockList, isIPv6 } from 'node:net'
import type { Request, RequestHandler, Response } from 'express'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { networkOf, plainAddress } from './address.js'
import { writeAudit } from './audit.js'
import type { Config } from './config.js'
import { MINUTE, SECOND } from './duration.js'
import type { Services } from './services.js'
import { plainUserAgent } from './user-agent.js'

export interface Operator {
  name: string
  role: 'operator' | 'viewer'
}

const FAILURES = 10
const WINDOW = 15 * MINUTE
const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']

/**
 * Who may come in: the operator and the viewer by password (RFC 7617), or whoever a trusted proxy has signed in. An
 * address with ten wrong passwords waits for a quarter of an hour.
 */
export function admit({ config, log, db }: Services): RequestHandler {
  const failures = new RateLimiterMemory({ points: FAILURES, duration: WINDOW / SECOND })
  const identify = identifier(config)
  return async (request, response, next) => {
    const { remoteAddress = '' } = request.socket
    const address = networkOf(remoteAddress) ?? 'unknown'
    const signedIn = identify.byProxy(request)
    // Whoever guesses passwords through the proxy does not keep those out whom it has signed in.
    const tried = signedIn === undefined ? await failures.get(address) : null
    if (tried !== null && tried.remainingPoints <= 0) return refuseForNow(response, tried.msBeforeNext)
    const operator = signedIn ?? identify.byPassword(request)
    if (operator !== undefined) {
      response.locals.operator = operator
      return next()
    }
    if (request.get('authorization') !== undefined) {
      const left = await failures.consume(address).catch((refused: unknown) => refused)
      log.warn(
        { address, left: left instanceof RateLimiterRes ? left.remainingPoints : 0 },
        'a wrong password for operations'
      )
      // PCI DSS 4.0, requirement 10.2.1.4. At most ten rows of an address, since the next tries end above.
      await writeAudit(db.pool, {
        action: 'operator_refused',
        status: 'FAILED',
        error: 'wrong password',
        ipAddress: plainAddress(remoteAddress),
        userAgent: plainUserAgent(request.get('user-agent'))
      })
    }
    response.status(401).setHeader('WWW-Authenticate', 'Basic realm="Tillworks operations", charset="UTF-8"')
    response.type('text/plain').send('The operations pages need OPS_USER and OPS_PASSWORD.\n')
  }
}

/** A viewer changes nothing, and no other site can make an operator's browser do so. */
export const guardChanges: RequestHandler = (request, response, next) => {
  if (SAFE_METHODS.includes(request.method)) return next()
  const { role } = operatorOf(response)
  if (role !== 'operator') return refuse(response, 'A viewer can look and not change. Sign in with OPS_USER.')
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

type Identify = (request: Request) => Operator | undefined

function identifier({ ops }: Config): { byProxy: Identify; byPassword: Identify } {
  const accounts: { credentials: Buffer; operator: Operator }[] = [
    { credentials: digest(`${ops.user}:${ops.password}`), operator: { name: ops.user, role: 'operator' } }
  ]
  if (ops.viewerPassword !== undefined) {
    const { viewerUser: name, viewerPassword } = ops
    accounts.push({ credentials: digest(`${name}:${viewerPassword}`), operator: { name, role: 'viewer' } })
  }
  const proxies = networks(ops.trustProxy)
  return {
    byProxy(request) {
      const name = ops.proxyUserHeader === undefined ? undefined : request.get(ops.proxyUserHeader)
      if (!name || !isFrom(proxies, request.socket.remoteAddress ?? '')) return undefined
      return { name, role: ops.operators.includes(name) ? 'operator' : 'viewer' }
    },
    byPassword(request) {
      const given = /^Basic +(\S+)$/i.exec(request.get('authorization') ?? '')?.[1]
      if (given === undefined) return undefined
      const credentials = digest(Buffer.from(given, 'base64').toString())
      // Every account is compared, in constant time.
      return accounts.filter(account => timingSafeEqual(account.credentials, credentials))[0]?.operator
    }
  }
}

function networks(list: readonly string[]): BlockList {
  const blocks = new BlockList()
  for (const entry of list) {
    const [address = '', bits] = entry.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) blocks.addAddress(address, family)
    else blocks.addSubnet(address, Number(bits), family)
  }
  return blocks
}

function isFrom(blocks: BlockList, remote: string): boolean {
  const address = plainAddress(remote) ?? ''
  return blocks.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

function refuse(response: Response, reason: string): void {
  response.status(403).type('text/plain').send(`${reason}\n`)
}

function refuseForNow(response: Response, ms: number): void {
  response.status(429).setHeader('Retry-After', String(Math.ceil(ms / SECOND)))
  response.type('text/plain').send('Too many wrong passwords from this address.\n')
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

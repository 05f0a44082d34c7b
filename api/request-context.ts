import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Request, RequestHandler } from 'express'
import { pinoHttp } from 'pino-http'
import type { Config } from '../shared/config/config.js'
import { SECOND } from '../shared/duration.js'
import { clientAddress, proxiesOf } from '../shared/identity/client-address.js'
import { networkOf, plainAddress } from '../shared/identity/ip-address.js'
import { maskText } from '../shared/identity/masking.js'
import { plainUserAgent } from '../shared/identity/user-agent.js'
import type { Logger } from '../shared/logger.js'
import { countAnswer } from '../shared/metrics/requests.js'
import type { Drain } from '../shared/runtime/drain.js'

const CALLERS_ID = /^[\w.-]{1,64}$/
/** Of a path in the log, in characters; our own are shorter. Node takes up to 16 kB of anybody. */
const MOST_OF_PATH = 2_000

/** Gives every request an id (the caller's X-Request-Id when it is a plain one) and logs how it was answered. */
export function requestContext(log: Logger): RequestHandler {
  const logRequests = pinoHttp({
    logger: log,
    genReqId: request => requestId(request as Request),
    customAttributeKeys: { reqId: 'requestId', responseTime: 'ms' },
    quietReqLogger: true,
    customLogLevel: (_request, response, error) =>
      error || response.statusCode >= 500 ? 'error' : response.statusCode >= 400 ? 'warn' : 'info',
    serializers: {
      req: request => ({ method: request.method, path: loggedPath(String(request.url)) }),
      res: response => ({ status: response.statusCode })
    },
    autoLogging: { ignore: request => request.url === '/healthz' || request.url === '/readyz' }
  })
  return (request, response, next) => {
    const id = request.id === undefined ? requestIdOf(request) : requestId(request)
    request.id = id
    response.setHeader('X-Request-Id', id)
    logRequests(request, response)
    next()
  }
}

/** The caller's X-Request-Id when it is a plain one, else a new one. */
export function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id']
  const isPlain = typeof given === 'string' && CALLERS_ID.test(given) && maskText(given) === given
  return isPlain ? given : randomUUID()
}

/** Without its query, which can carry what a log must not, and in whole segments: half an e-mail address is not masked. */
function loggedPath(url: string): string {
  const [path = ''] = url.split('?', 1)
  return path.length <= MOST_OF_PATH ? path : `${path.slice(0, path.lastIndexOf('/', MOST_OF_PATH - 1) + 1)}…`
}

export function requestId(request: Request): string {
  return String(request.id)
}

/** While the process ends, each answer is the last one of its connection. */
export function lastAnswers(drain: Drain): RequestHandler {
  return (_request, response, next) => {
    if (drain.hasBegun) response.setHeader('Connection', 'close')
    next()
  }
}

/** Gives `request.ip` as the shop's proxies tell it: forwarding headers are believed from TRUST_PROXY alone. */
export function forwardedAddress({ trustProxy, clientAddressHeader: header }: Config): RequestHandler {
  const isProxy = proxiesOf(trustProxy)
  const lines = header.toLowerCase()
  return (request, _response, next) => {
    const forwarded = { peer: request.socket.remoteAddress, header, text: request.headersDistinct[lines]?.join(', ') }
    const value = clientAddress(forwarded, isProxy) ?? undefined
    Object.defineProperty(request, 'ip', { value, configurable: true, enumerable: true })
    next()
  }
}

/** Where a request comes from, for the audit trail. */
export function origin(request: Request): { ipAddress: string | null; userAgent: string | null } {
  return {
    ipAddress: addressOf(request),
    userAgent: plainUserAgent(request.get('user-agent'))
  }
}

function addressOf(request: Request): string | null {
  return request.ip === undefined ? null : plainAddress(request.ip)
}

/** What is counted as one client. */
export function clientOf(request: Request): string {
  return networkOf(request.ip ?? '') ?? 'unknown'
}

/** The pattern of the route that answers, never the path: paths are without number, and hold ids. */
export function routeOf(request: Request): string | undefined {
  return typeof request.route?.path === 'string' ? request.route.path : undefined
}

/** Counts answers by the pattern of their route. */
export const countAnswers: RequestHandler = (request, response, next) => {
  const begun = performance.now()
  response.on('finish', () => {
    const answer = { route: routeOf(request) ?? 'other', method: request.method, status: response.statusCode }
    countAnswer(answer, (performance.now() - begun) / SECOND, response.locals.problem)
  })
  next()
}

import cors from 'cors'
import type { RequestHandler } from 'express'
import type { Config } from '../shared/config/config.js'
import { Problem } from '../shared/errors.js'
import { originMatcher } from '../shared/identity/origins.js'

const PREFLIGHT_SECONDS = 600

/** CORS for the shop's own origins (https://fetch.spec.whatwg.org/#http-cors-protocol); a preflight of others is 403. */
export function crossOrigin({ allowedOrigins }: Config): RequestHandler[] {
  const isAllowed = originMatcher(allowedOrigins)
  const refuseOthers: RequestHandler = (request, _response, next) => {
    const origin = request.get('origin')
    const isPreflight = request.method === 'OPTIONS' && request.get('access-control-request-method') !== undefined
    if (!isPreflight || origin === undefined || isAllowed(origin)) return next()
    next(new Problem('origin_refused', { detail: `The origin ${origin.slice(0, 200)} is not in ALLOWED_ORIGINS.` }))
  }
  const allowOwn = cors({
    // Of an empty list no origin is one: the answer says, too, that it would be another for another origin (Vary).
    origin: (origin, decide) => decide(null, origin !== undefined && isAllowed(origin) ? true : []),
    credentials: true,
    methods: ['GET', 'POST', 'DELETE'],
    allowedHeaders: [
      'Content-Type',
      'Authorization',
      'Idempotency-Key',
      'If-None-Match',
      'Prefer',
      'X-Request-Id',
      'traceparent',
      'tracestate'
    ],
    exposedHeaders: [
      'Location',
      'Link',
      'ETag',
      'Retry-After',
      'RateLimit',
      'RateLimit-Policy',
      'Idempotent-Replayed',
      'X-Request-Id',
      'X-Trace-Id'
    ],
    maxAge: PREFLIGHT_SECONDS
  })
  return [
    refuseOthers,
    (request, response, next) => (request.get('origin') === undefined ? next() : allowOwn(request, response, next))
  ]
}

import { SpanStatusCode } from '@opentelemetry/api'
import type { RequestHandler } from 'express'
import { bindToTrace, isTracing, startRequestSpan, withTrace } from '../shared/tracing.js'
import { routeOf } from './request-context.js'

const PROBES = ['/healthz', '/readyz', '/metrics']

/** A span of each request, in the trace that its `traceparent` names (https://www.w3.org/TR/trace-context/), or in a new one. */
export const traceRequests: RequestHandler = (request, response, next) => {
  if (!isTracing() || PROBES.includes(request.path)) return next()
  const { span, context } = startRequestSpan(request.method, request.headers)
  response.setHeader('X-Trace-Id', span.spanContext().traceId)
  // What is said when the answer is finished belongs to the trace, too.
  bindToTrace(context, response)
  response.once('close', () => {
    const route = routeOf(request)
    if (route !== undefined) span.updateName(`${request.method} ${route}`).setAttribute('http.route', route)
    span.setAttribute('http.response.status_code', response.statusCode)
    if (response.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end()
  })
  withTrace(context, () => next())
}

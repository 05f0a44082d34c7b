import type { ErrorRequestHandler, RequestHandler, Response } from 'express'
import { isDatabaseUnavailable } from '../shared/database/database.js'
import { codeOf, Problem, type ProblemBody, problemBody } from '../shared/errors.js'
import type { Logger } from '../shared/logger.js'
import { currentTraceId } from '../shared/tracing.js'
import { TimeLimitError } from '../shared/within-time.js'
import { requestId } from './request-context.js'

const RETRY_AFTER_SECONDS = '5'

/** The one place where errors become answers: RFC 9457 problem documents. */
export function renderProblems(log: Logger): ErrorRequestHandler {
  return (error, request, response, _next) => {
    const problem = problemOf(error)
    if (problem.code === 'internal')
      log.error({ err: error, requestId: requestId(request) }, 'a request failed unexpectedly')
    if (problem.code === 'unavailable')
      log.warn(
        { err: error, requestId: requestId(request) },
        'a request was not accepted: something it needs is not available'
      )
    if (response.headersSent) {
      response.destroy()
      return
    }
    for (const [name, value] of Object.entries(problem.headers)) response.setHeader(name, value)
    sendProblem(response, problemBody(problem.code, problem.extras, requestId(request), currentTraceId()))
  }
}

export const notFound: RequestHandler = request => {
  throw new Problem('not_found', {
    detail: `There is nothing at ${request.method} ${request.originalUrl.split('?', 1)[0]}.`
  })
}

/** Answers 405 with what is allowed, for the methods that a path does not have. */
export function onlyMethods(...allowed: string[]): RequestHandler {
  return request => {
    throw new Problem(
      'method_not_allowed',
      { detail: `${request.method} is not possible here; use ${allowed.join(' or ')}.` },
      { Allow: allowed.join(', ') }
    )
  }
}

export function sendProblem(response: Response, body: ProblemBody): void {
  noteProblem(response, body)
  response.status(body.status).type('application/problem+json').send(JSON.stringify(body))
}

/** For the metrics. */
export function noteProblem(response: Response, { type }: ProblemBody): void {
  response.locals.problem = codeOf(type)
}

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (isDatabaseUnavailable(error) || error instanceof TimeLimitError) {
    return new Problem(
      'unavailable',
      { detail: 'The request was not accepted. Try again.' },
      { 'Retry-After': RETRY_AFTER_SECONDS }
    )
  }
  return bodyProblem(error) ?? new Problem('internal')
}

/** What Express's body parser reports. */
function bodyProblem(error: unknown): Problem | undefined {
  const { type, status, limit } = error as { type?: string; status?: number; limit?: number }
  if (type === 'entity.too.large')
    return new Problem('too_large', { detail: `The body may have at most ${limit} bytes.` })
  if (type === 'encoding.unsupported')
    return new Problem('unsupported_media_type', { detail: 'This Content-Encoding is not supported.' })
  if (type !== undefined && status === 400)
    return new Problem('invalid_request', { detail: 'The body could not be read.' })
  // Express's own: a path that cannot be decoded, for instance.
  if (status !== undefined && status >= 400 && status < 500)
    return new Problem('invalid_request', {
      detail: 'The path or the headers cannot be read.'
    })
  return undefined
}

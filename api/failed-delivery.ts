import type { IncomingMessage } from 'node:http'
import type { RequestHandler } from 'express'

const failures = new WeakMap<IncomingMessage, unknown>()

/** Lets the app answer for a delivery that failed before it: errors become answers in one place. */
export function keepFailure(request: IncomingMessage, error: unknown): void {
  failures.set(request, error)
}

/** Throws what keepFailure() has kept of this request. */
export const throwFailure: RequestHandler = (request, _response, next) => {
  next(failures.get(request))
}

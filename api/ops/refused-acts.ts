import type { ErrorRequestHandler } from 'express'
import Stripe from 'stripe'
import { messageOf, Problem } from '../../shared/errors.js'
import { Refused, refusals } from '../../shared/refused.js'
import { isStripeAway } from '../../shared/runtime/stripe-client.js'
import { sendProblem } from '../problem.js'
import { requestId } from '../request-context.js'

const RETRY_AFTER_SECONDS = '30'

/** What is told of an act that was refused, here or by Stripe: a problem document (RFC 9457) with the refusal's status. */
export const renderRefusals: ErrorRequestHandler = (error, request, response, next) => {
  if (!(error instanceof Refused)) return next(stripeProblem(error) ?? error)
  sendProblem(response, {
    type: `urn:tillworks:problem:${error.code}`,
    title: 'Refused',
    status: refusals[error.code],
    detail: error.message,
    success: false,
    error: 'Refused',
    requestId: requestId(request)
  })
}

/** What an operator is told of Stripe's own answer; undefined for an error that is not Stripe's. */
export function stripeProblem(error: unknown): Problem | undefined {
  if (!(error instanceof Stripe.errors.StripeError)) return undefined
  const detail = `Stripe says: ${messageOf(error)}`
  if (isStripeAway(error))
    return new Problem('payment_service_away', { detail }, { 'Retry-After': RETRY_AFTER_SECONDS })
  return new Problem('payment_service', { detail })
}

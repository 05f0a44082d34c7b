/** An error as the Stripe API answers it: https://docs.stripe.com/api/errors */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly error: {
      type: 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error' | 'rate_limit_error'
      message: string
      code?: string
      param?: string
      decline_code?: string
      payment_intent?: unknown
    }
  ) {
    super(error.message)
  }
}

export function invalidRequest(
  message: string,
  extras: { code?: string; param?: string } = {},
  status = 400
): ApiError {
  return new ApiError(status, { type: 'invalid_request_error', message, ...extras })
}

export function missing(param: string): ApiError {
  return invalidRequest(`Missing required param: ${param}.`, { code: 'parameter_missing', param })
}

export function noSuch(what: string, id: string, param = 'id'): ApiError {
  return invalidRequest(`No such ${what}: '${id}'`, { code: 'resource_missing', param }, 404)
}

/** What Stripe can do and this simulator cannot; it says so rather than pretending. */
export function notSimulated(param: string): ApiError {
  return invalidRequest(`The local Stripe simulator does not support ${param}.`, { param })
}

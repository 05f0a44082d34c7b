// Every error that a caller can see, in one catalogue. They render as RFC 9457 problem documents (api/problem.ts).

export const problems = {
  invalid_request: { status: 400, error: 'Invalid request' },
  invalid_json: { status: 400, error: 'Invalid JSON' },
  catalogue_refused: { status: 400, error: 'Products refused' },
  cart_refused: { status: 400, error: 'Cart verification failed' },
  amount_refused: { status: 400, error: 'Amount not allowed' },
  invalid_signature: { status: 400, error: 'Webhook signature verification failed' },
  invalid_event: { status: 400, error: 'Not a Stripe event' },
  unauthorized: { status: 401, error: 'Authentication required' },
  origin_refused: { status: 403, error: 'Invalid request origin' },
  not_owner: { status: 403, error: 'Unauthorized' },
  not_found: { status: 404, error: 'Not found' },
  payment_blocked: { status: 403, error: 'Checkout not possible' },
  order_not_found: { status: 404, error: 'Order not found' },
  checkout_not_found: { status: 404, error: 'Checkout not found' },
  method_not_allowed: { status: 405, error: 'Method not allowed' },
  key_in_flight: { status: 409, error: 'A request with this Idempotency-Key is in progress' },
  guest_claimed: { status: 409, error: 'Guest session was claimed by another customer' },
  checkout_given_up: { status: 409, error: 'Checkout was given up' },
  checkout_not_cancellable: { status: 409, error: 'Checkout cannot be given up in current state' },
  order_not_payable: { status: 409, error: 'Order cannot be paid in current state' },
  precondition_failed: { status: 412, error: 'Changed meanwhile' },
  too_large: { status: 413, error: 'Request body too large' },
  unsupported_media_type: { status: 415, error: 'Unsupported media type' },
  key_reused: { status: 422, error: 'Idempotency-Key was used with another request' },
  precondition_required: { status: 428, error: 'Precondition required' },
  too_many_requests: { status: 429, error: 'Too many requests' },
  too_many_attempts: { status: 429, error: 'Too many requests' },
  internal: { status: 500, error: 'Checkout failed' },
  payment_service: { status: 502, error: 'Payment service error' },
  maintenance: { status: 503, error: 'Maintenance in progress' },
  payment_service_away: { status: 503, error: 'Payment service unavailable' },
  unavailable: { status: 503, error: 'Service unavailable' }
} as const satisfies Record<string, { status: number; error: string }>

export type ProblemCode = keyof typeof problems

/** One refused line of a cart. */
export interface CartError {
  productId: string
  error: string
}

export interface ProblemExtras {
  /** What was wrong and what to do, for this occurrence. */
  detail?: string
  /** Validation errors by path. */
  errors?: Record<string, string>
  /** Cart errors by product. */
  details?: CartError[]
  /** The checkout that is in the way or that the answer is about. */
  checkoutId?: string
}

/** An error that the caller is meant to see. Everything else that is thrown is a 500 without a reason. */
export class Problem extends Error {
  constructor(
    readonly code: ProblemCode,
    readonly extras: ProblemExtras = {},
    readonly headers: Record<string, string> = {}
  ) {
    super(extras.detail ?? problems[code].error)
    this.name = 'Problem'
  }
}

export interface ProblemBody extends ProblemExtras {
  type: string
  title: string
  status: number
  success: false
  error: string
  requestId: string
  /** While traces are recorded: docs/operations.md. */
  traceId?: string
}

const PROBLEM = 'urn:tillworks:problem:'

export function codeOf(type: string): ProblemCode {
  return type.slice(PROBLEM.length) as ProblemCode
}

/** The document of RFC 9457, with the members `success`, `error` and `requestId` beside its own. */
export function problemBody(
  code: ProblemCode,
  extras: ProblemExtras,
  requestId: string,
  traceId?: string
): ProblemBody {
  const { status, error } = problems[code]
  return {
    type: `${PROBLEM}${code}`,
    title: error,
    status,
    ...extras,
    success: false,
    error,
    requestId,
    ...(traceId === undefined ? {} : { traceId })
  }
}

/** A failure that no retry can mend: recorded on the row, then the job ends. */
export class TerminalError extends Error {
  override readonly name = 'TerminalError'
}

export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // The stripe package says that there is no connection, and has beside it why.
  const { detail } = error as { detail?: unknown }
  return detail instanceof Error ? `${error.message} (${detail.message})` : error.message
}

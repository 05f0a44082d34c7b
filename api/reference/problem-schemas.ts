import { z } from 'zod'
import { type ProblemCode, type ProblemExtras, problemBody, problems } from '../../shared/errors.js'
import { refusals } from '../../shared/refused.js'
import { named } from './components.js'
import { examples } from './values.js'

const cartError = named('CartError', z.object({ productId: z.string(), error: z.string() }))

const traceId = z
  .string()
  .meta({ description: 'The trace of the request, while OpenTelemetry is on: 32 hexadecimal digits' })

const byPath = z.record(z.string(), z.string()).meta({ description: 'A sentence for each path that is not valid' })

/** What an outcome of a checkout, or an answer about one, can be. */
const OF_A_CHECKOUT: ProblemCode[] = [
  'cart_refused',
  'amount_refused',
  'order_not_found',
  'not_owner',
  'payment_blocked',
  'order_not_payable',
  'key_in_flight',
  'checkout_given_up',
  'checkout_not_cancellable',
  'payment_service',
  'payment_service_away',
  'unavailable'
]

const EXAMPLES: Partial<Record<ProblemCode, ProblemExtras>> = {
  invalid_request: {
    detail: 'The request is not valid; see errors, by path.',
    errors: { 'items.0.price': 'Price must be positive' }
  },
  cart_refused: {
    details: [{ productId: examples.productId, error: 'Price mismatch: expected 19.99, got 1.99' }],
    checkoutId: examples.checkoutId
  }
}

function membersOf(code: ProblemCode): z.ZodRawShape {
  return {
    ...(code === 'invalid_request' || code === 'catalogue_refused' ? { errors: byPath.optional() } : {}),
    ...(code === 'cart_refused' ? { details: z.array(cartError).optional() } : {}),
    ...(OF_A_CHECKOUT.includes(code) ? { checkoutId: z.string().optional() } : {})
  }
}

function schemaOf(code: ProblemCode): z.ZodType {
  const { status, error } = problems[code]
  const { type } = problemBody(code, {}, '')
  return z
    .object({
      type: z.literal(type),
      title: z.literal(error),
      status: z.literal(status),
      detail: z.string().optional().meta({ description: 'What was wrong this time, and what to do' }),
      ...membersOf(code),
      success: z.literal(false),
      error: z.literal(error),
      requestId: z.string(),
      traceId: traceId.optional()
    })
    .meta({ examples: [problemBody(code, EXAMPLES[code] ?? {}, examples.requestId)] })
}

/** An operator's act that cannot be done: docs/api.md#operations */
export const refusedProblem = named(
  'RefusedProblem',
  z.object({
    type: z.enum(Object.keys(refusals).map(code => `urn:tillworks:problem:${code}`)),
    title: z.literal('Refused'),
    status: z.int(),
    detail: z.string(),
    success: z.literal(false),
    error: z.literal('Refused'),
    requestId: z.string()
  })
)

/** CartRefusedProblem, for `cart_refused`. */
function nameOf(code: ProblemCode): string {
  const words = code.split('_').map(word => `${word.charAt(0).toUpperCase()}${word.slice(1)}`)
  return `${words.join('')}Problem`
}

/** The problem document of each code, by RFC 9457. */
export const problemSchemas = Object.fromEntries(
  Object.keys(problems).map(code => [code, named(nameOf(code as ProblemCode), schemaOf(code as ProblemCode))])
) as Record<ProblemCode, z.ZodType>

import { z } from 'zod'
import type { CheckoutData } from '../../shared/rules/checkout-outcome.js'
import { checkoutRequestSchema } from '../schemas.js'
import { anyRules, named } from './components.js'
import type { Operations, Parameter } from './operation.js'
import { checkoutStatus, examples, metadata, orderStatus, success, time } from './values.js'

const request = named('CheckoutRequest', checkoutRequestSchema(anyRules))

const members = {
  checkoutId: z.string(),
  orderId: z.string().optional(),
  status: checkoutStatus,
  sessionId: z.string().optional(),
  url: z.string().optional().meta({ description: 'Where the customer can pay, while they can' }),
  expiresAt: time().optional()
}

export const checkout = named('Checkout', z.object(members)) satisfies z.ZodType<CheckoutData>

const state = named(
  'CheckoutState',
  z.object({
    ...members,
    orderStatus: orderStatus.optional(),
    metadata,
    error: z.string().optional(),
    detail: z.string().optional(),
    details: z.array(z.object({ productId: z.string(), error: z.string() })).optional()
  })
)

const accepted = named('AcceptedCheckoutAnswer', success(z.object({ checkoutId: z.string(), status: checkoutStatus })))
const checkoutAnswer = named('CheckoutAnswer', success(checkout))
const stateAnswer = named('CheckoutStateAnswer', success(state))
const stream = named(
  'CheckoutEvents',
  z.string().meta({ description: 'Events named `status`, each with a CheckoutState as its data' })
)

const open = {
  checkoutId: examples.checkoutId,
  orderId: examples.orderId,
  status: 'OPEN' as const,
  sessionId: 'cs_test_a1b2c3',
  url: 'https://checkout.stripe.com/c/pay/cs_test_a1b2c3',
  expiresAt: examples.time
}

const byId: Record<string, Parameter> = {
  id: {
    description: 'The id of the checkout, or that of its Session (`cs_…`)',
    schema: { type: 'string' },
    example: examples.checkoutId
  }
}

export const prefer: Parameter = {
  description: '`respond-async`: answer 202 at once (RFC 7240)',
  schema: { type: 'string' },
  example: 'respond-async'
}

export const idempotencyKey: Parameter = {
  description: 'The same request with the same key is answered once and replayed for 24 hours',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
  example: 'order-1042'
}

const tag = 'Checkouts'
const acceptedAnswer = {
  description: 'It is written down and under way: ask at Location, or listen',
  headers: ['Location' as const],
  body: { schema: accepted, example: { success: true, data: { checkoutId: examples.checkoutId, status: 'RECEIVED' } } }
}

export const checkoutOperations: Operations = {
  'POST /api/stripe/checkout': {
    id: 'createCheckout',
    tag,
    summary: 'A page to pay at',
    description:
      'The cart is compared with the database, its stock is reserved, and a Stripe Checkout Session is made.',
    access: 'customer',
    headers: { 'Idempotency-Key': idempotencyKey, Prefer: prefer },
    body: { schema: request, example: { items: [examples.line] } },
    answers: {
      200: {
        description: 'Send the customer to `url`',
        headers: ['Idempotent-Replayed'],
        body: { schema: checkoutAnswer, example: { success: true, data: open } }
      },
      202: acceptedAnswer
    },
    problems: [
      'cart_refused',
      'amount_refused',
      'not_owner',
      'payment_blocked',
      'order_not_found',
      'key_in_flight',
      'checkout_given_up',
      'order_not_payable',
      'key_reused',
      'too_many_attempts',
      'payment_service',
      'maintenance'
    ]
  },
  'GET /api/stripe/checkout/:id': {
    id: 'readCheckout',
    tag,
    summary: 'The status of a checkout',
    access: 'customer',
    path: byId,
    answers: {
      200: {
        description: 'As it is now',
        headers: ['Cache-Control'],
        body: {
          schema: stateAnswer,
          example: { success: true, data: { ...open, orderStatus: 'PENDING', metadata: {} } }
        }
      }
    },
    problems: ['invalid_request', 'checkout_not_found']
  },
  'DELETE /api/stripe/checkout/:id': {
    id: 'giveUpCheckout',
    tag,
    summary: 'Gives a checkout up',
    description: 'Its page is closed at Stripe, its stock goes back.',
    access: 'customer',
    path: byId,
    headers: { Prefer: prefer },
    answers: {
      200: {
        description: 'It is over',
        headers: ['Cache-Control'],
        body: {
          schema: stateAnswer,
          example: {
            success: true,
            data: { checkoutId: examples.checkoutId, status: 'EXPIRED', orderStatus: 'CANCELLED', metadata: {} }
          }
        }
      },
      202: acceptedAnswer
    },
    problems: ['invalid_request', 'checkout_not_found', 'checkout_not_cancellable', 'payment_service_away']
  },
  'GET /api/stripe/checkout/:id/events': {
    id: 'watchCheckout',
    tag,
    summary: 'The status as a stream of server-sent events',
    description:
      'At once and whenever it changes, until the checkout has ended, for a quarter of an hour at most. A comment comes every 15 seconds.',
    access: 'customer',
    path: byId,
    answers: {
      200: {
        description: 'Events',
        headers: ['Cache-Control'],
        body: {
          type: 'text/event-stream',
          schema: stream,
          example: `event: status\ndata: {"checkoutId":"${examples.checkoutId}","status":"OPEN","metadata":{}}\n\n`
        }
      }
    },
    problems: ['invalid_request', 'checkout_not_found']
  }
}

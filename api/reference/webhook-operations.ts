import { z } from 'zod'
import { named } from './components.js'
import type { Operations } from './operation.js'

const event = named('StripeEvent', z.looseObject({ id: z.string(), type: z.string() }))
const received = named('ReceivedAnswer', z.object({ received: z.literal(true), duplicate: z.literal(true).optional() }))

export const webhookOperations: Operations = {
  'POST /api/stripe/webhook': {
    id: 'receiveStripeEvent',
    tag: 'Stripe',
    summary: "Stripe's deliveries",
    access: 'signature',
    headers: {
      'Stripe-Signature': {
        description: 'Of the raw body, by one of STRIPE_WEBHOOK_SECRET, no more than five minutes before or after now',
        schema: { type: 'string' },
        required: true
      }
    },
    body: {
      schema: event,
      example: { id: 'evt_1', object: 'event', type: 'checkout.session.completed', created: 1_795_000_000 }
    },
    answers: {
      200: { description: 'It is stored', body: { schema: received, example: { received: true } } }
    },
    problems: ['invalid_signature', 'invalid_event', 'too_large', 'unsupported_media_type', 'invalid_request']
  }
}

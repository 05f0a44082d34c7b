import { z } from 'zod'
import { claimSchema } from '../routes/guests.js'
import { named } from './components.js'
import type { Operations } from './operation.js'
import { examples, success, time } from './values.js'

const guest = named('GuestAnswer', success(z.object({ userId: z.string(), token: z.string(), expiresAt: time() })))
const claim = named('ClaimRequest', claimSchema)
const claimed = named(
  'ClaimAnswer',
  success(z.object({ orderIds: z.array(z.string()), checkoutIds: z.array(z.string()) }))
)

const tag = 'Guests'
const session = {
  schema: guest,
  example: {
    success: true,
    data: { userId: 'guest_cmwvwdof0mvw2plh6eb0j3ual', token: 'eyJ…', expiresAt: examples.time }
  }
}

export const guestOperations: Operations = {
  'POST /api/guest': {
    id: 'beginGuestSession',
    tag,
    summary: 'Begins a guest session, with GUEST_CHECKOUT=true',
    description:
      'The token is in the answer and in a cookie. A request that has a guest session gets the same guest again.',
    access: 'guest',
    answers: {
      200: {
        description: 'The guest of the request, for longer',
        headers: ['Set-Cookie', 'Cache-Control'],
        body: session
      },
      201: { description: 'A new guest', headers: ['Set-Cookie', 'Cache-Control'], body: session }
    },
    problems: ['not_found']
  },
  'POST /api/guest/claim': {
    id: 'claimGuestSession',
    tag,
    summary: 'Moves what a guest has ordered to the customer',
    access: 'customer',
    body: { schema: claim, example: { token: 'eyJ…' }, required: false },
    answers: {
      200: {
        description: 'What has moved now',
        headers: ['Set-Cookie', 'Cache-Control'],
        body: { schema: claimed, example: { success: true, data: { orderIds: [examples.orderId], checkoutIds: [] } } }
      }
    },
    problems: ['not_found', 'guest_claimed']
  }
}

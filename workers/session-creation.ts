import { createSession } from '../shared/orders/create-session.js'
import type { Job } from './job.js'

/** Creates the Stripe Checkout Session of a verified checkout. */
export const sessionCreation: Job<'session-creation'> = {
  name: 'session-creation',
  handle: (services, { checkoutId }) => createSession(services, checkoutId)
}

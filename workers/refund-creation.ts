import { makeRefund } from '../shared/orders/make-refund.js'
import type { Job } from './job.js'

/** Asks Stripe for a refund that an operator has requested. */
export const refundCreation: Job<'refund-creation'> = {
  name: 'refund-creation',
  handle: (services, { refundId }) => makeRefund(services, refundId)
}

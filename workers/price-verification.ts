import { verifyCheckout } from '../shared/orders/verify-checkout.js'
import type { Job } from './job.js'

/** Checks a cart against the database and reserves its stock; the Session of what is right comes next. */
export const priceVerification: Job<'price-verification'> = {
  name: 'price-verification',
  async handle(services, { checkoutId }) {
    if (await verifyCheckout(services, checkoutId)) await services.queues.enqueue('session-creation', checkoutId)
  }
}

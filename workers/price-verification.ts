import { openSession } from '../shared/orders/create-session.js'
import { verifyCheckout } from '../shared/orders/verify-checkout.js'
import { continueWith } from './continue-with.js'
import type { Job } from './job.js'

/** Checks a cart against the database and reserves its stock; the Session of what is right comes next. */
export const priceVerification: Job<'price-verification'> = {
  name: 'price-verification',
  async handle(services, { checkoutId }) {
    const verified = await verifyCheckout(services, checkoutId)
    if (verified !== undefined)
      await continueWith(services, 'session-creation', checkoutId, () => openSession(services, verified))
  }
}

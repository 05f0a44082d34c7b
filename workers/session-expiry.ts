import { endIfPossible } from '../shared/orders/expire-checkout.js'
import { isPayable } from '../shared/rules/state-groups.js'
import { readCheckout } from '../shared/statements/checkouts.js'
import type { Job } from './job.js'

/** Ends a checkout that was marked (`expireReason`) at Stripe. One without a Session yet waits for it: a next try ends it. */
export const sessionExpiry: Job<'session-expiry'> = {
  name: 'session-expiry',
  async handle(services, { checkoutId }) {
    const checkout = await readCheckout(services.db.pool, checkoutId)
    if (checkout === undefined) throw new Error(`There is no checkout ${checkoutId}`)
    if (isPayable(checkout.status)) await endIfPossible(services, checkout)
  }
}

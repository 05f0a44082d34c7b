import { writeAudit } from '../audit/audit.js'
import { checkoutOutcome, type Refusal } from '../rules/checkout-outcome.js'
import { isPayable } from '../rules/state-groups.js'
import type { Services } from '../runtime/services.js'
import { type CheckoutRow, lockCheckout, markGivenUp, moveCheckout } from '../statements/checkouts.js'
import { cancelOrder } from './advance.js'
import { type Change, inChange, trailOf } from './change.js'
import { cannotEndNow } from './expire-checkout.js'

const REASON = 'given up by the customer'

/** Whose request it is. */
export interface GivingUp {
  requestId: string
  ipAddress: string | null
  userAgent: string | null
}

/**
 * A customer gives a checkout up. One that holds nothing yet is over with the commit. One that can be paid, now or in a
 * moment, is marked, and its job ends it at Stripe: until Stripe says so its stock stays held (docs/golden-rules.md#rule-10).
 * Whatever has ended or is being paid stays as it is. False when the job cannot be enqueued now: the sweep will.
 */
export async function giveUpOwn(services: Services, id: string, by: GivingUp): Promise<boolean> {
  const isDue = await inChange(services, {}, async change => {
    const checkout = await lockCheckout(change.client, id)
    if (checkout === undefined || !isPayable(checkout.status)) return false
    if (checkout.status !== 'RECEIVED') return await mark(change, checkout, by)
    await end(change, checkout, by)
    return false
  })
  // An ended job of this checkout may still be kept: one that Stripe did not end it for, some time ago.
  return !isDue || (await services.queues.offer('session-expiry', id, { again: true }))
}

/** Nothing is reserved for it and there is no Session: nobody has to be asked. Its verification finds it over. */
async function end(change: Change, checkout: CheckoutRow, by: GivingUp): Promise<void> {
  const refusal: Refusal = {
    code: 'checkout_given_up',
    extras: { detail: 'It was given up before there was a page to pay at.' }
  }
  const trail = trailOf(checkout)
  await moveCheckout(change.client, checkout.id, {
    to: 'REJECTED',
    now: change.services.now(),
    refusal,
    outcome: checkoutOutcome({ ...checkout, status: 'REJECTED', refusal }),
    audit: [
      {
        action: 'checkout_given_up',
        status: 'FAILED',
        ...trail,
        ...by,
        before: checkout.status,
        after: 'REJECTED',
        error: REASON
      }
    ]
  })
  if (checkout.ownsOrder && checkout.orderId !== null) await cancelOrder({ ...change, trail }, checkout.orderId, REASON)
}

/** True when its job has something to do: Stripe did not refuse to end it just now. */
async function mark({ client, services }: Change, checkout: CheckoutRow, by: GivingUp): Promise<boolean> {
  const now = services.now()
  if (cannotEndNow(checkout, now)) return false
  await markGivenUp(client, checkout.id, { reason: REASON, now })
  if (checkout.expireReason === null) {
    await writeAudit(client, {
      action: 'checkout_expire_requested',
      status: 'PROCESSING',
      ...trailOf(checkout),
      ...by,
      error: REASON,
      metadata: { because: 'given_up' }
    })
  }
  return true
}

import type Stripe from 'stripe'

/** A call that the pipeline makes, and one that needs the same permission and changes nothing. */
export interface StripeCall {
  /** As the code names it: the resource, and the method where it writes. */
  call: string
  /** What cannot be done without it. */
  for: string
  probe(stripe: Stripe): Promise<unknown>
}

/** Nothing of this name is there. */
const NOTHING = 'tillworks_doctor'

/**
 * All that is asked of Stripe. Reads list one object, with what is expanded where it is read; writes name an object that
 * is not there, or a mode that is none, so that Stripe refuses them after it has looked at the permission.
 */
export const stripeCalls: readonly StripeCall[] = [
  {
    call: 'checkout.sessions.create',
    for: 'to open a checkout',
    probe: stripe => stripe.checkout.sessions.create({ mode: NOTHING as 'payment' })
  },
  {
    call: 'checkout.sessions.expire',
    for: 'to end a checkout',
    probe: stripe => stripe.checkout.sessions.expire(`cs_${NOTHING}`)
  },
  {
    call: 'checkout.sessions',
    for: 'to see how a checkout ended',
    probe: stripe => stripe.checkout.sessions.list({ limit: 1, expand: ['data.payment_intent'] })
  },
  {
    call: 'paymentIntents.capture',
    for: 'to capture an authorization',
    probe: stripe => stripe.paymentIntents.capture(`pi_${NOTHING}`)
  },
  {
    call: 'paymentIntents.cancel',
    for: 'to give an authorization back',
    probe: stripe => stripe.paymentIntents.cancel(`pi_${NOTHING}`)
  },
  {
    call: 'paymentIntents',
    for: 'to see what was captured',
    probe: stripe =>
      stripe.paymentIntents.list({ limit: 1, expand: ['data.latest_charge', 'data.latest_charge.balance_transaction'] })
  },
  { call: 'charges', for: 'to read a charge', probe: stripe => stripe.charges.list({ limit: 1 }) },
  {
    call: 'refunds.create',
    for: 'to refund',
    probe: stripe => stripe.refunds.create({ payment_intent: `pi_${NOTHING}` })
  },
  {
    call: 'refunds',
    for: 'to see how a refund ended',
    probe: stripe => stripe.refunds.list({ limit: 1, expand: ['data.balance_transaction', 'data.payment_intent'] })
  },
  {
    call: 'disputes',
    for: 'to find disputes after a restore',
    probe: stripe => stripe.disputes.list({ limit: 1, expand: ['data.payment_intent'] })
  },
  {
    call: 'balanceTransactions',
    for: 'to book fees',
    probe: stripe => stripe.balanceTransactions.list({ limit: 1, expand: ['data.source'] })
  },
  {
    call: 'events',
    for: 'to find what was not delivered',
    probe: stripe => stripe.events.list({ limit: 1, delivery_success: false })
  }
]

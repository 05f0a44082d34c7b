import type Stripe from 'stripe'
import type { PaymentStatus } from '../../rules/transitions.js'
import { recordPayment } from '../../statements/payments.js'
import { amountOf, currencyOf, type EventContext, idOf, type OwnCheckout } from './context.js'

/** What of a PaymentIntent is recorded. */
export type IntentFacts = Pick<
  Stripe.PaymentIntent,
  'id' | 'status' | 'amount' | 'amount_received' | 'currency' | 'latest_charge'
>

/** Records what a PaymentIntent tells of a checkout's payment. Returns whether the order can follow. */
export async function recordIntent(
  { client, services }: Pick<EventContext, 'client' | 'services'>,
  checkout: OwnCheckout,
  intent: IntentFacts,
  status: PaymentStatus
): Promise<boolean> {
  // Before that its latest charge may be one that is declined.
  const hasCharge = status === 'SUCCEEDED' || status === 'AUTHORIZED'
  const { changed } = await recordPayment(client, {
    teller: 'intent',
    paymentIntentId: intent.id,
    orderId: checkout.orderId,
    checkoutId: checkout.id,
    status,
    amount: amountOf(intent.amount, 'amount'),
    currency: currencyOf(intent.currency),
    ...(status === 'SUCCEEDED' ? { captured: amountOf(intent.amount_received, 'amount_received') } : {}),
    ...(hasCharge ? { chargeId: idOf(intent.latest_charge, 'latest_charge') } : {}),
    now: services.now()
  })
  return changed
}

/** https://docs.stripe.com/payments/paymentintents/lifecycle; what has not come so far is PENDING. */
export function intentStatus({ status }: IntentFacts): PaymentStatus {
  switch (status) {
    case 'succeeded':
      return 'SUCCEEDED'
    case 'requires_capture':
      return 'AUTHORIZED'
    case 'processing':
      return 'PROCESSING'
    case 'canceled':
      return 'CANCELLED'
    default:
      return 'PENDING'
  }
}

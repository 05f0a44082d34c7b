import { writeAudit } from '../audit/audit.js'
import { Refused } from '../refused.js'
import type { Services } from '../runtime/services.js'
import { isUnknownToStripe } from '../runtime/stripe-client.js'
import { type CheckoutRow, lockCheckout, moveCheckout } from '../statements/checkouts.js'
import { abandonPayments, findPaymentsOf } from '../statements/payments.js'
import { advanceOrder } from './advance.js'
import { inChange, trailOf } from './change.js'

export interface ByOperator {
  operator: string
  reason: string
}

/** Ends a checkout by a person's word that Stripe does not know its Session. Throws Refused when Stripe does. */
export async function giveUpUnknown(services: Services, open: CheckoutRow, by: ByOperator): Promise<void> {
  await refuseIfKnown(services, open)
  await release(services, open, by)
}

async function refuseIfKnown({ stripe, db }: Services, { id, orderId, sessionId }: CheckoutRow): Promise<void> {
  if (sessionId === null)
    throw new Refused(
      'session_not_created_yet',
      'The Session of this checkout is still being created. Run the command again in a moment.'
    )
  const session = await unlessUnknown(stripe.checkout.sessions.retrieve(sessionId))
  if (session?.status === 'complete') {
    throw new Refused(
      'session_known_at_stripe',
      `Stripe knows ${sessionId}: the customer has submitted it, and its payment is ${session.payment_status}. What becomes of it comes as events; npm run ops -- reconcile asks for them.`
    )
  }
  if (session !== undefined) {
    throw new Refused(
      'session_known_at_stripe',
      `Stripe knows ${sessionId}: it is ${session.status}. Run the command without --unknown-to-stripe.`
    )
  }
  const payments = (await findPaymentsOf(db.pool, orderId ?? '')).filter(each => each.checkoutId === id)
  for (const { paymentIntentId } of payments.filter(each => each.paymentIntentId.startsWith('pi_'))) {
    const intent = await unlessUnknown(stripe.paymentIntents.retrieve(paymentIntentId))
    if (intent === undefined) continue
    throw new Refused(
      'payment_known_at_stripe',
      `Stripe does not know ${sessionId}, but knows its payment ${paymentIntentId}: it is ${intent.status}. End that first, in the Stripe dashboard or with npm run ops -- order cancel ${orderId}.`
    )
  }
}

async function unlessUnknown<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (isUnknownToStripe(error)) return undefined
    throw error
  }
}

/**
 * What nobody can pay any more gives its stock back, by a person's word. Should that be wrong (the key was of another
 * account), money that comes through it later is a payment for review.
 */
async function release(services: Services, open: CheckoutRow, by: ByOperator): Promise<void> {
  const { operator, reason } = by
  const now = services.now()
  const trail = trailOf(open)
  await inChange(services, trail, async change => {
    const { client } = change
    const current = await lockCheckout(client, open.id)
    const moved = await moveCheckout(client, open.id, {
      to: 'EXPIRED',
      byOperator: true,
      now,
      audit: [
        {
          action: 'checkout_expired',
          status: 'FAILED',
          ...trail,
          before: current?.status,
          after: 'EXPIRED',
          error: reason,
          metadata: { operator, unknownToStripe: true }
        }
      ]
    })
    if (!moved) throw new Refused('changed_meanwhile', `The checkout is ${current?.status} by now.`)
    for (const payment of await abandonPayments(client, open.id, now)) {
      await writeAudit(client, {
        action: 'payment_abandoned',
        status: 'FAILED',
        ...trail,
        amount: payment.amount,
        currency: payment.currency,
        after: 'CANCELLED',
        error: reason,
        metadata: { paymentIntentId: payment.paymentIntentId, operator }
      })
    }
    if (open.orderId !== null) await advanceOrder({ ...change, reason }, open.orderId)
  })
}

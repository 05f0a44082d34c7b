import { Refused } from '../refused.js'
import type { Services } from '../runtime/services.js'
import { keyOfEnd } from '../runtime/stripe-client.js'
import type { PaymentRow } from '../statements/payments.js'
import { applyIntent, findAuthorized, noteOperator, type OperatorInput, theOne } from './operator-request.js'

/**
 * Captures an authorized payment of an order at Stripe, whole or `amount` of it (minor units), and applies the answer.
 * Returns its PaymentIntent's id. Throws Refused when nothing, or less, can be captured.
 */
export async function capturePayment(services: Services, input: OperatorInput & { amount?: number }): Promise<string> {
  const payment = await capturable(services, input)
  // What can be captured is what Stripe holds, not what we remember.
  const authorized = await services.stripe.paymentIntents.retrieve(payment.paymentIntentId)
  if (authorized.status !== 'requires_capture') {
    await applyIntent(services, authorized, input.operator)
    throw new Refused(
      'not_capturable',
      `Nothing of ${authorized.id} can be captured: at Stripe it is ${authorized.status}.`
    )
  }
  const amount = input.amount ?? authorized.amount_capturable
  if (amount > authorized.amount_capturable)
    throw new Refused('unclear_input', 'More than was authorized cannot be captured.')
  await noteOperator(services, payment, { action: 'order_capture_requested', amount, input })
  const intent = await services.stripe.paymentIntents.capture(
    payment.paymentIntentId,
    { amount_to_capture: amount },
    { idempotencyKey: keyOfEnd(`${payment.paymentIntentId}-capture-${amount}`, services.now()) }
  )
  await applyIntent(services, intent, input.operator)
  return intent.id
}

async function capturable(services: Services, input: OperatorInput): Promise<PaymentRow> {
  const authorized = await findAuthorized(services, input)
  const isInReview = (each: PaymentRow) => each.reviewReason !== null && each.acceptedAt === null
  const payment = theOne(authorized.filter(each => !isInReview(each)))
  if (payment !== undefined) return payment
  const [reviewed] = authorized
  if (reviewed === undefined)
    throw new Refused('not_capturable', `Order ${input.orderId} has no authorization that could be captured.`)
  const { paymentIntentId: name, reviewReason } = reviewed
  throw new Refused('payment_in_review', `${name} is in review: ${reviewReason}. Accept it first, or cancel it.`)
}

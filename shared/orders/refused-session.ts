import Stripe from 'stripe'
import { alertOnce } from '../audit/alerts.js'
import { messageOf } from '../errors.js'
import { maskQuoted } from '../identity/masking.js'
import { minor, toDecimalString } from '../money.js'
import { checkoutOutcome, type Refusal } from '../rules/checkout-outcome.js'
import type { Services } from '../runtime/services.js'
import { lockCheckout, moveCheckout } from '../statements/checkouts.js'
import { advanceOrder, cancelOrder } from './advance.js'
import { inChange, trailOf } from './change.js'
import type { VerifiedCheckout } from './verified-checkout.js'

/** Stripe has refused for good: the Session was never created, so the stock goes back. */
export async function failCheckout(services: Services, checkout: VerifiedCheckout, error: unknown): Promise<void> {
  const now = services.now()
  const refusal = isAmountRefused(error) ? amountRefused(checkout) : serviceRefused
  const trail = trailOf(checkout)
  const said = maskQuoted(messageOf(error), customersIn(checkout.sessionParams))
  await inChange(services, trail, async change => {
    const { client } = change
    const current = await lockCheckout(client, checkout.id)
    if (current?.status !== 'VERIFIED') return
    await moveCheckout(client, checkout.id, {
      to: 'FAILED',
      now,
      refusal,
      outcome: checkoutOutcome({ ...checkout, status: 'FAILED', refusal }),
      audit: [
        {
          action: 'checkout_session_refused',
          status: 'FAILED',
          ...trail,
          amount: checkout.amount,
          currency: checkout.currency,
          before: 'VERIFIED',
          after: 'FAILED',
          error: said
        }
      ]
    })
    if (checkout.ownsOrder) await cancelOrder(change, checkout.orderId, 'Stripe refused its Session')
    else await advanceOrder(change, checkout.orderId)
    if (isAmountRefused(error)) return
    await alertOnce(client, services.log, 'session_refused', {
      ...trail,
      subject: refusedFor(error),
      reason: said
    })
  })
}

/** What the call has sent that the customer has given, of which Stripe's message may quote anything. */
function customersIn(params: VerifiedCheckout['sessionParams']): unknown {
  const { receipt_email, shipping } = params?.payment_intent_data ?? {}
  return [
    params?.customer_email,
    receipt_email,
    shipping && { ...shipping, address: { ...shipping.address, country: undefined } },
    params?.line_items?.map(line => line.price_data?.product_data?.description)
  ]
}

/** What Stripe refuses in words that are the same for every checkout. https://docs.stripe.com/api/errors */
function refusedFor(error: unknown): string {
  if (!(error instanceof Stripe.errors.StripeError)) return 'unknown'
  const { code, type, param } = error
  return [code ?? type, ...(param === undefined ? [] : [param])].join(' ')
}

const serviceRefused: Refusal = {
  code: 'payment_service',
  extras: { detail: 'The payment provider did not accept this checkout. Nothing was charged; try again later.' }
}

/**
 * What only Stripe can tell: the least of the account's own currency, into which a charge is converted, or a limit of a card network
 * (https://docs.stripe.com/error-codes#amount-too-small).
 */
function isAmountRefused(error: unknown): boolean {
  return (
    error instanceof Stripe.errors.StripeError && ['amount_too_small', 'amount_too_large'].includes(error.code ?? '')
  )
}

function amountRefused({ amount, currency }: VerifiedCheckout): Refusal {
  const total = `${toDecimalString(minor(amount), currency)} ${currency}`
  const detail = `The payment provider does not charge ${total}. Nothing was charged; change the cart.`
  return { code: 'amount_refused', extras: { detail } }
}

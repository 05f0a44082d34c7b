import type Stripe from 'stripe'
import type { Config } from '../config/config.js'
import { SECOND } from '../duration.js'
import { TerminalError } from '../errors.js'
import { optionsText } from '../rules/line-options.js'
import { type OrderLine, subtotalOf } from '../rules/order-line.js'
import { INSTALLATION } from '../rules/ownership.js'
import { type PostalAddress, stripeShipping } from '../rules/postal-address.js'
import { mailableAtStripe } from '../rules/stripe-email.js'
import {
  asciiUrl,
  fitting,
  fittingMetadata,
  imageUrl,
  productName,
  stripeLimits,
  successUrl
} from '../rules/stripe-limits.js'
import { pageOptions } from './page-options.js'
import type { VerifiedCheckout } from './verified-checkout.js'

/**
 * The customer's bank has to authenticate (https://docs.stripe.com/payments/3d-secure/authentication-flow#manual-three-ds).
 * Only cards are asked to, so that nothing else is offered: no debits, and no Link, which keeps cards of its own.
 */
const challenge = {
  payment_method_options: { card: { request_three_d_secure: 'any' } },
  allowed_payment_method_types: ['card'],
  wallet_options: { link: { display: 'never' } }
} satisfies Partial<Stripe.Checkout.SessionCreateParams>

/**
 * What Stripe is told to charge: the verified lines and the delivery, never what the client sent. It is made once and kept
 * with the checkout, so that every try sends the same under the same idempotency key, whatever the settings are by then.
 */
export function sessionParams(
  config: Config,
  installation: string,
  checkout: VerifiedCheckout,
  lines: OrderLine[],
  address: PostalAddress | null
): Stripe.Checkout.SessionCreateParams {
  const shipTo = address === null ? undefined : stripeShipping(address)
  const currency = checkout.currency.toLowerCase()
  const email = mailableAtStripe(checkout.email)
  const { payment } = config
  const shipping = checkout.amount - (subtotalOf(lines) ?? Number.POSITIVE_INFINITY)
  if (shipping < 0) throw new TerminalError(`The total of checkout ${checkout.id} is less than the sum of its lines`)
  const metadata = fittingMetadata({
    [INSTALLATION]: installation,
    userId: checkout.userId,
    orderId: checkout.orderId,
    checkoutId: checkout.id,
    requestId: checkout.requestId
  })
  return {
    mode: 'payment',
    client_reference_id: checkout.id,
    ...(email === undefined ? {} : { customer_email: email }),
    metadata,
    line_items: lines.map(line => ({
      quantity: line.quantity,
      price_data: {
        currency,
        unit_amount: line.unitPrice,
        ...(payment.automaticTax ? { tax_behavior: payment.taxBehavior } : {}),
        product_data: productData(line, installation, payment.successUrl)
      }
    })),
    ...(shipping > 0
      ? {
          shipping_options: [
            {
              shipping_rate_data: {
                type: 'fixed_amount',
                display_name: 'Delivery',
                fixed_amount: { amount: shipping, currency },
                ...(payment.automaticTax ? { tax_behavior: payment.taxBehavior } : {})
              }
            }
          ]
        }
      : {}),
    // Said in words, because an account can have them on by default.
    adaptive_pricing: { enabled: payment.adaptivePricing },
    ...(payment.automaticTax ? { automatic_tax: { enabled: true } } : {}),
    ...(payment.promotionCodes ? { allow_promotion_codes: true } : {}),
    ...pageOptions(config.paymentPage, checkout.cart.locale),
    ...(checkout.risk === 'CHALLENGE' ? challenge : {}),
    payment_intent_data: {
      metadata,
      capture_method: payment.captureMethod,
      ...(config.paymentPage.receiptEmail && email !== undefined ? { receipt_email: email } : {}),
      // Beside it Stripe refuses shipping_address_collection, which is never asked for.
      ...(shipTo === undefined ? {} : { shipping: shipTo }),
      // Cards take the suffix only: https://docs.stripe.com/get-started/account/statement-descriptors
      ...(payment.statementDescriptor ? { statement_descriptor_suffix: payment.statementDescriptor } : {})
    },
    expires_at: Math.floor(checkout.sessionExpiresAt.getTime() / SECOND),
    success_url: successUrl(payment.successUrl),
    cancel_url: asciiUrl(payment.cancelUrl)
  }
}

/** The same call without the customer's e-mail, which stands in two places; undefined when it names none. */
export function withoutEmail(
  params: Stripe.Checkout.SessionCreateParams
): Stripe.Checkout.SessionCreateParams | undefined {
  const { customer_email, payment_intent_data, ...rest } = params
  const { receipt_email, ...payment } = payment_intent_data ?? {}
  if (customer_email === undefined && receipt_email === undefined) return undefined
  return { ...rest, ...(payment_intent_data && { payment_intent_data: payment }) }
}

/** What stands below a line's name: what the customer chose, then what the product is. */
function shown({ options, description }: OrderLine): string {
  return [options ? optionsText(options) : '', description ?? ''].filter(part => part !== '').join(' · ')
}

/** What the payment page shows of a line; an image's path is one of the storefront's. */
function productData(
  line: OrderLine,
  installation: string,
  storefront: string
): Stripe.Checkout.SessionCreateParams.LineItem.PriceData.ProductData {
  const description = fitting(shown(line), stripeLimits.productDescription)
  const image = imageUrl(line.image, storefront)
  return {
    name: productName(line.name, line.productId),
    metadata: fittingMetadata({ [INSTALLATION]: installation, productId: line.productId }),
    ...(description === undefined ? {} : { description }),
    ...(image === undefined ? {} : { images: [image] })
  }
}

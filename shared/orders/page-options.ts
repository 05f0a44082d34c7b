import type Stripe from 'stripe'
import type { PaymentPage } from '../config/groups/payment-page.js'
import { pageLocale } from '../rules/page-locale.js'

/** What the payment page asks and shows: settings, and the language that the checkout names, if Stripe has it. */
export function pageOptions(
  page: PaymentPage,
  locale: string | undefined
): Partial<Stripe.Checkout.SessionCreateParams> {
  const language = (locale === undefined ? undefined : pageLocale(locale)) ?? page.locale
  return {
    ...(language === 'auto' ? {} : { locale: language }),
    ...(page.phoneNumber ? { phone_number_collection: { enabled: true } } : {}),
    ...(page.billingAddress === 'auto' ? {} : { billing_address_collection: page.billingAddress }),
    ...(page.taxId === 'never'
      ? {}
      : { tax_id_collection: { enabled: true, required: page.taxId === 'required' ? 'if_supported' : 'never' } }),
    ...(page.invoice ? { invoice_creation: { enabled: true } } : {}),
    ...(page.customer === 'if_required' ? {} : { customer_creation: page.customer }),
    ...(page.termsOfService ? { consent_collection: { terms_of_service: 'required' } } : {})
  }
}

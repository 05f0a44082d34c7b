import { pageLocales } from '../../rules/page-locale.js'
import { type Group, setting, type ValuesOf } from '../setting.js'
import { choice, flag } from '../value-types.js'

/** What Stripe's page asks and shows; docs/checkout-options.md has Stripe's page of each. */
export const paymentPage = {
  title: 'Payment page',
  settings: {
    locale: setting('CHECKOUT_LOCALE', choice(pageLocales), {
      default: 'auto',
      doc: "the page's language where a checkout names none; `auto`: the browser's"
    }),
    phoneNumber: setting('CHECKOUT_PHONE_NUMBER', flag, { default: 'false', doc: 'asks for a telephone number' }),
    billingAddress: setting('CHECKOUT_BILLING_ADDRESS', choice(['auto', 'required']), {
      default: 'auto',
      doc: '`required`: asks everybody for a billing address'
    }),
    taxId: setting('CHECKOUT_TAX_ID', choice(['never', 'optional', 'required']), {
      default: 'never',
      doc: 'asks companies for their tax id; `required`: in countries where Stripe can check it'
    }),
    invoice: setting('CHECKOUT_INVOICE', flag, {
      default: 'false',
      doc: 'Stripe makes a paid invoice; not with `PAYMENT_CAPTURE_METHOD=manual`'
    }),
    customer: setting('CHECKOUT_CUSTOMER', choice(['if_required', 'always']), {
      default: 'if_required',
      doc: '`always`: Stripe keeps a Customer of every buyer'
    }),
    receiptEmail: setting('CHECKOUT_RECEIPT_EMAIL', flag, {
      default: 'false',
      doc: "Stripe sends a receipt to the customer's e-mail, in live mode"
    }),
    termsOfService: setting('CHECKOUT_TERMS_OF_SERVICE', flag, {
      default: 'false',
      doc: 'the customer has to accept your terms; their URL has to stand in the public details of your Stripe account, else no Session is made'
    })
  }
} satisfies Group

export type PaymentPage = ValuesOf<typeof paymentPage>

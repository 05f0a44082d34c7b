import { isSupportedCurrency } from '../../money.js'
import { descriptorSuffix, isReturnUrl } from '../../rules/stripe-limits.js'
import { inCurrencies } from '../amounts.js'
import { type Group, optional, required, setting, type ValuesOf } from '../setting.js'
import { amounts, choice, flag, integer, list, only, partsOf, text, type ValueType, web } from '../value-types.js'

const anyText = text('a currency that Stripe supports, such as EUR')
const currency: ValueType<string> = {
  takes: anyText.takes,
  schema: anyText.schema.transform(code => code.toUpperCase()).refine(isSupportedCurrency, `expected ${anyText.takes}`)
}
const someCurrencies = list(
  'different currencies that Stripe supports, such as EUR,CHF',
  codes =>
    codes.length > 0 && upperCase(codes).every(isSupportedCurrency) && new Set(upperCase(codes)).size === codes.length
)
const currencies: ValueType<string[]> = {
  takes: someCurrencies.takes,
  schema: someCurrencies.schema.transform(upperCase)
}
const statementDescriptor = text(descriptorSuffix.takes, descriptorSuffix.isTaken)

/** Where Stripe sends the customer. */
function returnUrl(example: string): ValueType<string> {
  const { takes, schema } = web(example)
  const withLength = `${takes}, which Stripe takes: at most 5000 characters, the Session's id included`
  return { takes, schema: schema.refine(isReturnUrl, `expected ${withLength}`) }
}

export const payment = {
  title: 'Payment',
  settings: {
    currency: setting('PAYMENT_CURRENCY', currency, { default: 'EUR', doc: "the shop's currency" }),
    currencies: optional('PAYMENT_CURRENCIES', currencies, {
      doc: 'all currencies that the shop sells in; `PAYMENT_CURRENCY` is always among them. An amount in a setting is of each that it does not name'
    }),
    minAmount: setting('PAYMENT_MIN_AMOUNT', amounts, { default: '0.50', doc: 'the least that a total may be' }),
    maxAmount: setting('PAYMENT_MAX_AMOUNT', amounts, { default: '99999.99', doc: 'the most that a total may be' }),
    successUrl: required('PAYMENT_SUCCESS_URL', returnUrl('https://shop.example/checkout/success'), {
      doc: 'where the customer comes back to, having paid',
      npmStart: "the demo storefront's",
      example: 'https://shop.example/checkout/success'
    }),
    cancelUrl: required('PAYMENT_CANCEL_URL', returnUrl('https://shop.example/cart'), {
      doc: 'where the customer comes back to, not having paid',
      npmStart: "the demo storefront's",
      example: 'https://shop.example/cart'
    }),
    statementDescriptor: optional('PAYMENT_STATEMENT_DESCRIPTOR', statementDescriptor, {
      doc: "suffix on the customer's statement",
      npmStart: { value: 'TILLWORKS' }
    }),
    captureMethod: setting('PAYMENT_CAPTURE_METHOD', choice(['automatic', 'manual']), {
      default: 'automatic',
      doc: '`manual` authorizes only: the order becomes AUTHORIZED'
    }),
    promotionCodes: setting('PAYMENT_PROMOTION_CODES', flag, {
      default: 'false',
      doc: 'Checkout takes promotion codes; without it a discount sends an order to review',
      npmStart: { value: 'true' }
    }),
    automaticTax: setting('PAYMENT_AUTOMATIC_TAX', flag, {
      default: 'false',
      doc: 'Stripe Tax; without it a tax sends an order to review'
    }),
    taxBehavior: setting('PAYMENT_TAX_BEHAVIOR', choice(['exclusive', 'inclusive']), {
      default: 'exclusive',
      doc: 'whether Stripe Tax comes on top of (`exclusive`) or is within (`inclusive`) your prices'
    }),
    adaptivePricing: setting('PAYMENT_ADAPTIVE_PRICING', flag, {
      default: 'false',
      doc: "Stripe may show prices in the customer's currency; what it has to come to in yours is compared"
    }),
    sessionMinutes: setting('CHECKOUT_SESSION_MINUTES', integer(40, 1_440), {
      default: '60',
      doc: 'how long a Session can be paid; never more than ten minutes short of a day, since clocks differ and Stripe takes no more than a day'
    }),
    waitMs: setting('CHECKOUT_WAIT_MS', integer(0, 30_000), {
      default: '5000',
      doc: 'how long a checkout request waits for its outcome, in milliseconds'
    })
  },
  checked: [
    setting('PAYMENT_CONFIRMATION_METHOD', only('automatic', 'a Stripe Checkout Session confirms its own payment'), {
      default: 'automatic',
      doc: '`manual` is refused: Checkout confirms by itself'
    })
  ]
} satisfies Group

/** In minutes. Stripe takes a day at most, by its own clock: https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-expires_at */
const LONGEST_SESSION = 24 * 60 - 10

export function readPayment(values: ValuesOf<typeof payment>) {
  const { settings } = payment
  const currencies = soldIn(values.currency, values.currencies)
  return {
    ...values,
    sessionMinutes: Math.min(values.sessionMinutes, LONGEST_SESSION),
    currencies,
    minAmount: inCurrencies(values.minAmount, currencies, settings.minAmount.default),
    maxAmount: inCurrencies(values.maxAmount, currencies, settings.maxAmount.default)
  }
}

/** As the environment has them, whether they are right or not. */
export function currenciesOf(env: Record<string, string | undefined>): string[] {
  const { currency, currencies } = payment.settings
  const [own = ''] = upperCase([env[currency.variable] ?? currency.default])
  return soldIn(own, upperCase(partsOf(env[currencies.variable] ?? '')))
}

function soldIn(own: string, all: string[] = []): string[] {
  return [own, ...all.filter(code => code !== own)]
}

function upperCase(codes: string[]): string[] {
  return codes.map(code => code.toUpperCase())
}

import { z } from 'zod'
import type { Config } from '../shared/config/config.js'
import { isStorable } from '../shared/database/storable.js'
import { CARD_NUMBER, containsCardNumber } from '../shared/identity/card-numbers.js'
import { minor, priceDecimals, toMajorUnits, toMinorUnits } from '../shared/money.js'
import { needsPostalCode } from '../shared/rules/countries.js'
import { keyOf, type OrderLine } from '../shared/rules/order-line.js'
import { isLanguageTag } from '../shared/rules/page-locale.js'
import { type ProductIdFormat, readProductId } from '../shared/rules/product-id.js'
import type { SaleTerms } from '../shared/rules/sale-terms.js'
import { optionsSchema } from './options-schema.js'
import { shopMetadata } from './shop-metadata.js'
import { soldCurrency } from './sold-currency.js'

// The limits and messages that storefronts rely on (docs/api.md). Unknown fields are refused everywhere.

const ID = /^[cC][0-9A-Za-z]{8,63}$/

export function isId(text: string): boolean {
  return ID.test(text)
}

/** Text that PostgreSQL can store and that means one thing: no NUL, no half of a surrogate pair. */
const anyText = () => z.string().refine(isStorable, 'Invalid characters')

const text = () => anyText().refine(value => !containsCardNumber(value), CARD_NUMBER)

const id = (message: string) => z.string(message).regex(ID, message)

const productId = (format: ProductIdFormat) =>
  z.string('Invalid product ID').transform((text, context) => {
    const id = readProductId(text, format)
    if (id !== undefined) return id
    context.addIssue({ code: 'custom', message: 'Invalid product ID' })
    return z.NEVER
  })

/** A price in major units with no more decimals than the currency has, and no higher than a total may be. */
const price = ({ currency, maxAmount }: SaleTerms) =>
  z
    .number('Price must be a number')
    .positive('Price must be positive')
    .max(toMajorUnits(maxAmount, currency), 'Price too high')
    .refine(
      value => toMinorUnits(value, currency) !== undefined,
      `Price must have max ${priceDecimals(currency)} decimals`
    )
    // What JavaScript added up is kept, and hashed into the idempotency key, as what it means.
    .transform(value => meant(value, currency))

const meant = (value: number, currency: string) => toMajorUnits(toMinorUnits(value, currency) ?? minor(0), currency)

const isWebUrl = (value: string) => URL.canParse(value) && ['http:', 'https:'].includes(new URL(value).protocol)

/** What the shop's settings say of a cart: the terms of the currency that it is in, and the currencies that it may name. */
interface CartRules extends SaleTerms {
  currencies: readonly string[]
  productIdFormat: ProductIdFormat
  /** Where an order can go. */
  countries: readonly string[]
}

/** The rules of a request whose currency has these terms. */
export function cartRules({ payment, catalogue, shipping }: Config, terms: SaleTerms): CartRules {
  const { productIdFormat } = catalogue
  return { ...terms, currencies: payment.currencies, productIdFormat, countries: shipping.countries }
}

function lineItem(rules: CartRules) {
  return z.strictObject({
    productId: productId(rules.productIdFormat),
    // What looks like a card number in these is compared with the catalogue: refuseCardNumbers.
    name: anyText().min(1, 'Product name required').max(255, 'Name too long'),
    description: anyText().max(500, 'Description too long').optional(),
    image: anyText()
      .max(2_048, 'Image address too long')
      .refine(value => value.startsWith('/') || isWebUrl(value), 'Invalid image URL or path')
      .optional(),
    price: price(rules),
    quantity: z
      .number('Quantity must be a number')
      .int('Quantity must be whole number')
      .min(1, 'Quantity must be at least 1')
      .max(1_000, 'Quantity too high'),
    options: optionsSchema(text)
  })
}

type WithOptions = Pick<OrderLine, 'productId' | 'options'>

/** A product may stand in a cart once with the same options: two lines of it could each be in stock and both together not. */
function withoutDuplicates(items: WithOptions[], context: z.core.$RefinementCtx<WithOptions[]>): void {
  const seen = new Set<string>()
  items.forEach((item, index) => {
    if (seen.has(keyOf(item))) {
      context.addIssue({
        code: 'custom',
        path: [index, 'productId'],
        message: 'Duplicate product: put the quantity on one line'
      })
    }
    seen.add(keyOf(item))
  })
}

const items = (rules: CartRules) =>
  z
    .array(lineItem(rules), 'Items must be a list')
    .min(1, 'At least one item required')
    .max(100, 'Too many items')
    .superRefine(withoutDuplicates)

const locale = z
  .string('Locale must be a language tag such as fr or fr-FR')
  .max(35, 'Locale too long')
  .refine(isLanguageTag, 'Locale must be a language tag such as fr or fr-FR')

export function checkoutRequestSchema(rules: CartRules) {
  return z.strictObject(
    {
      items: items(rules),
      currency: soldCurrency(rules.currencies).optional(),
      orderId: id('Invalid order ID').optional(),
      locale: locale.optional(),
      metadata: shopMetadata.optional()
    },
    bodyMessage
  )
}

function addressSchema(countries: readonly string[]) {
  return z
    .strictObject({
      firstName: text().min(1, 'First name required').max(100, 'First name too long'),
      lastName: text().min(1, 'Last name required').max(100, 'Last name too long'),
      email: z.email('Invalid e-mail address').max(255, 'E-mail address too long'),
      phone: text().min(1, 'Phone must not be empty').max(50, 'Phone too long').optional(),
      street: text().min(1, 'Street required').max(255, 'Street too long'),
      apartment: text().max(100, 'Apartment too long').optional(),
      city: text().min(1, 'City required').max(100, 'City too long'),
      state: text().min(1, 'State must not be empty').max(100, 'State too long').optional(),
      postalCode: text().max(20, 'Postal code too long').optional(),
      country: z.enum(countries, `Country must be ${oneOf(countries)}`)
    })
    .superRefine(({ postalCode = '', country }, context) => {
      if (postalCode === '' && needsPostalCode(country))
        context.addIssue({ code: 'custom', path: ['postalCode'], message: 'Postal code required' })
    })
}

function oneOf(values: readonly string[]): string {
  return values.length === 1 ? `${values[0]}` : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`
}

export function orderRequestSchema(rules: CartRules) {
  const { currency } = rules
  const inMeaning = (value: number) => meant(value, currency)
  const amount = (message: string) =>
    z
      .number(message)
      .refine(value => toMinorUnits(value, currency) !== undefined, `Must have max ${priceDecimals(currency)} decimals`)
  return z.strictObject(
    {
      items: items(rules),
      currency: soldCurrency(rules.currencies).optional(),
      metadata: shopMetadata.optional(),
      address: addressSchema(rules.countries),
      paymentMethod: z.literal('stripe', 'Payment method must be stripe').default('stripe'),
      subtotal: amount('Subtotal must be a number').positive('Subtotal must be positive').transform(inMeaning),
      shipping: amount('Shipping must be a number').min(0, 'Shipping must not be negative').transform(inMeaning)
    },
    bodyMessage
  )
}

const bodyMessage = {
  error: (issue: { code?: string }) => (issue.code === 'invalid_type' ? 'The body must be a JSON object' : undefined)
}

/** The schemas of the requests in a currency. Each is made once: making one costs more than reading a request by it. */
export function requestSchemas(config: Config) {
  const made = new Map<string, ReturnType<typeof make>>()
  const make = (terms: SaleTerms) => {
    const rules = cartRules(config, terms)
    return { checkout: checkoutRequestSchema(rules), order: orderRequestSchema(rules) }
  }
  return (terms: SaleTerms) => {
    const schemas = made.get(terms.currency) ?? make(terms)
    made.set(terms.currency, schemas)
    return schemas
  }
}

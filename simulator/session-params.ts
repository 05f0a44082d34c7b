import type Stripe from 'stripe'
import { type Account, seconds } from './account.js'
import { greatestCharge, isTaken, smallestCharge, takenCurrencies, written } from './currencies.js'
import { isEmail } from './email.js'
import { invalidRequest, missing } from './errors.js'
import { stripeId } from './ids.js'
import type { Params } from './params.js'
import type { StoredIntentData, Tables } from './store.js'

const NOT_SIMULATED = [
  'after_expiration',
  'branding_settings',
  'custom_fields',
  'custom_text',
  'customer',
  'customer_account',
  'customer_update',
  'discounts',
  'excluded_payment_method_types',
  'managed_payments',
  'name_collection',
  'optional_items',
  'origin_context',
  'payment_method_configuration',
  'payment_method_data',
  'permissions',
  'redirect_on_completion',
  'return_url',
  'saved_payment_method_options',
  'setup_intent_data',
  'subscription_data'
]

/** https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-locale */
const LOCALES =
  `auto bg cs da de el en en-GB es es-419 et fi fil fr fr-CA hi-IN hr hu id it ja ko lt lv ms mt nb nl pl pt pt-BR ro ru sk sl sv th tr vi zh zh-HK zh-TW`.split(
    ' '
  )

export interface SessionRequest {
  lineItems: Stripe.LineItem[]
  currency: string
  subtotal: number
  shipping: { rate: Stripe.ShippingRate; amount: number } | undefined
  successUrl: string
  cancelUrl: string | null
  expiresAt: number
  clientReferenceId: string | null
  customerEmail: string | null
  metadata: Record<string, string>
  locale: string | null
  taxIds: Stripe.Checkout.Session.TaxIdCollection
  termsOfService: string | null
  invoice: boolean
  submitType: string | null
  allowPromotionCodes: boolean | null
  billingAddressCollection: string | null
  customerCreation: string | null
  phoneNumberCollection: boolean
  adaptivePricing: boolean
  automaticTax: boolean
  threeDSecure: 'automatic' | 'any' | 'challenge'
  shippingCountries: string[] | undefined
  /** What the shop allows of the eligible methods; undefined for all. */
  allowedTypes: string[] | undefined
  methodTypes: string[]
  linkDisplay: string | undefined
  intent: StoredIntentData
}

/** Reads POST /v1/checkout/sessions: https://docs.stripe.com/api/checkout/sessions/create */
export function readSessionRequest(account: Account, params: Params): SessionRequest {
  const mode = params.requiredString('mode', { oneOf: ['payment', 'setup', 'subscription'] })
  if (mode !== 'payment')
    throw invalidRequest(`The local Stripe simulator supports mode payment only, not ${mode}.`, { param: 'mode' })
  const uiMode = params.string('ui_mode', { oneOf: ['elements', 'embedded_page', 'form', 'hosted_page'] })
  if (uiMode !== undefined && uiMode !== 'hosted_page') {
    throw invalidRequest(`The local Stripe simulator supports ui_mode hosted_page only, not ${uiMode}.`, {
      param: 'ui_mode'
    })
  }
  params.notSimulated(...NOT_SIMULATED)
  if (!params.has('line_items')) throw missing('line_items')
  const items = params.list('line_items', 100)
  const defaultCurrency = readCurrency(params, 'currency')
  const lineItems = items.map(item => readLineItem(account, item, defaultCurrency))
  const currency = lineItems[0]?.currency as string
  if (lineItems.some(item => item.currency !== currency)) {
    throw invalidRequest('All line items must have the same currency.', { param: 'line_items' })
  }
  const shipping = readShipping(account, params, currency)
  const subtotal = lineItems.reduce((sum, item) => sum + item.amount_subtotal, 0)
  checkTotal(subtotal + (shipping?.amount ?? 0), currency)
  const collection = params.hash('shipping_address_collection')
  const eligible = currency === 'eur' ? ['card', 'sepa_debit'] : ['card']
  const allowedTypes = params.strings('allowed_payment_method_types')
  const methodTypes = eligible.filter(type => allowedTypes?.includes(type) ?? true)
  if (methodTypes.length === 0) {
    throw invalidRequest('No payment method types enabled for the payment method configuration.', {
      param: 'allowed_payment_method_types'
    })
  }
  if (params.has('payment_method_types')) params.string('payment_method_types')
  const request: SessionRequest = {
    lineItems,
    currency,
    subtotal,
    shipping,
    successUrl: params.url('success_url') ?? '',
    cancelUrl: params.url('cancel_url') ?? null,
    expiresAt: readExpiry(account, params),
    clientReferenceId: params.string('client_reference_id', { max: 200 }) ?? null,
    customerEmail: readEmail(params, 'customer_email'),
    metadata: params.metadata(),
    locale: params.string('locale', { oneOf: LOCALES }) ?? null,
    taxIds: readTaxIds(params.hash('tax_id_collection')),
    termsOfService: readTerms(params.hash('consent_collection')),
    invoice: readInvoice(params.hash('invoice_creation')),
    submitType: params.string('submit_type', { oneOf: ['auto', 'book', 'donate', 'pay', 'subscribe'] }) ?? null,
    allowPromotionCodes: params.boolean('allow_promotion_codes') ?? null,
    billingAddressCollection: params.string('billing_address_collection', { oneOf: ['auto', 'required'] }) ?? null,
    customerCreation: params.string('customer_creation', { oneOf: ['always', 'if_required'] }) ?? 'if_required',
    phoneNumberCollection: params.hash('phone_number_collection')?.boolean('enabled') ?? false,
    adaptivePricing: params.hash('adaptive_pricing')?.boolean('enabled') ?? false,
    automaticTax: params.hash('automatic_tax')?.boolean('enabled') ?? false,
    threeDSecure: (params
      .hash('payment_method_options')
      ?.hash('card')
      ?.string('request_three_d_secure', { oneOf: ['automatic', 'any', 'challenge'] }) ?? 'automatic') as 'automatic',
    shippingCountries: collection?.countries('allowed_countries'),
    allowedTypes,
    methodTypes,
    linkDisplay: params
      .hash('wallet_options')
      ?.hash('link')
      ?.string('display', { oneOf: ['auto', 'never'] }),
    intent: readIntentData(params.hash('payment_intent_data'))
  }
  if (request.invoice && request.intent.captureMethod === 'manual') {
    throw invalidRequest('Invoice creation is not supported when `payment_intent_data[capture_method]` is `manual`.', {
      param: 'invoice_creation'
    })
  }
  if (request.intent.shipping !== null && request.shippingCountries !== undefined) {
    throw invalidRequest('You may not pass `payment_intent_data[shipping]` with `shipping_address_collection`.', {
      param: 'payment_intent_data[shipping]'
    })
  }
  params.string('payment_method_collection', { oneOf: ['always', 'if_required'] })
  params.string('integration_identifier')
  if (request.successUrl === '') throw missing('success_url')
  params.finish()
  return request
}

function readTaxIds(params: Params | undefined): SessionRequest['taxIds'] {
  return {
    enabled: params?.boolean('enabled') ?? false,
    required: params?.string('required', { oneOf: ['if_supported', 'never'] }) ?? 'never'
  }
}

function readTerms(params: Params | undefined): string | null {
  params?.notSimulated('payment_method_reuse_agreement', 'promotions')
  return params?.string('terms_of_service', { oneOf: ['none', 'required'] }) ?? null
}

/** Invoices themselves are not simulated. */
function readInvoice(params: Params | undefined): boolean {
  params?.notSimulated('invoice_data')
  return params?.boolean('enabled') ?? false
}

function readLineItem(account: Account, params: Params, defaultCurrency: string | undefined): Stripe.LineItem {
  params.notSimulated('adjustable_quantity', 'dynamic_tax_rates', 'tax_rates')
  const metadata = params.metadata()
  const price = params.has('price')
    ? findReferenced(account, params, 'price')
    : createPrice(account, params, defaultCurrency)
  const quantity = params.integer('quantity', { min: 1, max: 999_999 })
  if (quantity === undefined) throw missing(params.name('quantity'))
  const product = account.store.table('product').get(String(price.product)) as Stripe.Product
  const amount = (price.unit_amount ?? 0) * quantity
  return {
    id: stripeId('li'),
    object: 'item',
    adjustable_quantity: null,
    amount_discount: 0,
    amount_subtotal: amount,
    amount_tax: 0,
    amount_total: amount,
    currency: price.currency,
    description: product.name,
    metadata,
    price,
    quantity
  }
}

/** The price or the product that a parameter of that name refers to by id. */
function findReferenced<N extends 'price' | 'product'>(account: Account, params: Params, name: N): Tables[N] {
  const id = params.requiredString(name)
  const found = account.store.table(name).get(id)
  if (found === undefined)
    throw invalidRequest(`No such ${name}: '${id}'`, { code: 'resource_missing', param: params.name(name) })
  return found
}

/** An inline price makes a price and a product, both inactive, as Stripe does. */
function createPrice(account: Account, item: Params, defaultCurrency: string | undefined): Stripe.Price {
  const params = item.hash('price_data')
  if (params === undefined) throw missing(item.name('price_data'))
  params.notSimulated('recurring', 'unit_amount_decimal')
  const currency = readCurrency(params, 'currency') ?? defaultCurrency
  if (currency === undefined) throw missing(params.name('currency'))
  const unitAmount = params.requiredInteger('unit_amount', { min: 0, max: greatestCharge(currency) })
  const product = params.has('product') ? findReferenced(account, params, 'product') : createProduct(account, params)
  const price: Stripe.Price = {
    id: stripeId('price'),
    object: 'price',
    active: false,
    billing_scheme: 'per_unit',
    created: seconds(account),
    currency,
    custom_unit_amount: null,
    livemode: false,
    lookup_key: null,
    metadata: {},
    nickname: null,
    product: product.id,
    recurring: null,
    tax_behavior: params.string('tax_behavior', { oneOf: ['exclusive', 'inclusive', 'unspecified'] }) ?? 'unspecified',
    tiers_mode: null,
    transform_quantity: null,
    type: 'one_time',
    unit_amount: unitAmount,
    // A decimal string on the wire; the stripe package turns it into its Decimal.
    unit_amount_decimal: String(unitAmount) as unknown as Stripe.Price['unit_amount_decimal']
  }
  account.store.put('price', price)
  return price
}

function createProduct(account: Account, price: Params): Stripe.Product {
  const params = price.hash('product_data')
  if (params === undefined) throw missing(price.name('product_data'))
  const name = params.requiredString('name', { max: 5_000 })
  const now = seconds(account)
  const product: Stripe.Product = {
    id: stripeId('prod', 14),
    object: 'product',
    active: false,
    created: now,
    default_price: null,
    description: params.string('description', { max: 40_000 }) ?? null,
    images: params.images('images'),
    livemode: false,
    marketing_features: [],
    metadata: params.metadata(),
    name,
    package_dimensions: null,
    shippable: null,
    statement_descriptor: null,
    tax_code: params.string('tax_code') ?? null,
    tax_details: null,
    type: 'service',
    unit_label: params.string('unit_label') ?? null,
    updated: now,
    url: null
  }
  account.store.put('product', product)
  return product
}

function readShipping(account: Account, params: Params, currency: string): SessionRequest['shipping'] {
  const [option, ...others] = params.list('shipping_options', 5)
  if (option === undefined) return undefined
  if (others.length > 0)
    throw invalidRequest('The local Stripe simulator supports one shipping option.', { param: 'shipping_options' })
  option.notSimulated('shipping_rate')
  const data = option.hash('shipping_rate_data')
  if (data === undefined) throw missing(option.name('shipping_rate_data'))
  data.notSimulated('delivery_estimate')
  data.string('type', { oneOf: ['fixed_amount'] })
  const amountParams = data.hash('fixed_amount')
  if (amountParams === undefined) throw missing(data.name('fixed_amount'))
  const amount = amountParams.requiredInteger('amount', { min: 0, max: greatestCharge(currency) })
  const amountCurrency = readCurrency(amountParams, 'currency')
  if (amountCurrency !== currency)
    throw invalidRequest('The currency of the shipping rate must be that of the line items.', {
      param: amountParams.name('currency')
    })
  const rate: Stripe.ShippingRate = {
    id: stripeId('shr'),
    object: 'shipping_rate',
    active: true,
    created: seconds(account),
    delivery_estimate: null,
    display_name: data.requiredString('display_name', { max: 100 }),
    fixed_amount: { amount, currency },
    livemode: false,
    metadata: data.metadata(),
    tax_behavior: data.string('tax_behavior', { oneOf: ['exclusive', 'inclusive', 'unspecified'] }) ?? 'unspecified',
    tax_code: data.string('tax_code') ?? null,
    type: 'fixed_amount'
  }
  account.store.put('shipping_rate', rate)
  return { rate, amount }
}

function readIntentData(params: Params | undefined): SessionRequest['intent'] {
  params?.notSimulated(
    'application_fee_amount',
    'on_behalf_of',
    'setup_future_usage',
    'transfer_data',
    'transfer_group'
  )
  return {
    captureMethod: (params?.string('capture_method', { oneOf: ['automatic', 'automatic_async', 'manual'] }) ??
      'automatic_async') as 'automatic',
    description: params?.string('description', { max: 1_000 }) ?? null,
    metadata: params?.metadata() ?? {},
    shipping: readShippingDetails(params?.hash('shipping')),
    receiptEmail: params === undefined ? null : readEmail(params, 'receipt_email'),
    statementDescriptor: params?.string('statement_descriptor', { max: 22 }) ?? null,
    statementDescriptorSuffix: params?.descriptorSuffix('statement_descriptor_suffix') ?? null
  }
}

/** https://docs.stripe.com/api/payment_intents/create#create_payment_intent-shipping */
function readShippingDetails(params: Params | undefined): SessionRequest['intent']['shipping'] {
  if (params === undefined) return null
  const address = params.hash('address')
  if (address === undefined) throw missing(params.name('address'))
  return {
    address: {
      city: address.string('city', { max: 5_000 }) ?? null,
      country: address.country('country') ?? null,
      line1: address.requiredString('line1', { max: 5_000 }),
      line2: address.string('line2', { max: 5_000 }) ?? null,
      postal_code: address.string('postal_code', { max: 5_000 }) ?? null,
      state: address.string('state', { max: 5_000 }) ?? null
    },
    carrier: params.string('carrier', { max: 5_000 }) ?? null,
    name: params.requiredString('name', { max: 5_000 }),
    phone: params.string('phone', { max: 20 }) ?? null,
    tracking_number: params.string('tracking_number', { max: 5_000 }) ?? null
  }
}

function readExpiry(account: Account, params: Params): number {
  const now = seconds(account)
  const expiresAt = params.integer('expires_at')
  if (expiresAt === undefined) return now + 24 * 3_600
  if (expiresAt > now + 24 * 3_600) {
    throw invalidRequest('The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.', {
      param: 'expires_at'
    })
  }
  if (expiresAt < now + 30 * 60) {
    throw invalidRequest('The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.', {
      param: 'expires_at'
    })
  }
  return expiresAt
}

function readCurrency(params: Params, key: string): string | undefined {
  const code = params.string(key)?.toLowerCase()
  if (code === undefined || isTaken(code)) return code
  throw invalidRequest(
    `Invalid currency: ${code}. Stripe currently supports these currencies: ${takenCurrencies().join(', ')}`,
    {
      param: params.name(key)
    }
  )
}

function readEmail(params: Params, key: string): string | null {
  const email = params.string(key, { max: 800 })
  if (email === undefined) return null
  if (!isEmail(email))
    throw invalidRequest(`Invalid email address: ${email}`, { code: 'email_invalid', param: params.name(key) })
  return email
}

function checkTotal(total: number, currency: string): void {
  const amount = (value: number) => written(value, currency)
  const [least, most] = [smallestCharge(currency), greatestCharge(currency)]
  if (total < least) {
    throw invalidRequest(`The Checkout Session's total amount due must add up to at least ${amount(least)}`, {
      code: 'amount_too_small'
    })
  }
  if (total > most) {
    throw invalidRequest(`The Checkout Session's total amount due must be no more than ${amount(most)}`, {
      code: 'amount_too_large'
    })
  }
}

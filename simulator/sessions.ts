import type Stripe from 'stripe'
import { type Account, type Cause, NO_REQUEST, seconds } from './account.js'
import type { Payer } from './charges.js'
import { disputeCharge, openReview, warnOfFraud } from './disputes.js'
import { invalidRequest, noSuch } from './errors.js'
import { stripeId } from './ids.js'
import type { Params } from './params.js'
import { confirmIntent, createIntent, finishAsyncCapture, settleDebit } from './payment-intents.js'
import { readSessionRequest } from './session-params.js'
import type { StoredIntentData } from './store.js'
import type { TestCard } from './test-cards.js'
import { applyTax } from './totals.js'

/** POST /v1/checkout/sessions */
export function createSession(account: Account, params: Params): Stripe.Checkout.Session {
  const request = readSessionRequest(account, params)
  const id = stripeId('cs_test', 58)
  const shipping = request.shipping?.amount ?? 0
  const session: Stripe.Checkout.Session = {
    id,
    object: 'checkout.session',
    adaptive_pricing: { enabled: request.adaptivePricing },
    after_expiration: null,
    allow_promotion_codes: request.allowPromotionCodes,
    allowed_payment_method_types: request.allowedTypes ?? null,
    amount_subtotal: request.subtotal,
    amount_total: request.subtotal + shipping,
    automatic_tax: { enabled: request.automaticTax, liability: null, provider: null, status: null },
    billing_address_collection: request.billingAddressCollection,
    branding_settings: {
      background_color: '#ffffff',
      border_style: 'rounded',
      button_color: '#0074d4',
      display_name: 'Tillworks demo',
      font_family: 'default',
      icon: null,
      logo: null
    },
    cancel_url: request.cancelUrl,
    client_reference_id: request.clientReferenceId,
    client_secret: null,
    collected_information: { business_name: null, individual_name: null, shipping_details: null },
    consent: null,
    consent_collection:
      request.termsOfService === null
        ? null
        : {
            payment_method_reuse_agreement: null,
            promotions: null,
            terms_of_service: request.termsOfService
          },
    created: seconds(account),
    currency: request.currency,
    currency_conversion: null,
    custom_fields: [],
    custom_text: { after_submit: null, shipping_address: null, submit: null, terms_of_service_acceptance: null },
    customer: null,
    customer_account: null,
    customer_creation: request.customerCreation,
    customer_details:
      request.customerEmail === null
        ? null
        : {
            address: null,
            business_name: null,
            email: request.customerEmail,
            individual_name: null,
            name: null,
            phone: null,
            tax_exempt: 'none',
            tax_ids: null
          },
    customer_email: request.customerEmail,
    discounts: [],
    expires_at: request.expiresAt,
    integration_identifier: null,
    invoice: null,
    invoice_creation: {
      enabled: request.invoice,
      invoice_data: {
        account_tax_ids: null,
        custom_fields: null,
        description: null,
        footer: null,
        issuer: null,
        metadata: {},
        rendering_options: null
      }
    },
    livemode: false,
    locale: request.locale,
    managed_payments: { enabled: false },
    metadata: request.metadata,
    mode: 'payment',
    origin_context: null,
    payment_intent: null,
    payment_link: null,
    payment_method_collection: 'if_required',
    payment_method_configuration_details: { id: 'pmc_1TillworksDemoDefault000', parent: null },
    payment_method_options: { card: { request_three_d_secure: request.threeDSecure } },
    payment_method_types: request.methodTypes,
    payment_status: 'unpaid',
    permissions: null,
    phone_number_collection: { enabled: request.phoneNumberCollection },
    recovered_from: null,
    saved_payment_method_options: null,
    setup_intent: null,
    shipping_address_collection:
      request.shippingCountries === undefined ? null : { allowed_countries: request.shippingCountries },
    shipping_cost:
      request.shipping === undefined
        ? null
        : { amount_subtotal: shipping, amount_tax: 0, amount_total: shipping, shipping_rate: request.shipping.rate.id },
    shipping_options:
      request.shipping === undefined ? [] : [{ shipping_amount: shipping, shipping_rate: request.shipping.rate.id }],
    status: 'open',
    submit_type: request.submitType,
    subscription: null,
    success_url: request.successUrl,
    tax_id_collection: request.taxIds,
    total_details: { amount_discount: 0, amount_shipping: shipping, amount_tax: 0 },
    ui_mode: 'hosted_page',
    url: `${account.publicUrl}/c/pay/${id}`,
    wallet_options: request.linkDisplay === undefined ? null : { link: { display: request.linkDisplay } }
  }
  account.store.lineItems.set(id, request.lineItems)
  account.store.put('checkout.session', session)
  account.store.intentData.set(id, request.intent)
  return session
}

export function getSession(account: Account, id: string): Stripe.Checkout.Session {
  const session = account.store.table('checkout.session').get(id)
  if (session === undefined) throw noSuch('checkout.session', id, 'session')
  expireIfDue(account, session)
  return session
}

/** POST /v1/checkout/sessions/:id/expire */
export function expireSession(account: Account, id: string, params: Params, cause: Cause): Stripe.Checkout.Session {
  params.finish()
  const session = getSession(account, id)
  if (session.status !== 'open') {
    throw invalidRequest(
      `Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of \`${session.status}\`.`
    )
  }
  end(account, session, cause)
  return session
}

/** POST /v1/checkout/sessions/:id: only its metadata can be changed here. */
export function updateSession(account: Account, id: string, params: Params): Stripe.Checkout.Session {
  const session = getSession(account, id)
  params.notSimulated('collected_information', 'line_items', 'shipping_options')
  session.metadata = { ...session.metadata, ...params.metadata() }
  params.finish()
  account.store.put('checkout.session', session)
  return session
}

/** Ends the open Sessions whose time is over. */
export function expireDueSessions(account: Account): void {
  for (const session of account.store.table('checkout.session').values()) expireIfDue(account, session)
}

function expireIfDue(account: Account, session: Stripe.Checkout.Session): void {
  if (session.status === 'open' && session.expires_at <= seconds(account)) end(account, session, NO_REQUEST)
}

function end(account: Account, session: Stripe.Checkout.Session, cause: Cause): void {
  session.status = 'expired'
  session.url = null
  account.store.put('checkout.session', session)
  account.emit('checkout.session.expired', session, cause)
}

export type PayResult = { paid: true } | { paid: false; message: string }

/** The customer submits the payment page. */
export function paySession(account: Account, session: Stripe.Checkout.Session, payer: Payer): PayResult {
  applyTax(account, session)
  const intent =
    account.store.table('payment_intent').get(String(session.payment_intent)) ??
    createIntent(account, {
      amount: session.amount_total ?? 0,
      currency: session.currency ?? 'eur',
      methodTypes: session.payment_method_types,
      ...(account.store.intentData.get(session.id) as StoredIntentData)
    })
  // A promotion code can have come since the last try.
  intent.amount = session.amount_total ?? 0
  session.payment_intent = intent.id
  const status = confirmIntent(account, intent, payer)
  if (status === 'requires_payment_method') {
    account.store.put('checkout.session', session)
    return { paid: false, message: intent.last_payment_error?.message ?? 'Your payment was declined.' }
  }
  complete(account, session, payer, status === 'succeeded' ? 'paid' : 'unpaid')
  if (status === 'succeeded') finishAsyncCapture(account, intent)
  if (payer.method.type === 'card') followUp(account, intent, payer.method.card.aftermath)
  return { paid: true }
}

/** A Session of which a promotion code has left nothing to pay: it has no PaymentIntent. */
export function completeFreeSession(
  account: Account,
  session: Stripe.Checkout.Session,
  payer: Omit<Payer, 'method'>
): void {
  complete(account, session, payer, 'no_payment_required')
}

function complete(
  account: Account,
  session: Stripe.Checkout.Session,
  payer: Omit<Payer, 'method'>,
  paymentStatus: Stripe.Checkout.Session.PaymentStatus
): void {
  session.status = 'complete'
  session.url = null
  session.payment_status = paymentStatus
  session.customer_details = {
    address: { city: null, country: 'FR', line1: null, line2: null, postal_code: null, state: null },
    business_name: null,
    email: payer.email,
    individual_name: null,
    name: payer.name,
    phone: payer.phone,
    tax_exempt: 'none',
    tax_ids: []
  }
  if (session.consent_collection?.terms_of_service === 'required')
    session.consent = { promotions: null, terms_of_service: 'accepted' }
  account.store.put('checkout.session', session)
  account.emit('checkout.session.completed', session, NO_REQUEST)
}

function followUp(account: Account, intent: Stripe.PaymentIntent, aftermath: TestCard['aftermath']): void {
  const charge = account.store.table('charge').get(String(intent.latest_charge))
  // Nobody disputes money that was not taken.
  if (charge === undefined || aftermath === undefined || !charge.captured) return
  if (aftermath === 'early_fraud_warning') warnOfFraud(account, charge)
  else if (aftermath === 'review') openReview(account, charge)
  else disputeCharge(account, charge, aftermath)
}

/** Remembers how a bank debit will end; settleDueDebits() ends it. */
export function scheduleDebit(account: Account, session: Stripe.Checkout.Session, succeeds: boolean): void {
  account.store.debits.set(session.id, { succeeds, at: account.now() + account.debitMs })
  account.store.changed()
}

/** Ends the bank debits whose time has come; `all` ends those too that have time left. */
export function settleDueDebits(account: Account, all = false): void {
  for (const [sessionId, debit] of account.store.debits) {
    if (!all && debit.at > account.now()) continue
    account.store.debits.delete(sessionId)
    const session = account.store.table('checkout.session').get(sessionId)
    const intent = account.store.table('payment_intent').get(String(session?.payment_intent))
    if (session === undefined || intent === undefined) continue
    settleDebit(account, intent, debit.succeeds)
    if (debit.succeeds) session.payment_status = 'paid'
    account.store.put('checkout.session', session)
    account.emit(`checkout.session.async_payment_${debit.succeeds ? 'succeeded' : 'failed'}`, session, NO_REQUEST)
  }
}

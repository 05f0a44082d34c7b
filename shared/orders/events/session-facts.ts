import type Stripe from 'stripe'
import type { SessionFacts } from '../../rules/session-difference.js'
import { amountOf, currencyOf, described, optional } from './fields.js'

/** What a Session says of itself, as far as it is compared with its checkout. */
export function sessionFacts(session: Stripe.Checkout.Session): SessionFacts {
  const conversion = session.currency_conversion ?? null
  const totals = session.total_details
  return {
    mode: shown(session.mode),
    checkoutId: shown(session.metadata?.checkoutId),
    orderId: shown(session.metadata?.orderId),
    currency: optional(currencyOf, conversion?.source_currency ?? session.currency, 'currency'),
    isLocalized: (conversion ?? session.presentment_details ?? null) !== null,
    discount: optional(amountOf, totals?.amount_discount, 'total_details.amount_discount') ?? 0,
    tax: optional(amountOf, totals?.amount_tax, 'total_details.amount_tax') ?? 0,
    amounts: conversion === null ? chargedAmounts(session) : convertedAmounts(conversion)
  }
}

function chargedAmounts(session: Stripe.Checkout.Session): SessionFacts['amounts'] {
  const shipping = session.total_details?.amount_shipping
  return {
    of: 'charge',
    subtotal: optional(amountOf, session.amount_subtotal, 'amount_subtotal') ?? 0,
    shipping: optional(amountOf, shipping, 'total_details.amount_shipping') ?? 0,
    total: optional(amountOf, session.amount_total, 'amount_total')
  }
}

function convertedAmounts(conversion: Stripe.Checkout.Session.CurrencyConversion): SessionFacts['amounts'] {
  return {
    of: 'conversion',
    goods: amountOf(conversion.amount_subtotal, 'currency_conversion.amount_subtotal'),
    total: amountOf(conversion.amount_total, 'currency_conversion.amount_total')
  }
}

/** As it was, where it is a plain word; a text without quotes. */
function shown(value: unknown): string {
  return described(value).replace(/^"(.*)"$/, '$1')
}

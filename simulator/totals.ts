import type Stripe from 'stripe'
import type { Account } from './account.js'

/** The simulator's own: Stripe has those that a shop makes. Percent off the goods; the delivery is never discounted. */
const PROMOTION_CODES: Record<string, number> = { TEN: 10, HALF: 50, FREE: 100 }
/** One rate for everybody; Stripe Tax has the real ones. */
const TAX_PERCENT = 20

/** Takes a promotion code into the Session's totals. False when there is no such code, or the shop takes none. */
export function applyPromotionCode(account: Account, session: Stripe.Checkout.Session, code: string): boolean {
  const percent = PROMOTION_CODES[code.trim().toUpperCase()]
  if (percent === undefined || session.allow_promotion_codes !== true || session.total_details === null) return false
  session.total_details.amount_discount = Math.round(((session.amount_subtotal ?? 0) * percent) / 100)
  session.discounts = [{ coupon: null, promotion_code: `promo_${code.trim().toUpperCase()}` }]
  addUp(account, session)
  return true
}

/** Automatic tax is known once the customer's address is, which is when they pay. */
export function applyTax(account: Account, session: Stripe.Checkout.Session): void {
  if (!session.automatic_tax.enabled || session.total_details === null) return
  const { amount_discount: discount, amount_shipping: shipping } = session.total_details
  const taxed = (session.amount_subtotal ?? 0) - discount + (shipping ?? 0)
  session.total_details.amount_tax = isInclusive(account, session)
    ? Math.round((taxed * TAX_PERCENT) / (100 + TAX_PERCENT))
    : Math.round((taxed * TAX_PERCENT) / 100)
  session.automatic_tax.status = 'complete'
  addUp(account, session)
}

function isInclusive(account: Account, session: Stripe.Checkout.Session): boolean {
  return account.store.lineItems.get(session.id)?.[0]?.price?.tax_behavior === 'inclusive'
}

function addUp(account: Account, session: Stripe.Checkout.Session): void {
  const {
    amount_discount: discount,
    amount_shipping: shipping,
    amount_tax: tax
  } = session.total_details ?? {
    amount_discount: 0,
    amount_shipping: 0,
    amount_tax: 0
  }
  const added = isInclusive(account, session) ? 0 : tax
  session.amount_total = (session.amount_subtotal ?? 0) - discount + (shipping ?? 0) + added
  account.store.put('checkout.session', session)
}

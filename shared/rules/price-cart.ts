import type { ProblemExtras } from '../errors.js'
import { type MinorUnits, minor, toDecimalString } from '../money.js'
import type { CartItem } from './cart.js'
import { cartErrors, isStockError, missingStock } from './cart-errors.js'
import type { Refusal } from './checkout-outcome.js'
import { lineDifferences, type OrderLine, orderLine, type Quantity, subtotalOf } from './order-line.js'
import type { SoldProduct } from './product.js'
import type { SaleTerms } from './sale-terms.js'
import { shippingFor } from './shipping.js'

/** What an order says that has its lines already: the cart has to say the same. */
export interface FixedOrder {
  lines: OrderLine[]
  shipping: number
  total: number
}

/** A cart at the database's prices. */
export interface PricedCart {
  lines: OrderLine[]
  subtotal: MinorUnits
  shipping: MinorUnits
  total: MinorUnits
}

export type CartPrice =
  | { outcome: 'priced'; cart: PricedCart }
  | { outcome: 'refused'; refusal: Refusal }
  /** Refused for its stock alone: with what is missing it could be sold. */
  | { outcome: 'short'; refusal: Refusal; missing: Quantity[] }

/** Compares a cart with the products as the database has them, and with its order, and prices it. */
export function priceCart(
  items: readonly CartItem[],
  products: ReadonlyMap<string, SoldProduct>,
  terms: SaleTerms,
  fixed?: FixedOrder
): CartPrice {
  const errors = cartErrors(items, products, terms.currency)
  const refusal = refused('cart_refused', { details: errors })
  if (!errors.every(isStockError)) return { outcome: 'refused', refusal }

  const lines = items.map(item => orderLine(products.get(item.productId), item, terms.currency))
  const subtotal = subtotalOf(lines)
  if (subtotal === undefined) return { outcome: 'refused', refusal: tooMuch(terms) }
  const shipping = fixed === undefined ? shippingFor(subtotal, terms.shipping) : minor(fixed.shipping)
  // Beyond exact integers there is no total to compare.
  if (!Number.isSafeInteger(subtotal + shipping)) return { outcome: 'refused', refusal: tooMuch(terms) }
  const cart = { lines, subtotal, shipping, total: minor(subtotal + shipping) }
  const amounts = orderRefusal(cart, fixed) ?? limitRefusal(cart.total, terms)
  // All that is wrong with the lines comes first, whatever they would come to.
  if (errors.length === 0)
    return amounts === undefined ? { outcome: 'priced', cart } : { outcome: 'refused', refusal: amounts }
  if (amounts !== undefined) return { outcome: 'refused', refusal }
  return { outcome: 'short', refusal, missing: missingStock(items, products) }
}

function orderRefusal({ lines, total }: PricedCart, fixed: FixedOrder | undefined): Refusal | undefined {
  if (fixed === undefined) return undefined
  const details = lineDifferences(lines, fixed.lines)
  if (details.length === 0 && total === fixed.total) return undefined
  const detail = 'The cart is not what the order says. Create a new order for a changed cart.'
  return refused('cart_refused', { detail, details })
}

function limitRefusal(total: MinorUnits, { currency, minAmount, maxAmount }: SaleTerms): Refusal | undefined {
  if (total >= minAmount && total <= maxAmount) return undefined
  const [sum, low, high] = [total, minAmount, maxAmount].map(amount => toDecimalString(amount, currency))
  return refused('amount_refused', { detail: `The total is ${sum} ${currency}; it has to be from ${low} to ${high}.` })
}

function tooMuch({ currency, maxAmount }: SaleTerms): Refusal {
  const high = toDecimalString(maxAmount, currency)
  return refused('amount_refused', {
    detail: `The total is far more than ${high} ${currency}, the most that it may be.`
  })
}

function refused(code: Refusal['code'], extras: ProblemExtras): Refusal {
  return { code, extras }
}

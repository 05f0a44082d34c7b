import type { CartError } from '../errors.js'
import { type MinorUnits, toMajorUnits, toMinorUnits } from '../money.js'
import type { CartItem } from './cart.js'
import { looksEqual } from './same-text.js'

const INSUFFICIENT_STOCK = 'Insufficient stock'

/** Whether a line is right but for the stock. */
export function isStockError({ error }: CartError): boolean {
  return error.startsWith(INSUFFICIENT_STOCK)
}

/** A product as a cart line is compared with it. */
export interface SoldProduct {
  name: string
  price: MinorUnits
  currency: string
  active: boolean
  stock: number
  reserved: number
}

/** Everything that is wrong with one line of a cart, in the words that storefronts show; empty when it is as the shop has it. */
export function cartErrors(item: CartItem, product: SoldProduct | undefined, currency: string): CartError[] {
  const refuse = (error: string): CartError => ({ productId: item.productId, error })
  if (product === undefined) return [refuse('Product not found')]
  if (!product.active) return [refuse('Product not available')]
  if (product.currency !== currency)
    return [refuse(`Currency mismatch: sold in ${product.currency}, not in ${currency}`)]
  const errors: CartError[] = []
  if (!looksEqual(product.name, item.name)) {
    errors.push(refuse(`Product name mismatch: expected "${product.name}", got "${item.name}"`))
  }
  if (product.price !== toMinorUnits(item.price, currency)) {
    errors.push(refuse(`Price mismatch: expected ${toMajorUnits(product.price, currency)}, got ${item.price}`))
  }
  const available = product.stock - product.reserved
  if (available < item.quantity) {
    errors.push(refuse(`${INSUFFICIENT_STOCK}: ${available} available, ${item.quantity} requested`))
  }
  return errors
}

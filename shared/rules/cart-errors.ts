import type { CartError } from '../errors.js'
import { toMajorUnits, toMinorUnits } from '../money.js'
import type { CartItem } from './cart.js'
import { type Quantity, quantitiesOf } from './order-line.js'
import { available, currenciesOf, priceIn, type SoldProduct } from './product.js'
import { looksEqual } from './same-text.js'

/** How the errors of each kind begin. */
const BEGINNINGS = {
  unknown: 'Product not found',
  inactive: 'Product not available',
  currency: 'Currency mismatch',
  name: 'Product name mismatch',
  price: 'Price mismatch',
  stock: 'Insufficient stock'
} as const

export type CartErrorKind = keyof typeof BEGINNINGS

export const cartErrorKinds = Object.keys(BEGINNINGS) as CartErrorKind[]

/** What of a line is not as the shop has it; undefined for an error of another origin. */
export function cartErrorKind({ error }: CartError): CartErrorKind | undefined {
  return cartErrorKinds.find(kind => error.startsWith(BEGINNINGS[kind]))
}

/** The error without the name that the client has sent, which can be anybody's: for what cannot be erased. */
export function withoutSentName({ productId, error }: CartError): string {
  return `${productId}: ${cartErrorKind({ productId, error }) === 'name' ? BEGINNINGS.name : error}`
}

/** Whether a line is right but for the stock. */
export function isStockError(error: CartError): boolean {
  return cartErrorKind(error) === 'stock'
}

/** Everything that is wrong with a cart, line by line, in the words that storefronts show; empty when it is as the shop has it. */
export function cartErrors(
  items: readonly CartItem[],
  products: ReadonlyMap<string, SoldProduct>,
  currency: string
): CartError[] {
  const requested = new Map(quantitiesOf(items).map(({ productId, quantity }) => [productId, quantity]))
  return items.flatMap(item =>
    lineErrors(item, products.get(item.productId), currency, requested.get(item.productId) ?? item.quantity)
  )
}

/** `requested` is what all lines of this product want together. */
function lineErrors(
  item: CartItem,
  product: SoldProduct | undefined,
  currency: string,
  requested: number
): CartError[] {
  const refuse = (error: string): CartError => ({ productId: item.productId, error })
  if (product === undefined) return [refuse(BEGINNINGS.unknown)]
  if (!product.active) return [refuse(BEGINNINGS.inactive)]
  const price = priceIn(product, currency)
  if (price === undefined)
    return [refuse(`${BEGINNINGS.currency}: sold in ${currenciesOf(product).join(', ')}, not in ${currency}`)]
  const errors: CartError[] = []
  if (!looksEqual(product.name, item.name)) {
    errors.push(refuse(`${BEGINNINGS.name}: expected "${product.name}", got "${item.name}"`))
  }
  if (price !== toMinorUnits(item.price, currency)) {
    errors.push(refuse(`${BEGINNINGS.price}: expected ${toMajorUnits(price, currency)}, got ${item.price}`))
  }
  if (available(product) < requested) {
    errors.push(refuse(`${BEGINNINGS.stock}: ${available(product)} available, ${requested} requested`))
  }
  return errors
}

/** What the shop does not have of what a cart wants. */
export function missingStock(items: readonly CartItem[], products: ReadonlyMap<string, SoldProduct>): Quantity[] {
  return quantitiesOf(items).flatMap(({ productId, quantity }) => {
    const product = products.get(productId)
    const missing = quantity - (product === undefined ? 0 : available(product))
    return missing > 0 ? [{ productId, quantity: missing }] : []
  })
}

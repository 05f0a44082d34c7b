import type { CartError } from '../errors.js'
import { type MinorUnits, minor } from '../money.js'
import { type LineOptions, optionsKey } from './line-options.js'
import { priceIn, type SoldProduct } from './product.js'

/** A line of an order, at the database's price (minor units). */
export interface OrderLine {
  productId: string
  name: string
  description: string | null
  image: string | null
  unitPrice: number
  quantity: number
  /** What the customer chose; undefined when there was nothing to choose. */
  options?: LineOptions
}

export interface Quantity {
  productId: string
  quantity: number
}

/** The line that a product makes. Throws for what cartErrors() refuses: no product, or none that is sold in this currency. */
export function orderLine(
  product: SoldProduct | undefined,
  { quantity, options }: Pick<OrderLine, 'quantity' | 'options'>,
  currency: string
): OrderLine {
  const unitPrice = product && priceIn(product, currency)
  if (product === undefined || unitPrice === undefined) throw new RangeError(`No product that is sold in ${currency}`)
  const { id, name, description, image } = product
  return { productId: id, name, description, image, unitPrice, quantity, ...(options && { options }) }
}

/** Undefined beyond exact integers. */
export function subtotalOf(lines: readonly OrderLine[]): MinorUnits | undefined {
  const sum = lines.reduce((sum, line) => sum + line.unitPrice * line.quantity, 0)
  return Number.isSafeInteger(sum) ? minor(sum) : undefined
}

/** How many of each product all the lines take together. */
export function quantitiesOf(lines: readonly Quantity[]): Quantity[] {
  const sums = new Map<string, number>()
  for (const { productId, quantity } of lines) sums.set(productId, (sums.get(productId) ?? 0) + quantity)
  return [...sums].map(([productId, quantity]) => ({ productId, quantity }))
}

/** Two lines with one key are the same line. */
export function keyOf({ productId, options }: Pick<OrderLine, 'productId' | 'options'>): string {
  return `${productId} ${optionsKey(options)}`
}

/** How a cart differs from an order that has its lines already. */
export function lineDifferences(cart: readonly OrderLine[], ordered: readonly OrderLine[]): CartError[] {
  const wanted = new Map(ordered.map(line => [keyOf(line), line]))
  const errors = cart.flatMap(line => {
    const match = wanted.get(keyOf(line))
    wanted.delete(keyOf(line))
    if (match?.quantity === line.quantity && match.unitPrice === line.unitPrice) return []
    return [{ productId: line.productId, error: match === undefined ? 'Not in the order' : 'Differs from the order' }]
  })
  return [...errors, ...[...wanted.values()].map(({ productId }) => ({ productId, error: 'Missing from the cart' }))]
}

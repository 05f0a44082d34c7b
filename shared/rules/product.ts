import type { MinorUnits } from '../money.js'

/** A product as the shop sells it. */
export interface SoldProduct {
  id: string
  name: string
  description: string | null
  image: string | null
  price: MinorUnits
  currency: string
  /** In further currencies. */
  prices?: Readonly<Record<string, MinorUnits>>
  active: boolean
  stock: number
  reserved: number
  /** False for what never runs out. */
  trackStock: boolean
  /** How many may be sold beyond the stock. */
  backorderLimit: number
}

type Stock = Pick<SoldProduct, 'stock' | 'reserved' | 'trackStock' | 'backorderLimit'>

/** What one costs in a currency; undefined when it is not sold in that. */
export function priceIn(
  product: Pick<SoldProduct, 'price' | 'currency' | 'prices'>,
  currency: string
): MinorUnits | undefined {
  return product.currency === currency ? product.price : product.prices?.[currency]
}

/** The currencies in which it has a price. */
export function currenciesOf({ currency, prices }: Pick<SoldProduct, 'currency' | 'prices'>): string[] {
  return [...new Set([currency, ...Object.keys(prices ?? {}).sort()])]
}

/** How many can be bought now: any number of what is not counted. */
export function available({ trackStock, stock, reserved, backorderLimit }: Stock): number {
  return trackStock ? stock - reserved + backorderLimit : Number.POSITIVE_INFINITY
}

/** The product as it will be once so many of those that are reserved have been given back. */
export function withFreed(product: SoldProduct, quantity: number): SoldProduct {
  return { ...product, reserved: product.reserved - quantity }
}

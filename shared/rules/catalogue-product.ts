/** A product as the shop describes it; amounts in minor units. */
export interface Product {
  id: string
  slug: string
  name: string
  description: string | null
  image: string | null
  price: number
  currency: string
  /** What it costs in further currencies. */
  prices: Record<string, number>
  /** What stands on the shelf, reserved or not. */
  stock: number
  trackStock: boolean
  backorderLimit: number
  active: boolean
}

/** What the database knows besides: how many open checkouts hold. */
export interface StoredProduct extends Product {
  reserved: number
}

export type ProductField = keyof Product

/** In the order of a file's columns. */
export const productFields = [
  'id',
  'slug',
  'name',
  'description',
  'image',
  'price',
  'currency',
  'prices',
  'stock',
  'trackStock',
  'backorderLimit',
  'active'
] as const satisfies readonly ProductField[]

/** What differs, field by field; `prices` has the currencies that do, null where there is no price. */
export interface ProductState extends Partial<Omit<Product, 'prices'>> {
  prices?: Record<string, number | null>
}

/** The fields of `before` that `after` has otherwise, on both sides; undefined when nothing differs. */
export function differences(
  before: Product,
  after: Product
): { before: ProductState; after: ProductState } | undefined {
  const changed = productFields.filter(field => field !== 'prices' && before[field] !== after[field])
  const pick = (product: Product) => Object.fromEntries(changed.map(field => [field, product[field]])) as ProductState
  const found = { before: pick(before), after: pick(after) }
  const currencies = [...new Set([...Object.keys(before.prices), ...Object.keys(after.prices)])]
    .filter(currency => before.prices[currency] !== after.prices[currency])
    .sort()
  if (currencies.length > 0) {
    const pickPrices = ({ prices }: Product) =>
      Object.fromEntries(currencies.map(currency => [currency, prices[currency] ?? null]))
    found.before.prices = pickPrices(before)
    found.after.prices = pickPrices(after)
  }
  return changed.length + currencies.length === 0 ? undefined : found
}

import { type ProductIdFormat, readProductId } from './product-id.js'

/** Which of the refunded goods go back on the shelf. */
export type Restock = 'all' | Record<string, number>

/** "all", or quantities by product as in "ID=2,ID=1"; null when nothing or nothing readable is said. */
export function parseRestock(text: unknown, format: ProductIdFormat): Restock | null {
  if (typeof text !== 'string' || text.trim() === '') return null
  if (text.trim() === 'all' || text.trim() === 'true') return 'all'
  const lines = text.split(',').map(part => /^\s*([\w.-]{1,64})\s*=\s*([1-9]\d{0,5})\s*$/.exec(part))
  if (lines.some(line => line === null)) return null
  // An id of another form is of a product from before PRODUCT_ID_FORMAT was set.
  return Object.fromEntries(
    lines.map(line => [readProductId(line?.[1] ?? '', format) ?? line?.[1] ?? '', Number(line?.[2])])
  )
}

/** What parseRestock reads. */
export function formatRestock(restock: Restock): string {
  if (restock === 'all') return 'all'
  return Object.entries(restock)
    .map(([productId, quantity]) => `${productId}=${quantity}`)
    .join(',')
}

import { type ProductIdFormat, readProductId } from './product-id.js'
import { stripeLimits } from './stripe-limits.js'

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

/**
 * As a refund's metadata at Stripe: `restock`, and what does not fit into one value under `restock2`, `restock3` and so on.
 * A hundred products need seventeen at most.
 */
export function restockMetadata(restock: Restock | null): Record<string, string> {
  if (restock === null) return {}
  if (restock === 'all') return { restock }
  const values: string[] = []
  for (const [productId, quantity] of Object.entries(restock)) {
    const part = `${productId}=${quantity}`
    const joined = values.length === 0 ? part : `${values.at(-1)},${part}`
    if (values.length > 0 && joined.length <= stripeLimits.metadataValue) values[values.length - 1] = joined
    else values.push(part)
  }
  return Object.fromEntries(values.map((value, index) => [keyOf(index), value]))
}

/** What restockMetadata() made, of a refund's metadata; or what somebody wrote there by hand. */
export function restockOf(
  metadata: Record<string, unknown> | null | undefined,
  format: ProductIdFormat
): Restock | null {
  const values: string[] = []
  for (let value = metadata?.restock; typeof value === 'string'; value = metadata?.[keyOf(values.length)]) {
    values.push(value)
  }
  return parseRestock(values.join(','), format)
}

function keyOf(index: number): string {
  return index === 0 ? 'restock' : `restock${index + 1}`
}

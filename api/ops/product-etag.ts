import { createHash } from 'node:crypto'
import { plainColumns } from '../../shared/catalogue/columns.js'
import { asObject } from '../../shared/catalogue/export-products.js'
import type { StoredProduct } from '../../shared/rules/catalogue-product.js'

/** Of all that a writer can change; what is reserved changes with every checkout. */
export function etagOf(product: StoredProduct): string {
  const state = JSON.stringify([plainColumns, asObject(product)])
  return `"${createHash('sha256').update(state).digest('base64url').slice(0, 22)}"`
}

import type { StoredProduct } from '../rules/catalogue-product.js'
import type { Services } from '../runtime/services.js'
import type { ProductChange } from './catalogue-change.js'
import type { Cell } from './given-product.js'
import { importProducts } from './import-products.js'

/** Gives each of these products the same cells, all or none of them. Returns what changed; throws as importProducts() does. */
export async function editProducts(
  services: Pick<Services<'catalogue' | 'payment'>, 'config' | 'db' | 'now'>,
  products: Pick<StoredProduct, 'id'>[],
  cells: Map<string, Cell>,
  by: { operator: string; reason?: string }
): Promise<ProductChange[]> {
  const given = products.map(({ id }) => ({ line: 0, cells: new Map([['id', { column: 'id', text: id }], ...cells]) }))
  return (await importProducts(services, { products: given, problems: [] }, by)).changes
}

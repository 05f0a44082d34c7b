import type { Line, Shopper } from '../../local/shopper.js'
import { newId } from '../../shared/ids.js'
import type { Shop } from './shop.js'

/** A product of its own, as a line that buys one of it. */
export async function stocked(shop: Shop, stock: number, currency = 'EUR'): Promise<Line> {
  const id = newId()
  const product = { id, slug: id, name: `Product ${id}`, price: 1_000n, currency, stock }
  await shop.stack.services.db.prisma.product.create({ data: product })
  return { productId: id, name: product.name, price: 10, quantity: 1 }
}

let keys = 0
/** A checkout of these lines, each time under a key of its own. */
export const buyLines = (customer: Shopper, items: Line[], orderId?: string) =>
  customer.checkout({ items, orderId }, { 'Idempotency-Key': `key ${keys++}` })

/** What can be bought of it now. */
export async function available(shop: Shop, { productId }: Line): Promise<number> {
  const product = await shop.stack.services.db.prisma.product.findUniqueOrThrow({ where: { id: productId } })
  return product.stock - product.reserved
}

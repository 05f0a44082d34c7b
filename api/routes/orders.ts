import { type Response, Router } from 'express'
import type { z } from 'zod'
import type { Order, OrderItem } from '../../prisma/generated/client.js'
import { writeAudit } from '../../shared/audit/audit.js'
import { transaction } from '../../shared/database/database.js'
import { Problem } from '../../shared/errors.js'
import { newId } from '../../shared/ids.js'
import { type MinorUnits, minorFromBigInt, toMajorUnits, toMinorUnits } from '../../shared/money.js'
import type { CartItem } from '../../shared/rules/cart.js'
import { checkoutData } from '../../shared/rules/checkout-outcome.js'
import type { LineOptions } from '../../shared/rules/line-options.js'
import { linesOf } from '../../shared/rules/order-item.js'
import { type PricedCart, priceCart } from '../../shared/rules/price-cart.js'
import type { SaleTerms } from '../../shared/rules/sale-terms.js'
import { publicPath } from '../../shared/runtime/base-path.js'
import { latestCheckouts } from '../../shared/statements/checkouts.js'
import { claimOrderKey, findOrderKey, type OrderKeyHolder } from '../../shared/statements/order-keys.js'
import { createOrder, findOwner, showOrdersWithItems } from '../../shared/statements/orders.js'
import { readProducts } from '../../shared/statements/stock.js'
import { refuseCardNumbers } from '../card-numbers.js'
import { KEY_LIFETIME, orderKey } from '../idempotency.js'
import type { Ingress } from '../ingress.js'
import { inShape, jsonBytes, readBody } from '../json-body.js'
import { refuseInMaintenance } from '../maintenance.js'
import { reportStranger } from '../ownership.js'
import { origin, requestId } from '../request-context.js'
import { saleTermsOf } from '../sale-currency.js'
import { isId, requestSchemas } from '../schemas.js'

type OrderRequest = z.output<ReturnType<ReturnType<typeof requestSchemas>>['order']>
type OrderTotals = Pick<OrderRequest, 'subtotal' | 'shipping'>

/** POST /api/orders creates an order with totals from the database; GET /api/orders/:id shows it to its owner. */
export function orderRoutes(ingress: Ingress): Router {
  const { payment } = ingress.config
  const schemasIn = requestSchemas(ingress.config)
  const router = Router()

  router.post('/api/orders', refuseInMaintenance(ingress), jsonBytes, async (request, response) => {
    const customer = await ingress.authenticate(request, response)
    const body = readBody(request)
    const terms = await saleTermsOf(ingress, customer.userId, body)
    const { currency } = terms
    const { currency: _said, ...wanted } = inShape(body, schemasIn(terms).order)
    await refuseCardNumbers(ingress, wanted.items)
    const key = orderKey(request, customer.userId, wanted, { currency, usual: payment.currency })
    const known = key && (await findOrderKey(ingress.db.pool, key.key, ingress.now()))
    if (known !== undefined) return await replay(ingress, response, key, known)
    const { lines, subtotal, shipping, total } = await priced(ingress, wanted.items, terms)
    compareTotals(wanted, subtotal, shipping, currency)

    const id = newId()
    const now = ingress.now()
    const holder = await transaction(ingress.db.pool, async client => {
      const claim = key && { ...key, userId: customer.userId, orderId: id, now }
      const other =
        claim && (await claimOrderKey(client, { ...claim, expiresAt: new Date(now.getTime() + KEY_LIFETIME) }))
      if (other !== undefined) return other
      await createOrder(client, {
        id,
        ...customer,
        currency,
        subtotal,
        shipping,
        address: wanted.address,
        metadata: wanted.metadata ?? null,
        lines,
        now
      })
      await writeAudit(client, {
        action: 'order_created',
        status: 'SUCCESS',
        userId: customer.userId,
        orderId: id,
        amount: total,
        currency,
        after: 'PENDING',
        requestId: requestId(request),
        ...origin(request)
      })
      return undefined
    })
    // The same request at the same time was faster.
    if (holder !== undefined) return await replay(ingress, response, key, holder)
    response.status(201).setHeader('Location', orderPath(ingress, id))
    response.json({ success: true, data: await orderData(ingress, id) })
  })

  router.get('/api/orders/:id', async (request, response) => {
    const customer = await ingress.authenticate(request, response)
    const { id } = request.params
    const owner = isId(id) ? await findOwner(ingress.db, id) : undefined
    // Another customer's order is as missing as one that does not exist.
    if (owner !== undefined && owner !== customer.userId) reportStranger(ingress, request, customer, { orderId: id })
    if (owner !== customer.userId)
      throw new Problem('order_not_found', { detail: `You have no order ${id.slice(0, 64)}.` })
    response.setHeader('Cache-Control', 'no-store')
    response.json({ success: true, data: await orderData(ingress, id) })
  })

  return router
}

function orderPath({ config }: Ingress, id: string): string {
  return publicPath(config.basePath, `/api/orders/${id}`)
}

/** The order that an earlier request with this key has made, as it is now. Refusals are not kept: they are decided again. */
async function replay(
  ingress: Ingress,
  response: Response,
  key: { fingerprint: string } | undefined,
  holder: OrderKeyHolder
): Promise<void> {
  if (holder.fingerprint !== key?.fingerprint) {
    throw new Problem('key_reused', { detail: 'Send a new Idempotency-Key with a new request.' })
  }
  response.status(201).setHeader('Location', orderPath(ingress, holder.orderId))
  response.setHeader('Idempotent-Replayed', 'true')
  response.json({ success: true, data: await orderData(ingress, holder.orderId) })
}

/** The cart at the database's prices; a Problem with every difference when the client's are not the same. */
async function priced({ db }: Ingress, items: CartItem[], terms: SaleTerms): Promise<PricedCart> {
  const products = await readProducts(
    db.pool,
    items.map(item => item.productId)
  )
  const price = priceCart(items, products, terms)
  if (price.outcome === 'priced') return price.cart
  throw new Problem(price.refusal.code, price.refusal.extras)
}

function compareTotals(wanted: OrderTotals, subtotal: MinorUnits, shipping: MinorUnits, currency: string): void {
  const errors: Record<string, string> = {}
  if (toMinorUnits(wanted.subtotal, currency) !== subtotal) {
    errors.subtotal = `Subtotal mismatch: expected ${toMajorUnits(subtotal, currency)}, got ${wanted.subtotal}`
  }
  if (toMinorUnits(wanted.shipping, currency) !== shipping) {
    errors.shipping = `Shipping mismatch: expected ${toMajorUnits(shipping, currency)}, got ${wanted.shipping}`
  }
  if (Object.keys(errors).length > 0)
    throw new Problem('invalid_request', { detail: 'The totals are not those of the shop.', errors })
}

async function orderData(ingress: Ingress, id: string) {
  const [order] = await ordersData(ingress, [id])
  return order
}

/** These orders with their lines and their newest checkouts, in this order. */
export async function ordersData({ db }: Ingress, ids: string[]) {
  const orders = await showOrdersWithItems(db, ids)
  const checkouts = new Map((await latestCheckouts(db.pool, ids)).map(checkout => [checkout.orderId, checkout]))
  const byId = new Map(orders.map(order => [order.id, order]))
  return ids.flatMap(id => {
    const order = byId.get(id)
    if (order === undefined) return []
    const checkout = checkouts.get(id)
    return {
      ...orderAmounts(order),
      customer: order.contact,
      metadata: order.metadata ?? {},
      items: order.items.flatMap(linesOf).map(line => itemData(line, order.currency)),
      checkout: checkout === undefined ? null : { ...checkoutData(checkout), metadata: checkout.metadata ?? {} }
    }
  })
}

function orderAmounts({ id, status, currency, createdAt, ...amounts }: Order) {
  const major = (amount: bigint | null) => (amount === null ? null : toMajorUnits(minorFromBigInt(amount), currency))
  const { subtotal, shipping, total, captured, refunded } = amounts
  return {
    id,
    status,
    createdAt: createdAt.toISOString(),
    currency,
    subtotal: major(subtotal),
    shipping: major(shipping),
    total: major(total),
    captured: major(captured),
    refunded: major(refunded)
  }
}

function itemData(line: Omit<OrderItem, 'options'> & { options?: LineOptions }, currency: string) {
  const { productId, name, description, image, unitPrice, quantity, options } = line
  const price = toMajorUnits(minorFromBigInt(unitPrice), currency)
  return { productId, name, description, image, price, quantity, ...(options && { options }) }
}

import { alert } from '../shared/alerts.js'
import type { CartItem } from '../shared/cart.js'
import { cartErrors } from '../shared/cart-errors.js'
import { checkoutOutcome, type Refusal } from '../shared/checkout-outcome.js'
import { type Client, transaction } from '../shared/database.js'
import { MINUTE } from '../shared/duration.js'
import type { CartError } from '../shared/errors.js'
import { type MinorUnits, minor, toDecimalString } from '../shared/money.js'
import type { Services } from '../shared/services.js'
import { shippingFor } from '../shared/shipping.js'
import { type CheckoutRow, lockCheckout, moveCheckout } from '../shared/statements/checkouts.js'
import {
  fillOrder,
  findOpenCheckout,
  lockOrder,
  moveOrder,
  type OrderLine,
  readOrderLines
} from '../shared/statements/orders.js'
import { lockProducts, type ProductRow, reserveStock } from '../shared/statements/stock.js'
import type { Job } from './job.js'

/** Checks a cart against the database and reserves its stock: RECEIVED → VERIFIED or REJECTED, in one transaction. */
export const priceVerification: Job<'price-verification'> = {
  name: 'price-verification',
  async handle(services, { checkoutId }) {
    const verified = await transaction(services.db.pool, client => verify(services, client, checkoutId))
    if (verified) await services.queues.enqueue('session-creation', checkoutId)
  }
}

interface Verdict {
  orderId: string
  lines: OrderLine[]
  subtotal: MinorUnits
  shipping: MinorUnits
  total: MinorUnits
}

async function verify(services: Services, client: Client, checkoutId: string): Promise<boolean> {
  const checkout = await lockCheckout(client, checkoutId)
  if (checkout === undefined) throw new Error(`There is no checkout ${checkoutId}`)
  // A second job for a verified checkout (after a crash between commit and enqueue) only has to enqueue what follows.
  if (checkout.status !== 'RECEIVED') return checkout.status === 'VERIFIED'

  const order = await orderOf(services, client, checkout)
  if ('code' in order) return await reject(services, client, checkout, order)

  const products = await lockProducts(
    client,
    checkout.cart.items.map(item => item.productId)
  )
  const errors = checkout.cart.items.flatMap(item => cartErrors(item, products.get(item.productId), checkout.currency))
  if (errors.length > 0)
    return await reject(services, client, checkout, { code: 'cart_refused', extras: { details: errors } })

  const verdict = judge(services, checkout, products, order)
  if ('code' in verdict) return await reject(services, client, checkout, verdict)
  await accept(services, client, checkout, verdict)
  return true
}

type PayableOrder =
  | { id: string; own: true }
  | { id: string; own: false; lines: OrderLine[]; shipping: number; total: number }

/** The order that the checkout pays: its own, or the customer's that the cart names. */
async function orderOf(services: Services, client: Client, checkout: CheckoutRow): Promise<PayableOrder | Refusal> {
  const named = checkout.cart.orderId
  if (named === undefined) return { id: checkout.orderId as string, own: true }
  const order = await lockOrder(client, named)
  if (order === undefined) return { code: 'order_not_found', extras: { detail: `There is no order ${named}.` } }
  if (order.userId !== checkout.userId) {
    const context = { userId: checkout.userId, orderId: named, checkoutId: checkout.id, requestId: checkout.requestId }
    await alert(client, services.log, 'order_of_another_user', {
      ...context,
      reason: `${checkout.userId} tried to pay an order of another user`
    })
    return { code: 'not_owner', extras: { detail: 'This order belongs to another customer.' } }
  }
  if (order.status !== 'PENDING' || order.total === null || order.shipping === null) {
    return {
      code: 'order_not_payable',
      extras: { detail: `The order is ${order.status}; only a PENDING order can be paid.` }
    }
  }
  const open = await findOpenCheckout(client, named, checkout.id)
  if (open !== undefined) {
    const detail = `Checkout ${open} of this order is still open: pay there, or wait until it has expired.`
    return { code: 'order_not_payable', extras: { detail } }
  }
  return {
    id: named,
    own: false,
    lines: await readOrderLines(client, named),
    shipping: order.shipping,
    total: order.total
  }
}

/** The verified lines and totals, or why the amounts or the order's lines do not allow the payment. */
function judge(
  services: Services,
  checkout: CheckoutRow,
  products: Map<string, ProductRow>,
  order: PayableOrder
): Verdict | Refusal {
  const { payment, shipping: shippingRule } = services.config
  const { currency } = checkout
  const lines = checkout.cart.items.map(item => verifiedLine(item, products.get(item.productId) as ProductRow))
  const subtotal = minor(lines.reduce((sum, line) => sum + line.unitPrice * line.quantity, 0))
  const shipping = order.own ? shippingFor(subtotal, shippingRule) : minor(order.shipping)
  const total = minor(subtotal + shipping)
  if (!order.own) {
    const differences = lineDifferences(lines, order.lines)
    if (differences.length > 0 || total !== order.total) {
      const detail = 'The cart is not what the order says. Create a new order for a changed cart.'
      return { code: 'cart_refused', extras: { detail, details: differences } }
    }
  }
  if (total < payment.minAmount || total > payment.maxAmount) {
    const [low, high] = [payment.minAmount, payment.maxAmount].map(limit => toDecimalString(limit, currency))
    const detail = `The total is ${toDecimalString(total, currency)} ${currency}; it has to be from ${low} to ${high}.`
    return { code: 'amount_refused', extras: { detail } }
  }
  return { orderId: order.id, lines, subtotal, shipping, total }
}

function verifiedLine(item: CartItem, product: ProductRow): OrderLine {
  return {
    productId: product.id,
    name: product.name,
    description: product.description,
    image: product.image,
    unitPrice: product.price,
    quantity: item.quantity
  }
}

function lineDifferences(cart: OrderLine[], ordered: OrderLine[]): CartError[] {
  const wanted = new Map(ordered.map(line => [line.productId, line]))
  const errors = cart.flatMap(line => {
    const match = wanted.get(line.productId)
    wanted.delete(line.productId)
    if (match?.quantity === line.quantity && match.unitPrice === line.unitPrice) return []
    return [{ productId: line.productId, error: match === undefined ? 'Not in the order' : 'Differs from the order' }]
  })
  return [...errors, ...[...wanted.keys()].map(productId => ({ productId, error: 'Missing from the cart' }))]
}

async function accept(services: Services, client: Client, checkout: CheckoutRow, verdict: Verdict): Promise<void> {
  const now = services.now()
  if (!(await reserveStock(client, checkout.id, verdict.lines, now))) {
    throw new Error('Stock that was just seen could not be reserved')
  }
  if (checkout.ownsOrder) {
    const { orderId: id, lines, subtotal, shipping, total } = verdict
    await fillOrder(client, { id, lines, subtotal, shipping, total, now })
  }
  await moveCheckout(client, checkout.id, {
    to: 'VERIFIED',
    now,
    orderId: verdict.orderId,
    amount: verdict.total,
    // Fixed now, so that every try of the Stripe call has the same parameters under the same idempotency key.
    sessionExpiresAt: new Date(now.getTime() + services.config.payment.sessionMinutes * MINUTE),
    audit: [
      {
        action: 'checkout_verified',
        status: 'SUCCESS',
        userId: checkout.userId,
        orderId: verdict.orderId,
        checkoutId: checkout.id,
        amount: verdict.total,
        currency: checkout.currency,
        before: checkout.status,
        after: 'VERIFIED',
        requestId: checkout.requestId
      }
    ]
  })
}

async function reject(services: Services, client: Client, checkout: CheckoutRow, refusal: Refusal): Promise<false> {
  const now = services.now()
  const trail = { userId: checkout.userId, checkoutId: checkout.id, requestId: checkout.requestId }
  const reason =
    refusal.extras.details?.map(({ productId, error }) => `${productId}: ${error}`).join('; ') ?? refusal.extras.detail
  await moveCheckout(client, checkout.id, {
    to: 'REJECTED',
    now,
    refusal,
    outcome: checkoutOutcome({ ...checkout, status: 'REJECTED', refusal }),
    audit: [
      {
        action: `checkout_${refusal.code}`,
        status: 'FAILED',
        ...trail,
        orderId: checkout.cart.orderId ?? checkout.orderId,
        before: checkout.status,
        after: 'REJECTED',
        error: reason
      }
    ]
  })
  if (checkout.ownsOrder) {
    await moveOrder(client, checkout.orderId as string, {
      to: 'CANCELLED',
      now,
      audit: {
        action: 'order_cancelled',
        status: 'SUCCESS',
        ...trail,
        orderId: checkout.orderId,
        before: 'PENDING',
        error: 'its cart was refused'
      }
    })
  }
  services.log.info({ requestId: checkout.requestId, checkoutId: checkout.id, code: refusal.code }, 'checkout rejected')
  return false
}

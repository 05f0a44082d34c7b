import type { Client } from '../../database/database.js'
import type { PostalAddress } from '../../rules/postal-address.js'
import type { FixedOrder } from '../../rules/price-cart.js'
import type { Services } from '../../runtime/services.js'
import type { CheckoutRow } from '../../statements/checkouts.js'
import { findSiblings, lockOrder, type OrderRow, readOrderLines } from '../../statements/orders.js'
import { cannotEndNow, isOpenAtStripe } from '../expire-checkout.js'
import { orderIdOf } from '../verified-checkout.js'
import { type Rejection, rejection } from './decision.js'

/** The order that a checkout pays. */
export interface PayableOrder {
  id: string
  address?: PostalAddress | null
  /** When it did not come with a cart. */
  fixed?: FixedOrder
  /** A checkout of this order that is still open. */
  open?: CheckoutRow
}

/** The checkout's own order, or the customer's that the cart names, locked; or why that one cannot be paid. */
export async function findPayableOrder(
  services: Services,
  client: Client,
  checkout: CheckoutRow
): Promise<PayableOrder | Rejection> {
  const named = checkout.cart.orderId
  if (named === undefined) return { id: orderIdOf(checkout) }
  const order = await lockOrder(client, named)
  if (order === undefined) return rejection('order_not_found', { detail: `There is no order ${named}.` })
  if (order.userId !== checkout.userId) return ofAnotherUser(checkout, named)
  // An order has one currency, whatever the shop sells in by now.
  if (order.currency !== checkout.currency) {
    return notPayable(otherCurrency(order.currency, checkout.currency, services.config.payment.currencies))
  }
  if (!isUnpaid(order)) return notPayable(`The order is ${order.status}; only a PENDING order can be paid.`)

  const siblings = await findSiblings(client, named, checkout.id)
  const open = siblings.find(sibling => isOpenAtStripe(sibling.status))
  if (open !== undefined && cannotEndNow(open, services.now())) {
    // Two pages to pay one order at would be paid twice one day.
    return notPayable(
      `Its payment page of checkout ${open.id} cannot be closed at the moment. Pay there, or contact the shop.`
    )
  }
  if (siblings.some(sibling => sibling.ownsOrder)) return { id: named, address: order.address, open }
  const { address, shipping, total } = order
  return { id: named, address, open, fixed: { lines: await readOrderLines(client, named), shipping, total } }
}

function isUnpaid(order: OrderRow): order is OrderRow & { shipping: number; total: number } {
  return order.status === 'PENDING' && order.total !== null && order.shipping !== null
}

function otherCurrency(ordered: string, wanted: string, sold: readonly string[]): string {
  return sold.includes(ordered)
    ? `The order is in ${ordered} and the checkout in ${wanted}. Pay it in ${ordered}, or create a new order.`
    : `The order is in ${ordered} and the shop sells in ${sold.join(', ')}. Create a new order.`
}

function notPayable(detail: string): Rejection {
  return rejection('order_not_payable', { detail })
}

function ofAnotherUser({ userId }: CheckoutRow, orderId: string): Rejection {
  const alert = {
    name: 'order_of_another_user',
    orderId,
    reason: `${userId} tried to pay an order of another user`
  } as const
  return rejection('not_owner', { detail: 'This order belongs to another customer.' }, { alert })
}

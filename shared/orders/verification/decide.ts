import { together } from '../../database/together.js'
import type { FraudDecision } from '../../rules/fraud.js'
import { priceCart } from '../../rules/price-cart.js'
import { withFreed } from '../../rules/product.js'
import { saleTermsIn } from '../../rules/sale-terms.js'
import type { CheckoutRow } from '../../statements/checkouts.js'
import { heldBy, lockProducts } from '../../statements/stock.js'
import type { Change } from '../change.js'
import { type Decision, type Rejection, rejection } from './decision.js'
import { findInTheWay, findOpen, replacedOf } from './ends-first.js'
import { assessFraud } from './fraud-assessment.js'
import { findPayableOrder } from './payable-order.js'

/** Decides about a received checkout, which is locked. It locks what it looks at and writes nothing. */
export async function decide(
  { services, client }: Pick<Change, 'services' | 'client'>,
  checkout: CheckoutRow
): Promise<Decision> {
  const { items } = checkout.cart
  const [fraud, order] = await together(client, [
    () => assessFraud(services, client, checkout),
    () => findPayableOrder(services, client, checkout)
  ])
  if (fraud.decision === 'block' || checkout.expireReason !== null) return blocked(checkout, fraud)

  const terms = saleTermsIn(checkout.currency, services.config)
  if (terms === undefined) return notSold(checkout.currency, services.config.payment.currencies)

  if ('outcome' in order) return order

  // Goods are locked for a cart that may buy them, and not for long.
  const ids = items.map(item => item.productId)
  const [products, open] = await together(client, [
    () => lockProducts(client, ids, checkout.currency),
    () => findOpen(client, checkout)
  ])
  const replaced = replacedOf(services, open, order.open)
  const held = await heldBy(
    client,
    replaced.map(({ id }) => id)
  )
  const freed = new Map([...products].map(([id, product]) => [id, withFreed(product, held.get(id) ?? 0)]))

  const priced = priceCart(items, freed, terms, order.fixed)
  switch (priced.outcome) {
    case 'refused':
      return { outcome: 'reject', refusal: priced.refusal }
    case 'short': {
      const endsFirst = await findInTheWay(services, client, checkout, priced.missing, replaced)
      if (endsFirst === undefined) return { outcome: 'reject', refusal: priced.refusal }
      return { outcome: 'wait', endsFirst }
    }
    case 'priced': {
      const [endsFirst] = replaced
      if (endsFirst !== undefined) return { outcome: 'wait', endsFirst }
      const challenge = fraud.decision === 'challenge' ? fraud.reasons : []
      return {
        outcome: 'accept',
        orderId: order.id,
        address: order.address ?? null,
        fillsOrder: order.fixed === undefined,
        cart: priced.cart,
        challenge
      }
    }
  }
}

/** One with an `expireReason` has passed the limit since, by a decline that this count may not see. */
function blocked({ expireReason }: CheckoutRow, { reasons }: FraudDecision): Rejection {
  const internal = [...reasons, ...(expireReason === null ? [] : [expireReason])].join('; ')
  const detail = 'This checkout is not possible at the moment. Contact the shop.'
  return rejection('payment_blocked', { detail }, { internal })
}

function notSold(currency: string, ours: readonly string[]): Rejection {
  const detail = `The shop sells in ${ours.join(', ')} by now, not in ${currency}. Load the products again.`
  return rejection('cart_refused', { detail })
}

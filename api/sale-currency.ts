import { type SaleTerms, saleTermsIn } from '../shared/rules/sale-terms.js'
import { readOrder } from '../shared/statements/orders.js'
import type { Ingress } from './ingress.js'
import { isId } from './schemas.js'

/**
 * The terms that a body is read by: of the currency that it names, or of that of the customer's order that it names, or of
 * PAYMENT_CURRENCY. The body is not validated yet: what is wrong with it is said by its schema.
 */
export async function saleTermsOf(ingress: Ingress, userId: string, body: unknown): Promise<SaleTerms> {
  const { currency, orderId } = Object(body) as { currency?: unknown; orderId?: unknown }
  const { config } = ingress
  const named = typeof currency === 'string' ? saleTermsIn(currency.toUpperCase(), config) : undefined
  return named ?? (await termsOfOrder(ingress, userId, orderId)) ?? usualTerms(config)
}

async function termsOfOrder({ db, config }: Ingress, userId: string, orderId: unknown): Promise<SaleTerms | undefined> {
  // With one currency an order of another one is told apart later, by the worker.
  if (typeof orderId !== 'string' || config.payment.currencies.length === 1 || !isId(orderId)) return undefined
  const order = await readOrder(db.pool, orderId)
  return order?.userId === userId ? saleTermsIn(order.currency, config) : undefined
}

function usualTerms(config: Ingress['config']): SaleTerms {
  const terms = saleTermsIn(config.payment.currency, config)
  if (terms === undefined) throw new Error('PAYMENT_CURRENCY is not among PAYMENT_CURRENCIES')
  return terms
}

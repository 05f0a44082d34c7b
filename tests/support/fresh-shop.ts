import type { Shopper } from '../../local/shopper.js'
import type { SimulatorOptions } from '../../simulator/start.js'
import { buy } from './purchase.js'
import { BY_HAND, QUIET } from './settings.js'
import { openShop, type Shop } from './shop.js'

export const JOB = { id: 'test', attempt: 1, isLastAttempt: false }

const shops: Shop[] = []
afterEach(() => Promise.all(shops.splice(0).map(shop => shop.close())))

/** A shop of one test, which ends with it, and a customer. */
export async function open(
  env: Record<string, string> = {},
  simulator: Partial<SimulatorOptions> = {}
): Promise<{ shop: Shop; customer: Shopper }> {
  const shop = await openShop('postgres', { ...QUIET, ...env }, { simulator })
  shops.push(shop)
  return { shop, customer: await shop.customer('ada') }
}

/** As open(), with an order that is paid and workers that do nothing any more: the test runs the jobs itself. */
export async function openPaid() {
  const { shop, customer } = await open(BY_HAND)
  const { orderId, url } = await buy(customer)
  await customer.pay(url)
  await customer.orderBecomes(orderId, 'PAID')
  await shop.stack.stopWorkers()
  return { shop, customer, services: shop.stack.services, orderId }
}

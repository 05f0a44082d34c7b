import type { Shopper } from '../../local/shopper.js'
import type { SimulatorOptions } from '../../simulator/start.js'
import { QUIET } from './settings.js'
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

import type { Shopper } from '../../local/shopper.js'
import type { SimulatorOptions } from '../../simulator/start.js'
import { openShop, type Shop } from './shop.js'

/** Nothing asks Stripe by itself for what was not delivered. */
export const QUIET = { RECONCILE_CRON: '0 0 1 1 *', RECONCILE_GRACE_MINUTES: '0' }
/** The sweep stays out of the way of tests that run a job themselves, too. */
export const BY_HAND = { ...QUIET, SWEEP_AFTER_SECONDS: '3600', SWEEP_EVERY_SECONDS: '3600', STRIPE_MAX_RETRIES: '0' }
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

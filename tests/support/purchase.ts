import type Stripe from 'stripe'
import { eventually } from '../../local/eventually.js'
import { data, lineOf, type Shopper } from '../../local/shopper.js'
import { DAY, SECOND } from '../../shared/duration.js'
import { applyEvent } from '../../shared/orders/apply-event.js'
import { verifyCheckout } from '../../shared/orders/verify-checkout.js'
import { bookBalanceTransactions } from '../../shared/reconcile/balance.js'
import { checkLedger } from '../../shared/reconcile/ledger-check.js'
import type { Services } from '../../shared/runtime/services.js'
import { storeEvents } from '../../shared/statements/webhook-events.js'
import type { Shop } from './shop.js'

let made = 0

export async function buy(customer: Shopper, slug = 'stoneware-mug', quantity = 2) {
  const items = [lineOf(await customer.product(slug), quantity)]
  const bought = data(await customer.checkout({ items }, { 'Idempotency-Key': `purchase-${++made}` }))
  return { ...bought, orderId: bought.orderId ?? '', sessionId: bought.sessionId ?? '', url: bought.url ?? '' }
}

/** Another Session of a checkout, as one that Stripe made although it answered with an error of its own, which was counted. */
export async function openStray({ stack }: Shop, checkoutId: string): Promise<{ id: string; url: string }> {
  const row = await stack.services.db.prisma.checkout.update({ where: { id: checkoutId }, data: { serverErrors: 1 } })
  const params = row.sessionParams as unknown as Stripe.Checkout.SessionCreateParams
  const { id, url } = await stack.services.stripe.checkout.sessions.create(params, {
    idempotencyKey: `${checkoutId}-1`
  })
  return { id, url: url ?? '' }
}

/** Pays on the simulator's page with a promotion code. */
export async function payWith(url: string, promotion_code: string, number = '4242424242424242'): Promise<void> {
  const body = new URLSearchParams({ number, promotion_code })
  await (await fetch(url, { method: 'POST', body, redirect: 'manual' })).arrayBuffer()
}

export const sessionOf = (shop: Shop, id: string) => shop.simulator.record.session(id) as Stripe.Checkout.Session

/** The PaymentIntent that a Session was paid with. */
export const intentOf = (shop: Shop, sessionId: string) => String(sessionOf(shop, sessionId).payment_intent)

export const orderRow = (shop: Shop, id: string) =>
  shop.stack.services.db.prisma.order.findUniqueOrThrow({ where: { id } })

export const paymentRow = (shop: Shop, orderId: string) =>
  shop.stack.services.db.prisma.payment.findFirstOrThrow({ where: { orderId } })

/** Waits until all that Stripe has told is applied. */
export async function allApplied(shop: Shop): Promise<void> {
  await shop.simulator.idle()
  const { prisma } = shop.stack.services.db
  await eventually(
    () => prisma.webhookEvent.count({ where: { status: 'RECEIVED' } }),
    count => count === 0
  )
}

/** From here on nothing of Stripe arrives; what it has told before is applied, and learns nothing of what comes now. */
export async function goSilent(
  shop: Shop,
  faults: Parameters<Shop['simulator']['faults']['set']>[0] = {}
): Promise<void> {
  await allApplied(shop)
  shop.simulator.faults.set({ dropDeliveries: 1, ...faults })
}

/** What the ledger says that Stripe holds for an order, without fees, in minor units. */
export async function heldByStripe({ stack }: Shop, orderId: string): Promise<number> {
  const postings = await stack.services.db.prisma.ledgerPosting.findMany({ where: { orderId, account: 'STRIPE' } })
  return postings.filter(each => !each.entry.startsWith('fee:')).reduce((sum, each) => sum + Number(each.amount), 0)
}

export async function ledgerDifferences({ stack }: Shop): Promise<string[]> {
  await bookBalanceTransactions(stack.services, [])
  const report = await checkLedger(stack.services, new Date(Date.now() - DAY), new Date(Date.now() + 2 * DAY))
  return report.differences
}

/** Applies an event as it would be delivered, in this moment. */
export async function deliver(services: Services, type: string, object: object): Promise<void> {
  const id = `evt_test_${++made}`
  const created = Math.floor(Date.now() / SECOND)
  await storeEvents(services.db.pool, [
    {
      id,
      type,
      apiVersion: null,
      livemode: false,
      created: new Date(created * SECOND),
      payload: JSON.stringify({ id, object: 'event', type, created, data: { object } }),
      requestId: 'test',
      receivedAt: new Date()
    }
  ])
  await applyEvent(services, id)
}

/** Verifies a checkout and leaves it at that, as a worker does that is killed before it has asked Stripe. */
export async function verifyOnly(services: Services, checkoutId: string): Promise<void> {
  if ((await verifyCheckout(services, checkoutId)) === undefined) throw new Error(`${checkoutId} is not verified`)
}

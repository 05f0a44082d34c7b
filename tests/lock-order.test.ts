import { eventually } from '../local/eventually.js'
import { address, data, type Line } from '../local/shopper.js'
import { writeAudit } from '../shared/audit/audit.js'
import { createLogger } from '../shared/logger.js'
import { requestRefunds } from '../shared/orders/refund.js'
import type { SimulatorOptions } from '../simulator/start.js'
import { priceVerification } from '../workers/price-verification.js'
import { refundCreation } from '../workers/refund-creation.js'
import { sessionCreation } from '../workers/session-creation.js'
import { locksWaitedFor } from './support/locks.js'
import { runOps } from './support/ops.js'
import { verifyOnly } from './support/purchase.js'
import { openShop, type Shop } from './support/shop.js'
import { buyLines as buy, stocked } from './support/stocked-product.js'

const shops: Shop[] = []
afterEach(() => Promise.all(shops.splice(0).map(shop => shop.close())))

async function open(env: Record<string, string> = {}, simulator: Partial<SimulatorOptions> = {}): Promise<Shop> {
  const shop = await openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *', ...env }, { simulator })
  shops.push(shop)
  return shop
}

describe('an order is locked before its trail is written', () => {
  const TRY = { id: 'test', attempt: 1, isLastAttempt: true }
  const quiet = { SWEEP_EVERY_SECONDS: '3600' }

  /** Begins something that needs the order, and writes into the order's trail while that waits. */
  async function writeBeside(shop: Shop, orderId: string, begin: () => Promise<unknown>): Promise<void> {
    const { pool } = shop.stack.services.db
    const client = await pool.connect()
    let begun: Promise<unknown> | undefined
    try {
      await client.query(`BEGIN; SET LOCAL lock_timeout = '500ms'`)
      await client.query('SELECT FROM "Order" WHERE "id" = $1 FOR NO KEY UPDATE', [orderId])
      begun = begin()
      const waiting = await eventually(
        () => locksWaitedFor(pool),
        count => count > 0
      )
      expect(waiting).toBeGreaterThan(0)
      await writeAudit(client, { action: 'test', status: 'SUCCESS', orderId })
    } finally {
      await client.query('COMMIT')
      client.release()
      await begun
    }
  }

  it('when its Session expires', async () => {
    const shop = await open(quiet)
    const customer = await shop.customer('expiring')
    const { orderId = '', checkoutId, sessionId } = data(await buy(customer, [await stocked(shop, 5)]))
    await writeBeside(shop, orderId, () => shop.stack.services.stripe.checkout.sessions.expire(sessionId ?? ''))
    await customer.checkoutBecomes(checkoutId, 'EXPIRED')
  })

  it('when it is paid, and when it is refunded', async () => {
    const shop = await open(quiet)
    const customer = await shop.customer('paying')
    const { orderId = '', url, sessionId } = data(await buy(customer, [await stocked(shop, 5)]))
    await writeBeside(shop, orderId, () => customer.pay(url ?? ''))
    await customer.orderBecomes(orderId, 'PAID')
    const { stripe } = shop.stack.services
    const intent = String(shop.simulator.record.session(sessionId ?? '')?.payment_intent)
    await writeBeside(shop, orderId, () => stripe.refunds.create({ payment_intent: intent, amount: 100 }))
    await customer.orderBecomes(orderId, 'PARTIALLY_REFUNDED')
  })

  it('when its refund is refused', async () => {
    const shop = await open({ ...quiet, STRIPE_MAX_RETRIES: '0' })
    const { simulator } = shop
    const { services, stopWorkers } = shop.stack
    const customer = await shop.customer('refunded')
    const { orderId = '', url } = data(await buy(customer, [await stocked(shop, 5)]))
    await customer.pay(url ?? '')
    await customer.orderBecomes(orderId, 'PAID')
    await stopWorkers()
    const [refund] = await requestRefunds(services, { orderId, amount: 100, operator: 'olga' })
    simulator.faults.set({ refused: 1 })
    await writeBeside(shop, orderId, () => refundCreation.handle(services, { refundId: refund?.id ?? '' }, TRY))
    expect(await services.db.prisma.refund.count({ where: { status: 'REFUSED' } })).toBe(1)
  })

  it('when its cart, or its Session, is refused', async () => {
    const shop = await open({ ...quiet, CHECKOUT_WAIT_MS: '0' })
    const { simulator } = shop
    const { services, stopWorkers } = shop.stack
    const { prisma } = services.db
    const customer = await shop.customer('refused')
    const line = await stocked(shop, 5)
    await stopWorkers()
    const received = async (item: Line) => {
      const { checkoutId } = data(await buy(customer, [item]))
      const { orderId } = await prisma.checkout.findUniqueOrThrow({ where: { id: checkoutId } })
      return { payload: { checkoutId }, orderId: orderId ?? '' }
    }
    const wrong = await received({ ...line, price: 9 })
    await writeBeside(shop, wrong.orderId, () => priceVerification.handle(services, wrong.payload, TRY))
    const right = await received(line)
    await verifyOnly(services, right.payload.checkoutId)
    simulator.faults.set({ refused: 1 })
    await writeBeside(shop, right.orderId, () => sessionCreation.handle(services, right.payload, TRY))
    const checkouts = await prisma.checkout.findMany({ orderBy: { createdAt: 'asc' } })
    expect(checkouts.map(({ status }) => status)).toEqual(['REJECTED', 'FAILED'])
  })

  it('when an operator ends its checkout', async () => {
    const shop = await open(quiet)
    const customer = await shop.customer('forgotten')
    const { orderId = '', checkoutId, sessionId } = data(await buy(customer, [await stocked(shop, 5)]))
    shop.simulator.record.forget(sessionId ?? '')
    await writeBeside(shop, orderId, () =>
      runOps(shop, 'checkout', 'expire', checkoutId, '--unknown-to-stripe', '--reason', 'deleted')
    )
    await customer.checkoutBecomes(checkoutId, 'EXPIRED')
  })

  it('so that a cart that names it can be refused while its Session expires', async () => {
    const lines: string[] = []
    const destination = { write: (line: string) => void lines.push(line) }
    const log = createLogger({ level: 'warn', production: true, name: 'test', destination })
    const shop = await openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *', SWEEP_EVERY_SECONDS: '3600' }, { log })
    shops.push(shop)
    const { pool } = shop.stack.services.db
    const customer = await shop.customer('hasty')
    const line = await stocked(shop, 5)
    const order = data(await customer.createOrder({ items: [line], address, subtotal: 10, shipping: 0 }))
    const first = data(await buy(customer, [line], order.id))
    const waiting = (least: number) =>
      eventually(
        () => locksWaitedFor(pool),
        count => count >= least
      )
    const client = await pool.connect()
    try {
      await client.query('BEGIN')
      await client.query('SELECT FROM "Product" WHERE "id" = $1 FOR UPDATE', [line.productId])
      const second = buy(customer, [{ ...line, price: 9 }], order.id)
      await waiting(1)
      await shop.stack.services.stripe.checkout.sessions.expire(first.sessionId ?? '')
      await waiting(2)
      await client.query('COMMIT')
      expect((await second).status).toBe(400)
    } finally {
      client.release()
    }
    await customer.checkoutBecomes(first.checkoutId, 'EXPIRED')
    expect(lines.filter(each => each.includes('deadlock'))).toEqual([])
  })
})

import { eventually } from '../local/eventually.js'
import { data, lineOf, type Shopper } from '../local/shopper.js'
import { DAY, HOUR } from '../shared/duration.js'
import { bookBalanceTransactions } from '../shared/reconcile/balance.js'
import { checkLedger } from '../shared/reconcile/ledger-check.js'
import { reconcile } from '../shared/reconcile/reconcile.js'
import { storeEvents } from '../shared/statements/webhook-events.js'
import { runOps } from './support/ops.js'
import { allApplied } from './support/purchase.js'
import { asOwner, openShop, plainEngines, type Shop, withShop } from './support/shop.js'

const DROP_SEED = Number(process.env.DROP_SEED ?? Math.floor(Math.random() * 2 ** 31))
const ORDERS = process.env.CI === 'true' ? 40 : 20

async function buy(customer: Shopper, key: string, slug = 'stoneware-mug') {
  const items = [lineOf(await customer.product(slug), 1)]
  return data(await customer.checkout({ items }, { 'Idempotency-Key': key }))
}

const ENDINGS = {
  PAID: undefined,
  DEBIT: 'DE89370400440532013000',
  REFUNDED: undefined,
  EXPIRED: undefined,
  DISPUTED: '4000000000000259'
}

/** Buys ORDERS times and ends each purchase in one of these ways; returns what the orders have to become. */
async function playEndings({ simulator, stack }: Shop, customer: Shopper): Promise<Map<string, string>> {
  const { stripe } = stack.services
  const expected = new Map<string, string>()
  const endings = Object.keys(ENDINGS) as (keyof typeof ENDINGS)[]
  for (let number = 0; number < ORDERS; number++) {
    const ending = endings[number % endings.length] as (typeof endings)[number]
    const { orderId = '', sessionId = '', url } = await buy(customer, `drop-${number}`)
    if (ending === 'EXPIRED') {
      // Stripe's clock has run out; whether we hear of it is chance.
      await stripe.checkout.sessions.expire(sessionId)
      expected.set(orderId, 'PENDING')
      continue
    }
    await customer.pay(url ?? '', ENDINGS[ending])
    if (ending === 'DEBIT') simulator.tick({ settleAllDebits: true })
    if (ending === 'REFUNDED') {
      const payment_intent = String(simulator.record.session(sessionId)?.payment_intent)
      await stripe.refunds.create({ payment_intent })
    }
    expected.set(orderId, ending === 'DEBIT' ? 'PAID' : ending)
  }
  return expected
}

/** The ledger is what Stripe has, until something happens that nobody tells. Returns how much was compared. */
async function expectLedgerOfStripe({ simulator, stack }: Shop): Promise<number> {
  const { services } = stack
  const period = [new Date(Date.now() - DAY), new Date(Date.now() + 2 * DAY)] as const
  await bookBalanceTransactions(services, [])
  const check = await checkLedger(services, ...period)
  expect(check.differences).toEqual([])
  expect(check.compared).toBeGreaterThanOrEqual(ORDERS)
  simulator.faults.set({ dropDeliveries: 1 })
  const untold = await services.db.prisma.payment.findFirstOrThrow({ where: { order: { status: 'PAID' } } })
  const refund = await services.stripe.refunds.create({ payment_intent: untold.paymentIntentId, amount: 123 })
  expect((await checkLedger(services, ...period)).differences).toEqual([
    expect.stringContaining(`refund:${refund.id} for -1.23 EUR, the ledger has nothing`)
  ])
  return check.compared
}

it(`ends all of ${ORDERS} orders right though 30 % of the deliveries never come`, async () => {
  const quiet = { SWEEP_EVERY_SECONDS: '1', RECONCILE_CRON: '0 0 1 1 *', RECONCILE_GRACE_MINUTES: '0' }
  await withShop(openShop('postgres', quiet, { simulator: { faultSeed: DROP_SEED } }), async shop => {
    const { simulator } = shop
    const { services } = shop.stack
    const customer = await shop.customer('unlucky')
    const { pool } = services.db
    await pool.query('UPDATE "Product" SET "stock" = 1000')
    simulator.faults.set({ dropDeliveries: 0.3 })
    const expected = await playEndings(shop, customer)
    await simulator.idle()
    const dropped = simulator.record.undelivered().length
    expect(dropped).toBeGreaterThan(ORDERS / 2)
    await eventually(
      () => services.db.prisma.webhookEvent.count({ where: { status: 'RECEIVED' } }),
      count => count === 0
    )
    const statuses = async () => {
      const orders = await services.db.prisma.order.findMany({ select: { id: true, status: true } })
      return new Map(orders.map(order => [order.id, order.status as string]))
    }
    const wrong = async () => {
      const now = await statuses()
      return [...expected].filter(([id, status]) => now.get(id) !== status).length
    }
    const wrongBefore = await wrong()
    const report = await reconcile(services, { requestId: 'test' })
    expect(report.errors).toEqual([])
    expect(report.recovered.length).toBe(dropped)
    await eventually(wrong, count => count === 0)
    expect(await statuses()).toEqual(expected)

    // Nothing is held any more, and the stock is short by what was sold.
    await eventually(
      () => services.db.prisma.webhookEvent.count({ where: { status: 'RECEIVED' } }),
      count => count === 0
    )
    const sold = [...expected.values()].filter(status => status !== 'PENDING').length
    const mug = await services.db.prisma.product.findFirstOrThrow({ where: { slug: 'stoneware-mug' } })
    expect([mug.stock, mug.reserved]).toEqual([1000 - sold, 0])
    expect((await reconcile(services, { requestId: 'test' })).recovered).toEqual([])

    const compared = await expectLedgerOfStripe(shop)
    process.stdout.write(
      `\nLost webhooks, seed ${DROP_SEED}: ${dropped} deliveries dropped, ${wrongBefore} of ${ORDERS} orders wrong before, 0 after; ${compared} balance transactions compared.\n`
    )
  })
})

it('asks Stripe about what is open past its time, when not even the list of events has it', async () => {
  await withShop(openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *', RECONCILE_GRACE_MINUTES: '0' }), async shop => {
    const { simulator } = shop
    const { services } = shop.stack
    const customer = await shop.customer('late')
    simulator.faults.set({ dropDeliveries: 1 })
    const expired = await buy(customer, 'expired')
    const paid = await buy(customer, 'paid')
    await services.stripe.checkout.sessions.expire(expired.sessionId ?? '')
    await customer.pay(paid.url ?? '')
    simulator.record.forgetEvents()
    await services.db.pool.query(`UPDATE "Checkout" SET "sessionExpiresAt" = now() - interval '1 hour'`)
    const answer = await runOps(shop, 'reconcile')
    expect(answer).toMatchObject({ code: 0 })
    expect(answer.output).toContain(`${expired.checkoutId}  checkout.session.expired`)
    await customer.orderBecomes(paid.orderId ?? '', 'PAID')
    await customer.checkoutBecomes(expired.checkoutId, 'EXPIRED')
    expect((await customer.product('stoneware-mug')).stock).toBe(39)
  })
})

it('asks about the others when Stripe does not know one Session, which ends by an operator’s word', async () => {
  await withShop(openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *', RECONCILE_GRACE_MINUTES: '0' }), async shop => {
    const { simulator } = shop
    const { services } = shop.stack
    const customer = await shop.customer('deleted')
    const { stock } = await customer.product('stoneware-mug')
    simulator.faults.set({ dropDeliveries: 1 })
    const [deleted, other] = [await buy(customer, 'deleted'), await buy(customer, 'other')]
    const bringBack = shop.simulator.record.forget(deleted.sessionId ?? '')
    await services.stripe.checkout.sessions.expire(other.sessionId ?? '')
    simulator.record.forgetEvents()
    await services.db.pool.query(`UPDATE "Checkout" SET "sessionExpiresAt" = now() - interval '1 hour'`)

    for (const _run of [1, 2]) {
      const report = await reconcile(services, { requestId: 'test' })
      expect(report.errors).toEqual([expect.stringContaining('No such checkout.session')])
    }
    await customer.checkoutBecomes(other.checkoutId, 'EXPIRED')
    const alerts = await services.db.prisma.alert.findMany({ where: { name: 'session_unknown' } })
    expect(alerts).toHaveLength(1)
    const command = ['checkout', 'expire', deleted.checkoutId, '--unknown-to-stripe']
    expect(JSON.stringify(alerts[0]?.context)).toContain(command.join(' '))

    expect((await runOps(shop, ...command)).code).toBe(2)
    bringBack()
    const known = await runOps(shop, ...command, '--reason', 'deleted')
    expect([known.code, known.output]).toEqual([1, expect.stringContaining('Stripe knows')])
    shop.simulator.record.forget(deleted.sessionId ?? '')
    expect(await runOps(shop, ...command, '--reason', 'deleted')).toMatchObject({ code: 0 })
    expect((await customer.product('stoneware-mug')).stock).toBe(stock)
  })
})

it('goes on where the scheduled run before ended, and asks about a slow debit less and less often', async () => {
  await withShop(openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *', RECONCILE_GRACE_MINUTES: '0' }), async shop => {
    const { services } = shop.stack
    const customer = await shop.customer('slow')
    const debit = await buy(customer, 'slow')
    await customer.pay(debit.url ?? '', 'DE89370400440532013000')
    await customer.orderBecomes(debit.orderId ?? '', 'PROCESSING')
    await services.db.pool.query(`UPDATE "Checkout" SET "updatedAt" = now() - interval '1 day'`)
    const run = () => reconcile(services, { requestId: 'test', scheduled: true })
    const hours = (since: Date) => Math.round((Date.now() - since.getTime()) / HOUR)
    const [first, second] = [await run(), await run()]
    expect([hours(first.since), first.polled]).toEqual([30 * 24, 1])
    expect([hours(second.since), second.polled]).toEqual([1, 0])
    await services.db.pool.query(
      `UPDATE "Checkout" SET "askedAt" = now() - interval '3 hours'; UPDATE "Checkpoint" SET "at" = now() - interval '25 hours'`
    )
    const third = await run()
    expect([hours(third.since), third.polled]).toEqual([30 * 24, 1])
    expect((await reconcile(services, { requestId: 'test' })).polled).toBe(1)
  })
})

it('books the exchange of an account that is paid out in another currency, both ways', async () => {
  const settings = { RECONCILE_CRON: '0 0 1 1 *' }
  await withShop(openShop('postgres', settings, { simulator: { settlementCurrency: 'usd' } }), async shop => {
    const { simulator } = shop
    const { services } = shop.stack
    const customer = await shop.customer('abroad')
    const cards = { PARTIALLY_REFUNDED: '4242424242424242', PAID: '4000000000005126', DISPUTED: '4000000000000259' }
    for (const [status, card] of Object.entries(cards)) {
      const { url, orderId = '' } = await buy(customer, status)
      await customer.pay(url ?? '', card)
      if (status !== 'DISPUTED') {
        await customer.orderBecomes(orderId, 'PAID')
        const { paymentIntentId } = await services.db.prisma.payment.findFirstOrThrow({ where: { orderId } })
        await services.stripe.refunds.create({ payment_intent: paymentIntentId, amount: 333 })
        await customer.orderBecomes(orderId, 'PARTIALLY_REFUNDED')
        if (status === 'PAID') simulator.tick({ settleAllDebits: true })
      }
      await customer.orderBecomes(orderId, status)
    }
    // The order is DISPUTED by the first of the dispute's events; what it takes is told by a later one.
    await allApplied(shop)
    const period = [new Date(Date.now() - DAY), new Date(Date.now() + 2 * DAY)] as const
    const unbooked = (await checkLedger(services, ...period)).differences
    expect(unbooked.filter(line => line.includes('settled in USD'))).toHaveLength(3 + 2 + 1)
    const { errors, booked } = await reconcile(services, { requestId: 'test' })
    expect([errors, booked]).toEqual([[], 3 + 2])
    expect((await checkLedger(services, ...period)).differences).toEqual([])
    expect((await reconcile(services, { requestId: 'test' })).booked).toBe(0)
    // All that Stripe holds is dollars: what came in euros has gone through the exchange.
    const { rows } = await services.db.pool.query(
      `SELECT "currency", sum("amount")::int AS sum FROM "LedgerPosting" WHERE "account" = 'STRIPE' GROUP BY 1 ORDER BY 1`
    )
    const balance = simulator.record.balanceTransactions()
    expect(rows).toEqual([
      { currency: 'EUR', sum: 0 },
      { currency: 'USD', sum: balance.reduce((sum, { net }) => sum + net, 0) }
    ])
  })
})

it('books what a release without a ledger took, so that it can be refunded', async () => {
  await withShop(openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *' }), async shop => {
    const { services } = shop.stack
    const customer = await shop.customer('early')
    const checkout = await buy(customer, 'early')
    await customer.pay(checkout.url ?? '')
    await customer.orderBecomes(checkout.orderId ?? '', 'PAID')
    await eventually(
      () => services.db.prisma.webhookEvent.count({ where: { status: 'RECEIVED' } }),
      count => count === 0
    )
    await asOwner(
      shop,
      `SET session_replication_role = replica; DELETE FROM "LedgerPosting"; UPDATE "Payment" SET "captured" = 0; UPDATE "Order" SET "captured" = 0`
    )
    expect((await runOps(shop, 'order', 'refund', checkout.orderId ?? '')).output).toContain('ops -- reconcile')
    expect((await reconcile(services, { requestId: 'test' })).found).toHaveLength(1)
    await eventually(
      () => services.db.prisma.ledgerPosting.count(),
      count => count > 0
    )
    expect((await runOps(shop, 'order', 'refund', checkout.orderId ?? '')).code).toBe(0)
    await customer.orderBecomes(checkout.orderId ?? '', 'REFUNDED')
  })
})

describe.each(plainEngines)('on %s', engine => {
  it('keeps a poisoned event out of the way of others, and applies it when its job is retried in Bull Board', async () => {
    await withShop(openShop(engine), async shop => {
      const { services } = shop.stack
      const { prisma, pool } = services.db
      const customer = await shop.customer('poison')
      const poison = (id: string, object: object) => ({
        id,
        type: 'checkout.session.completed',
        apiVersion: null,
        livemode: false,
        created: new Date(),
        payload: JSON.stringify({ id, type: 'checkout.session.completed', created: 1, data: { object } }),
        requestId: 'test',
        receivedAt: new Date()
      })
      await storeEvents(pool, [poison('evt_poison1', { object: 'checkout.session' }), poison('evt_poison2', {})])
      await Promise.all(['evt_poison1', 'evt_poison2'].map(id => services.queues.enqueue('webhook-processing', id)))
      const checkout = await buy(customer, 'healthy')
      await customer.pay(checkout.url ?? '')
      await customer.orderBecomes(checkout.orderId ?? '', 'PAID')
      const status = async (id: string) => (await prisma.webhookEvent.findUniqueOrThrow({ where: { id } })).status
      const becomes = (id: string, wanted: string) =>
        eventually(
          () => status(id),
          seen => seen === wanted
        )
      expect(await becomes('evt_poison1', 'DEAD')).toBe('DEAD')
      expect(await becomes('evt_poison2', 'DEAD')).toBe('DEAD')
      expect((await runOps(shop, 'events', 'list', '--status', 'dead')).output).toContain('evt_poison1')

      // What it names is mended: an operator retries its failed job on the board.
      const mended = { object: 'checkout.session', id: 'cs_test_of_somebody_else', metadata: {} }
      await pool.query('UPDATE "WebhookEvent" SET "payload" = $1 WHERE "id" = $2', [
        poison('evt_poison1', mended).payload,
        'evt_poison1'
      ])
      const authorization = `Basic ${Buffer.from('ops:password of the tests').toString('base64')}`
      const url = `http://127.0.0.1:${shop.stack.api.opsPort}/ops/board/api/queues/webhook-processing/evt_poison1/retry`
      const retried = await eventually(
        () => fetch(url, { method: 'PUT', headers: { authorization } }),
        response => response.ok
      )
      expect(retried.status).toBeLessThan(300)
      expect(await becomes('evt_poison1', 'IGNORED')).toBe('IGNORED')
      expect(
        await prisma.paymentAuditLog.count({ where: { eventId: 'evt_poison1', action: 'webhook_replayed' } })
      ).toBe(1)

      expect((await runOps(shop, 'events', 'resolve', 'evt_poison2')).code).toBe(2)
      expect((await runOps(shop, 'events', 'resolve', 'evt_poison2', '--note', 'not ours')).code).toBe(0)
      expect(await prisma.webhookEvent.findUnique({ where: { id: 'evt_poison2' } })).toMatchObject({
        status: 'RESOLVED',
        resolvedBy: 'olga',
        note: 'not ours'
      })
    })
  })
})

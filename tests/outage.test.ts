import { randomBytes } from 'node:crypto'
import Stripe from 'stripe'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { type PrivateRedis, startPrivateRedis } from '../local/private-redis.js'
import { data, lineOf, type Shopper } from '../local/shopper.js'
import { isDatabaseUnavailable, openDatabase } from '../shared/database/database.js'
import { SECOND } from '../shared/duration.js'
import { requestRefunds } from '../shared/orders/refund.js'
import { openQueues, openWorkers } from '../shared/queue/queues.js'
import { createStripe } from '../shared/runtime/stripe-client.js'
import { storeEvents } from '../shared/statements/webhook-events.js'
import { upsertSchedules } from '../workers/schedules.js'
import { webhookProcessing } from '../workers/webhook-processing.js'
import { runOps } from './support/ops.js'
import { buy } from './support/purchase.js'
import { asOwner, engines, openShop, type Shop, WEBHOOK_SECRET, withShop } from './support/shop.js'

// Only where the run has a Redis at all: this one is started, stopped and started again.
const withRedis = engines.includes('redis') ? it : it.skip

withRedis(
  'accepts checkouts and webhooks while the queue store is down, and settles them once it is back',
  async () => {
    const port = await freePort()
    const first = (await startPrivateRedis(port)) as PrivateRedis
    let second: PrivateRedis | undefined
    try {
      await withShop(openShop('redis', { REDIS_URL: first.url }), async shop => {
        const customer = await shop.customer('outage')
        const product = await customer.product('stoneware-mug')
        await first.stop()

        const began = Date.now()
        const accepted = await customer.checkout({ items: [lineOf(product, 1)] })
        expect([accepted.status, accepted.headers.get('location')]).toEqual([
          202,
          `/api/stripe/checkout/${data(accepted).checkoutId}`
        ])
        const id = `evt_${randomBytes(8).toString('hex')}`
        const payload = JSON.stringify({
          id,
          object: 'event',
          type: 'customer.created',
          created: Math.floor(began / 1000),
          livemode: false,
          data: { object: {} }
        })
        const header = Stripe.webhooks.generateTestHeaderString({ payload, secret: WEBHOOK_SECRET })
        const acknowledged = await customer.request('/api/stripe/webhook', {
          method: 'POST',
          body: payload,
          headers: { 'Stripe-Signature': header }
        })
        expect([acknowledged.status, await acknowledged.json()]).toEqual([200, { received: true }])
        const readiness = await customer.request('/readyz')
        const told = await readiness.text()
        // A balancer must not take away the ingress that can still write things down.
        expect([readiness.status, told]).toEqual([200, expect.stringContaining('"status":"degraded"')])
        expect(told).toContain('the queue store does not answer')
        expect(told).not.toContain(String(port))

        // An empty store comes back: jobs and schedules are gone. The schedules are restored as the workers do each minute.
        second = (await startPrivateRedis(port)) as PrivateRedis
        await eventually(
          () =>
            upsertSchedules(shop.stack.services).then(
              () => true,
              () => false
            ),
          Boolean
        )
        expect((await customer.checkoutBecomes(data(accepted).checkoutId, 'OPEN')).status).toBe('OPEN')
        const event = await eventually(
          () => shop.stack.services.db.prisma.webhookEvent.findUniqueOrThrow({ where: { id } }),
          row => row.status !== 'RECEIVED'
        )
        expect(event.status).toBe('IGNORED')
      })
    } finally {
      await second?.stop()
      await first.stop()
    }
  }
)

it.each(engines)('survives PostgreSQL ending every connection, those in use too, on %s', async engine => {
  await withShop(openShop(engine), async shop => {
    const { services } = shop.stack
    const { pool } = services.db
    const customer = await shop.customer('terminated')
    const product = await customer.product('stoneware-mug')
    const inUse = await pool.connect()
    const endAll =
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()'
    await asOwner(shop, endAll)
    await eventually(
      () =>
        inUse.query('SELECT 1').then(
          () => false,
          () => true
        ),
      Boolean
    )
    inUse.release(true)
    // Through Prisma, too, an outage is an outage.
    const killed = services.db.prisma
      .$queryRawUnsafe('SELECT count(*) FROM "Product", pg_sleep(60)')
      .catch((error: unknown) => error)
    await eventually(
      async () => {
        await asOwner(shop, `${endAll} AND "query" LIKE '%pg_sleep(60)%'`)
        return await Promise.race([killed, undefined])
      },
      error => error !== undefined
    )
    expect(isDatabaseUnavailable(await killed)).toBe(true)
    const nowhere = `postgresql://nobody@127.0.0.1:${await freePort()}/nothing`
    const closed = openDatabase({ url: nowhere, poolSize: 1, role: undefined, log: services.log, name: 'nowhere' })
    const missing = await closed.prisma.product.findMany().catch((error: unknown) => error)
    expect(isDatabaseUnavailable(missing)).toBe(true)
    await closed.close()
    const answer = await eventually(
      () => customer.checkout({ items: [lineOf(product, 1)] }),
      ({ status }) => status < 500
    )
    expect((await customer.checkoutBecomes(data(answer).checkoutId, 'OPEN')).status).toBe('OPEN')
  })
})

it('keeps an event alive while Stripe, whom it has to ask, is away', async () => {
  await withShop(openShop('postgres', { SWEEP_AFTER_SECONDS: '3600' }), async shop => {
    const { services } = shop.stack
    const { prisma, pool } = services.db
    // It could be that of a checkout that is open.
    await buy(await shop.customer('ada'))
    const created = Math.floor(Date.now() / SECOND) + 60
    const id = 'evt_asks_about_its_payment'
    const object = { id: 're_1', object: 'refund', payment_intent: 'pi_of_somebody', amount: 100, currency: 'eur' }
    const payload = JSON.stringify({ id, type: 'refund.created', created, data: { object } })
    const envelope = { id, type: 'refund.created', apiVersion: null, livemode: false, requestId: 'test' }
    await storeEvents(pool, [{ ...envelope, created: new Date(), receivedAt: new Date(), payload }])
    const { stripe: settings } = services.config
    const nowhere = { ...settings, apiBase: `http://127.0.0.1:${await freePort()}`, maxRetries: 0 }
    const stripe = createStripe({ ...services.config, stripe: nowhere })
    await pool.query('UPDATE "WebhookEvent" SET "attempts" = 38')
    const lastTry = () =>
      webhookProcessing.handle({ ...services, stripe }, { eventId: id }, { id, attempt: 8, isLastAttempt: true })
    for (const _try of [39, 40, 41]) await expect(lastTry()).rejects.toThrow('connection to Stripe')
    expect((await prisma.webhookEvent.findUniqueOrThrow({ where: { id } })).status).toBe('RECEIVED')
    // Stripe's outage is one alert for all that wait for it; an event that waits for something else has its own, once.
    expect(await prisma.alert.count({ where: { name: 'stuck_event' } })).toBe(0)
    await asOwner(
      shop,
      `CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'busy' USING ERRCODE = '55P03'; END $$;
       CREATE TRIGGER busy BEFORE UPDATE ON "WebhookEvent" FOR EACH ROW WHEN (NEW."status" = 'IGNORED') EXECUTE FUNCTION busy()`
    )
    const busyTry = () => webhookProcessing.handle(services, { eventId: id }, { id, attempt: 8, isLastAttempt: true })
    for (const _try of [42, 43]) await expect(busyTry()).rejects.toThrow('busy')
    expect(await prisma.alert.count({ where: { name: 'stuck_event' } })).toBe(1)
    await asOwner(shop, 'DROP FUNCTION busy CASCADE')
    await services.queues.enqueue('webhook-processing', id)
    const applied = await eventually(
      () => prisma.webhookEvent.findUniqueOrThrow({ where: { id } }),
      row => row.status !== 'RECEIVED'
    )
    expect(applied.status).toBe('IGNORED')
  })
})

describe('an error of Stripe’s own, which it repeats under the same idempotency key for a day', () => {
  let shop: Shop
  let customer: Shopper
  beforeAll(async () => {
    shop = await openShop('postgres', { STRIPE_MAX_RETRIES: '0' })
    customer = await shop.customer('unlucky')
  })
  afterAll(() => shop.close())

  const buy = async (key: string) => {
    const items = [lineOf(await customer.product('stoneware-mug'), 1)]
    return data(await customer.checkout({ items }, { 'Idempotency-Key': key }))
  }
  const sessionsOf = (checkoutId: string) => shop.simulator.record.sessionsOf({ checkoutId })
  const strayOf = ({ checkoutId, sessionId }: { checkoutId: string; sessionId?: string }) =>
    sessionsOf(checkoutId).find(session => session.id !== sessionId) as Stripe.Checkout.Session

  it('costs a second and no checkout', async () => {
    shop.simulator.faults.set({ serverError: 1 })
    const checkout = await buy('one')
    expect((await customer.checkoutBecomes(checkout.checkoutId, 'OPEN')).url).toContain('/c/pay/')
    expect(sessionsOf(checkout.checkoutId)).toHaveLength(1)
  })

  it('can leave a Session behind, whose end changes nothing and whose payment a person sees', async () => {
    const { simulator } = shop
    const { services } = shop.stack
    const open = async (key: string) => {
      simulator.faults.set({ serverErrorAfterEffect: 1 })
      const { checkoutId, orderId } = await buy(key)
      return { orderId: orderId ?? '', ...(await customer.checkoutBecomes(checkoutId, 'OPEN')) }
    }
    const expired = await open('two')
    expect(sessionsOf(expired.checkoutId)).toHaveLength(2)
    await services.stripe.checkout.sessions.expire(strayOf(expired).id)
    await customer.pay(expired.url ?? '')
    await customer.orderBecomes(expired.orderId, 'PAID')

    const paid = await open('three')
    await customer.pay(strayOf(paid).url ?? '')
    await customer.orderBecomes(paid.orderId, 'NEEDS_REVIEW')
    expect((await runOps(shop, 'order', 'refund', paid.orderId)).code).toBe(0)
    await customer.orderBecomes(paid.orderId, 'PENDING')
    await customer.pay(paid.url ?? '')
    await customer.orderBecomes(paid.orderId, 'PAID')
    const events = await eventually(
      () => services.db.prisma.webhookEvent.findMany({ where: { status: { in: ['RECEIVED', 'DEAD'] } } }),
      left => left.length === 0
    )
    expect(events).toEqual([])
  })

  it('delays a refund and does not make it twice', async () => {
    const { simulator } = shop
    const { services } = shop.stack
    const refundOf = async (key: string, fault: object) => {
      const { orderId = '', url } = await buy(key)
      await customer.pay(url ?? '')
      await customer.orderBecomes(orderId, 'PAID')
      simulator.faults.set(fault)
      await requestRefunds(services, { orderId, amount: 300, operator: 'olga' })
      await eventually(
        () => services.db.prisma.refund.findFirstOrThrow({ where: { orderId } }),
        refund => refund.serverErrors > 0
      )
      return orderId
    }
    const done = await refundOf('four', { serverErrorAfterEffect: 1 })
    const undone = await refundOf('five', { serverError: 1 })
    await customer.orderBecomes(done, 'PARTIALLY_REFUNDED')
    expect(data(await customer.order(undone)).status).toBe('PAID')
    await services.db.pool.query(`UPDATE "Refund" SET "serverErrorAt" = now() - interval '11 minutes'`)
    await customer.orderBecomes(undone, 'PARTIALLY_REFUNDED')
    const made = simulator.record.refunds().map(refund => refund.metadata?.orderId)
    expect([done, undone].map(id => made.filter(order => order === id).length)).toEqual([1, 1])
  })
})

it.each(engines)('gives up a try that hangs, so that its job has another one, on %s', async engine => {
  await withShop(openShop(engine), async shop => {
    await shop.stack.stopWorkers()
    const { services, config } = shop.stack
    const workers = await openWorkers({ ...config.queue, database: { url: config.database.url } }, services.log)
    const tries: number[] = []
    const hang = async (_payload: object, { attempt }: { attempt: number }) => {
      tries.push(attempt)
      if (attempt === 1) await new Promise(() => undefined)
    }
    await workers.start('refund-creation', hang, { concurrency: 1, timeLimitMs: 200 })
    await services.queues.enqueue('refund-creation', 'hangs')
    await eventually(
      async () => tries,
      all => all.length === 2
    )
    expect(tries).toEqual([1, 2])
    await workers.close()
  })
})

it('does not run a worker or a queue whose first connection failed', async () => {
  await withShop(openShop('postgres'), async shop => {
    const { services, config } = shop.stack
    const nowhere = {
      ...config.queue,
      database: { url: config.database.url.replace(/\/[^/]*$/, '/there_is_no_such_database') }
    }
    await expect(openQueues(nowhere, services.log)).rejects.toThrow('does not exist')
    const workers = await openWorkers(nowhere, services.log)
    const tuning = { concurrency: 1, timeLimitMs: 1_000 }
    await expect(workers.start('sweep', async () => undefined, tuning)).rejects.toThrow('does not exist')
    await workers.close()
    // The process still has a turn for others.
    expect((await (await shop.customer('other')).request('/readyz')).status).toBe(200)
  })
})

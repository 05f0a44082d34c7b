import fc from 'fast-check'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { data, type Line, lineOf } from '../local/shopper.js'
import { alertOnce, alertUnlessOpen } from '../shared/audit/alerts.js'
import { HOUR, MINUTE } from '../shared/duration.js'
import { newId } from '../shared/ids.js'
import { createLogger } from '../shared/logger.js'
import { createStripe } from '../shared/runtime/stripe-client.js'
import { readInstallation } from '../shared/statements/installation.js'
import { storeEvents } from '../shared/statements/webhook-events.js'
import { startWorkers } from '../workers/start.js'
import { sweep } from '../workers/sweep.js'
import { webhookProcessing } from '../workers/webhook-processing.js'
import { alertsOf, openAlerts, reasonsOf, resolveAll } from './support/alerts.js'
import { runOps } from './support/ops.js'
import { NO_SCHEDULES as QUIET } from './support/settings.js'
import { asOwner, openShop, type Shop, withShop } from './support/shop.js'

/** The services as they are so much later. */
const later = (shop: Shop, ms: number) => {
  const at = Date.now() + ms
  return { ...shop.stack.services, now: () => new Date(at) }
}

it('raises one alert for an outage of Stripe, which counts what waits, and single ones only for what is stuck otherwise', async () => {
  await withShop(
    openShop('postgres', {
      ...QUIET,
      STRIPE_MAX_RETRIES: '0',
      CHECKOUT_WAIT_MS: '0',
      SWEEP_AFTER_SECONDS: '3600'
    }),
    async shop => {
      const { services, config } = shop.stack
      const { prisma, pool } = services.db
      const customer = await shop.customer('waiting')
      await shop.stack.stopWorkers()
      const nowhere = { ...config.stripe, apiBase: `http://127.0.0.1:${await freePort()}` }
      const cut = { ...services, stripe: createStripe({ ...config, stripe: nowhere }) }
      const workers = await startWorkers(cut)
      const items = [lineOf(await customer.product('stoneware-mug'), 1)]
      for (const key of ['one', 'two', 'three']) await customer.checkout({ items }, { 'Idempotency-Key': key })
      const waiting = await eventually(
        () => prisma.checkout.findMany({ where: { stripeAwaySince: { not: null } } }),
        all => all.length === 3
      )
      expect(waiting.map(({ status }) => status)).toEqual(Array(3).fill('VERIFIED'))
      await workers.stop()

      const sweepAfter = (ms: number) =>
        sweep.handle(later(shop, ms), {}, { id: 'test', attempt: 1, isLastAttempt: true })
      await sweepAfter(4 * MINUTE)
      expect(await alertsOf(shop, 'stripe_away')).toEqual([])
      // Each is due now and without a job that could be waited for: what was counted for it says nothing.
      await pool.query('UPDATE "Checkout" SET "requeues" = 19')
      for (const minutes of [70, 71, 72]) {
        await Promise.all(services.queues.all.map(queue => queue.obliterate({ force: true })))
        await sweepAfter(minutes * MINUTE)
      }
      expect(await reasonsOf(shop, 'stripe_away')).toEqual([
        expect.stringMatching(/^3 checkouts, 0 events and 0 refunds wait for Stripe, the first since 20/)
      ])
      expect(await alertsOf(shop, 'stuck_checkout')).toEqual([])

      // One of them is stuck for a reason of its own.
      await pool.query('UPDATE "Checkout" SET "stripeAwaySince" = NULL WHERE "id" = $1', [waiting[0]?.id])
      await Promise.all(services.queues.all.map(queue => queue.obliterate({ force: true })))
      await sweepAfter(73 * MINUTE)
      expect((await alertsOf(shop, 'stuck_checkout')).map(({ context }) => context)).toMatchObject([
        { checkoutId: waiting[0]?.id }
      ])

      // Another one is stuck for the same, perhaps.
      await pool.query('UPDATE "Checkout" SET "stripeAwaySince" = NULL, "requeues" = 19 WHERE "id" = $1', [
        waiting[1]?.id
      ])
      await Promise.all(services.queues.all.map(queue => queue.obliterate({ force: true })))
      await sweepAfter(74 * MINUTE)
      expect(await alertsOf(shop, 'stuck_checkout')).toHaveLength(1)
      expect(await prisma.paymentAuditLog.count({ where: { action: 'alert_stuck_checkout' } })).toBe(2)

      const back = await startWorkers(services)
      for (const { id } of waiting) await services.queues.offer('session-creation', id, { again: true })
      for (const { id } of waiting) await customer.checkoutBecomes(id, 'OPEN')
      await back.stop()
      await resolveAll(shop)
      await sweepAfter(75 * MINUTE)
      expect(await alertsOf(shop, 'stripe_away')).toHaveLength(1)
    }
  )
})

it('raises one alert for a key that Stripe refuses: what waits for it is neither stuck nor waits for Stripe', async () => {
  await withShop(openShop('postgres', { ...QUIET, STRIPE_MAX_RETRIES: '0', CHECKOUT_WAIT_MS: '0' }), async shop => {
    const { simulator } = shop
    const { services } = shop.stack
    const { prisma, pool } = services.db
    const customer = await shop.customer('waiting')
    simulator.faults.set({ refuseKey: 401 })
    const items = [lineOf(await customer.product('stoneware-mug'), 1)]
    for (const key of ['one', 'two', 'three']) await customer.checkout({ items }, { 'Idempotency-Key': key })
    const waiting = await eventually(
      () => prisma.checkout.findMany({ where: { status: 'VERIFIED' } }),
      all => all.length === 3
    )
    const ids = waiting.map(({ id }) => id)
    // Five hours, and each time the sweep brings another try.
    for (let round = 1; round <= 5; round++) {
      await pool.query('UPDATE "Checkout" SET "requeues" = "requeues" + 18')
      await Promise.all(services.queues.all.map(queue => queue.obliterate({ force: true })))
      await sweep.handle(later(shop, round * HOUR), {}, { id: 'test', attempt: 1, isLastAttempt: true })
      const tried = await eventually(
        () => prisma.checkout.findMany({ where: { id: { in: ids } } }),
        all => all.every(({ requeues }) => requeues === 0)
      )
      expect(tried.map(({ requeues, stripeAwaySince }) => [requeues, stripeAwaySince])).toEqual(
        Array(3).fill([0, null])
      )
    }
    expect((await prisma.alert.findMany()).map(({ name }) => name)).toEqual(['stripe_key_refused'])
    simulator.faults.set({})
    for (const id of ids) await services.queues.offer('session-creation', id, { again: true })
    for (const id of ids) await customer.checkoutBecomes(id, 'OPEN')
  })
})

describe('what many events meet for one reason', () => {
  let shop: Shop
  beforeAll(async () => {
    shop = await openShop('postgres', { ...QUIET, SWEEP_AFTER_SECONDS: '3600' })
    await shop.stack.stopWorkers()
  })
  afterAll(() => shop.close())
  afterEach(() => resolveAll(shop))

  let number = 0
  /** An event, after its last try in a row. */
  const lastTry = async (type: string, object: object) => {
    const { services } = shop.stack
    const id = `evt_reason_${number++}`
    const payload = JSON.stringify({ id, type, created: 1, data: { object } })
    const envelope = { id, type, apiVersion: null, livemode: false, requestId: 'test' }
    await storeEvents(services.db.pool, [{ ...envelope, created: new Date(), receivedAt: new Date(), payload }])
    await services.db.pool.query('UPDATE "WebhookEvent" SET "attempts" = 39 WHERE "id" = $1', [id])
    const job = { id, attempt: 8, isLastAttempt: true }
    await expect(webhookProcessing.handle(services, { eventId: id }, job)).rejects.toThrow()
    return id
  }
  const told = async (name: string) => {
    const named = (await openAlerts(shop, name)).map(({ context }) => (context as { eventId: string }).eventId)
    // Of alerts of one moment either can be the first.
    return named.toSorted((a, b) => Number(a.split('_').at(-1)) - Number(b.split('_').at(-1)))
  }
  const inTrail = async (name: string) => {
    const rows = await shop.stack.services.db.prisma.paymentAuditLog.findMany({
      where: { action: `alert_${name}` },
      orderBy: { id: 'asc' }
    })
    return rows.map(({ eventId }) => eventId)
  }

  it('raises one alert for each cause that events die of', async () => {
    const dead: string[] = []
    for (const [type, object] of [
      ['charge.succeeded', 'a form of a later version'],
      ['charge.succeeded', 'a form of a later version'],
      ['charge.updated', 'a form of a later version'],
      ['payment_intent.succeeded', 'another form']
    ] as const) {
      dead.push(await lastTry(type, { object }))
    }
    expect(await told('dead_event')).toEqual([dead[0], dead[3]])
    expect(await inTrail('dead_event')).toEqual(dead)
  })

  it('takes causes that differ in ids and numbers alone for one', async () => {
    const { db, log } = shop.stack.services
    const raised = (cause: string) => alertOnce(db.pool, log, 'dead_event', { reason: cause, cause })
    await raised("No such payment_intent: 'pi_3MtwBw' of 12.50 EUR")
    await raised("No such payment_intent: 'pi_1GszdQ' of 3 EUR")
    await raised("No such charge: 'ch_1GszdQ' of 3 EUR")
    expect(await openAlerts(shop, 'dead_event')).toHaveLength(2)
  })

  it('raises one alert for the payments of each checkout that is lost: every customer is to be paid back', async () => {
    const installation = await readInstallation(shop.stack.services.db.pool)
    const events: string[] = []
    for (const checkoutId of [newId(), newId(), newId()]) {
      const metadata = { checkoutId, installation: installation[0] }
      const intent = { object: 'payment_intent', id: `pi_${checkoutId}`, metadata }
      const charge = { object: 'charge', id: `ch_${checkoutId}`, payment_intent: intent.id, metadata }
      events.push(await lastTry('payment_intent.succeeded', intent), await lastTry('charge.succeeded', charge))
    }
    expect(await told('payment_for_unknown_checkout')).toEqual([events[0], events[2], events[4]])
    expect(await inTrail('payment_for_unknown_checkout')).toEqual(events)
  })

  it('raises one alert for all that a busy database holds up', async () => {
    await asOwner(
      shop,
      `CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'busy' USING ERRCODE = '55P03'; END $$;
       CREATE TRIGGER busy BEFORE UPDATE ON "WebhookEvent" FOR EACH ROW WHEN (NEW."status" = 'IGNORED') EXECUTE FUNCTION busy()`
    )
    const held = [await lastTry('customer.created', {}), await lastTry('customer.updated', {})]
    await asOwner(shop, 'DROP FUNCTION busy CASCADE')
    expect(await told('stuck_event')).toEqual(held.slice(0, 1))
  })
})

describe('what many checkouts meet for one reason', () => {
  let shop: Shop
  beforeEach(async () => {
    shop = await openShop('postgres', { ...QUIET, RECONCILE_GRACE_MINUTES: '0' })
  })
  afterEach(() => shop.close())

  const trailOf = (name: string) =>
    shop.stack.services.db.prisma.paymentAuditLog.findMany({ where: { action: `alert_${name}` } })
  const buy = async (userId: string, line: Line, orderId?: string) => {
    const customer = await shop.customer(userId)
    return await customer.checkout({ items: [line], orderId }, { 'Idempotency-Key': `${userId} ${number++}` })
  }
  let number = 0

  it('raises one alert for each reason for which Stripe refuses their Sessions', async () => {
    const customer = await shop.customer('looking')
    const [mug, lamp] = [await customer.product('stoneware-mug'), await customer.product('desk-lamp')]
    shop.simulator.faults.set({ refused: 3 })
    for (const userId of ['a', 'b', 'c']) expect((await buy(userId, lineOf(mug, 1))).status).toBe(502)
    expect(await alertsOf(shop, 'session_refused')).toHaveLength(1)
    shop.simulator.faults.set({ refused: 2, refusalCode: 'product_not_allowed' })
    for (const userId of ['d', 'e']) expect((await buy(userId, lineOf(lamp, 1))).status).toBe(502)
    expect(await alertsOf(shop, 'session_refused')).toHaveLength(2)
    expect((await trailOf('session_refused')).map(({ userId }) => userId).sort()).toEqual(['a', 'b', 'c', 'd', 'e'])
    await resolveAll(shop)
    shop.simulator.faults.set({ refused: 1 })
    await buy('f', lineOf(mug, 1))
    expect(await alertsOf(shop, 'session_refused')).toHaveLength(3)
  })

  it('raises one alert for the Sessions that a key of another account does not know, and names each', async () => {
    const { services } = shop.stack
    const mug = lineOf(await (await shop.customer('looking')).product('stoneware-mug'), 1)
    const opened = []
    for (const userId of ['a', 'b', 'c', 'd']) opened.push(data(await buy(userId, mug)))
    for (const { sessionId = '' } of opened) shop.simulator.record.forget(sessionId)
    await services.db.pool.query(`UPDATE "Checkout" SET "sessionExpiresAt" = now() - interval '1 day'`)
    for (let run = 0; run < 2; run++) expect((await runOps(shop, 'reconcile')).code).toBe(1)
    const alerts = await alertsOf(shop, 'session_unknown')
    // The first could be one that was deleted.
    expect(alerts.map(({ context }) => (context as { subject: string }).subject)).toEqual([
      expect.stringMatching(new RegExp(opened.map(({ checkoutId }) => checkoutId).join('|'))),
      'several checkouts'
    ])
    const { output } = await runOps(shop, 'attention')
    for (const { checkoutId } of opened) {
      const command = `checkout expire ${checkoutId} --unknown-to-stripe --reason`
      expect(output).toContain(command)
      const trail = (await trailOf('session_unknown')).filter(each => each.checkoutId === checkoutId)
      expect(trail.map(({ error }) => error)).toEqual(Array(2).fill(expect.stringContaining(command)))
    }
  })

  it('raises one alert for a customer who tries to pay the order of another one again and again', async () => {
    const owner = await shop.customer('owner')
    const line = lineOf(await owner.product('stoneware-mug'), 1)
    const { orderId } = data(await buy('owner', line))
    for (let time = 0; time < 3; time++) expect((await buy('stranger', line, orderId)).status).toBe(403)
    expect((await alertsOf(shop, 'order_of_another_user')).map(({ context }) => context)).toMatchObject([
      { userId: 'stranger', orderId }
    ])
    expect(await trailOf('order_of_another_user')).toHaveLength(3)
  })

  it('is raised with its audit row, or not at all', async () => {
    const { pool } = shop.stack.services.db
    const lines: string[] = []
    const destination = { write: (line: string) => void lines.push(line) }
    const log = createLogger({ level: 'error', production: true, name: 'test', destination })
    const raise = () => alertUnlessOpen(pool, log, 'stripe_away', { reason: 'test' })
    await asOwner(shop, 'REVOKE INSERT ("action") ON "PaymentAuditLog" FROM tillworks_app')
    await expect(raise()).rejects.toThrow('permission denied')
    expect([await alertsOf(shop, 'stripe_away'), lines]).toEqual([[], []])
    await asOwner(shop, 'GRANT INSERT ("action") ON "PaymentAuditLog" TO tillworks_app')
    expect([await raise(), await raise()]).toEqual([true, false])
    expect([await alertsOf(shop, 'stripe_away'), lines, await trailOf('stripe_away')].map(each => each.length)).toEqual(
      [1, 1, 1]
    )
  })
})

it('raises an alert, and writes the trail, whatever is in their texts', async () => {
  await withShop(openShop('postgres'), async shop => {
    const { db, log } = shop.stack.services
    const anyText = fc.string({ unit: 'binary', maxLength: 300 })
    const odd = fc.oneof(
      anyText,
      anyText.map(text => `${text}\0`),
      anyText.map(text => `${text}\ud83d`)
    )
    await fc.assert(
      fc.asyncProperty(odd, odd, async (subject, reason) => {
        await resolveAll(shop)
        expect(await alertUnlessOpen(db.pool, log, 'installation_name_lost', { subject, reason })).toBe(true)
        expect(await alertUnlessOpen(db.pool, log, 'installation_name_lost', { subject, reason })).toBe(false)
      }),
      {
        numRuns: 40,
        examples: [
          ['a\0b', 'c\ud83dd'],
          ['', `${'x'.repeat(254)}😀`]
        ]
      }
    )
  })
})

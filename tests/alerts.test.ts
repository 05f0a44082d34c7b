import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import Stripe from 'stripe'
import { watchRefusedSignatures } from '../api/refused-signatures.js'
import { startApi } from '../api/start.js'
import type { SignatureFault } from '../api/webhook-signature.js'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { data, type Line, lineOf } from '../local/shopper.js'
import { alertUnlessOpen } from '../shared/audit/alerts.js'
import { loadConfig } from '../shared/config/config.js'
import { openDatabase } from '../shared/database/database.js'
import { HOUR, MINUTE, SECOND } from '../shared/duration.js'
import { createLogger } from '../shared/logger.js'
import type { JobName } from '../shared/queue/jobs.js'
import { reportLateSchedules, watchSchedules } from '../shared/queue/schedule-watch.js'
import { lateSince, type Schedule } from '../shared/queue/schedules.js'
import { createStripe } from '../shared/runtime/stripe-client.js'
import { orderNotification } from '../workers/order-notification.js'
import { startWorkers } from '../workers/start.js'
import { sweep } from '../workers/sweep.js'
import { runOps } from './support/ops.js'
import { asOwner, engines, openShop, type Shop, WEBHOOK_SECRET, withShop } from './support/shop.js'
import { startTcpProxy } from './support/tcp-proxy.js'

const QUIET = {
  SWEEP_EVERY_SECONDS: '3600',
  KEY_CLEANUP_CRON: '0 0 1 1 *',
  RECONCILE_CRON: '0 0 1 1 *',
  RETENTION_CRON: '0 0 1 1 *'
}
const NOTIFIED = {
  ORDER_WEBHOOK_URL: 'http://127.0.0.1:9/hook',
  ORDER_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}`
}

const alertsOf = (shop: Shop, name: string) =>
  shop.stack.services.db.prisma.alert.findMany({ where: { name }, orderBy: { createdAt: 'asc' } })

const reasonsOf = async (shop: Shop, name: string) =>
  (await alertsOf(shop, name)).map(({ context }) => (context as { reason: string }).reason)

async function resolveAll(shop: Shop): Promise<void> {
  await shop.stack.services.db.pool.query('UPDATE "Alert" SET "resolvedAt" = now()')
}

/** The services as they are so much later. */
const later = (shop: Shop, ms: number) => {
  const at = Date.now() + ms
  return { ...shop.stack.services, now: () => new Date(at) }
}

describe.each(engines)('a scheduled job on %s', engine => {
  let shop: Shop
  beforeAll(async () => {
    shop = await openShop(engine, { ...QUIET, SWEEP_EVERY_SECONDS: '1' })
  })
  afterAll(() => shop.close())

  const runNow = (name: JobName) => shop.stack.services.queues.all.find(queue => queue.name === name)?.add(name, {})
  const failures = () =>
    shop.stack.services.db.prisma.checkpoint.findUnique({ where: { name: 'schedule:key-cleanup:failed' } })

  it('that ends well says when', async () => {
    const find = () => shop.stack.services.db.prisma.checkpoint.findUnique({ where: { name: 'schedule:sweep' } })
    const first = await eventually(find, row => row !== null)
    const next = await eventually(find, row => Number(row?.at) > Number(first?.at))
    expect(Number(next?.at)).toBeGreaterThan(Number(first?.at))
  })

  it('that fails raises one alert, however often it fails, and another once that is resolved', async () => {
    await asOwner(shop, 'REVOKE DELETE ON "IdempotencyKey" FROM tillworks_app')
    let last: Date | undefined
    for (const expected of [1, 1]) {
      await runNow('key-cleanup')
      const failed = await eventually(failures, row => Number(row?.at ?? 0) > Number(last ?? 0))
      last = failed?.at
      const alerts = await eventually(
        () => alertsOf(shop, 'schedule_failed'),
        all => all.length >= expected
      )
      expect(alerts.map(({ context }) => context)).toEqual(
        Array(expected).fill({ subject: 'key-cleanup', reason: expect.stringContaining('permission denied') })
      )
    }
    await resolveAll(shop)
    await runNow('key-cleanup')
    expect(
      await eventually(
        () => alertsOf(shop, 'schedule_failed'),
        all => all.length === 2
      )
    ).toHaveLength(2)
    await asOwner(shop, 'GRANT DELETE ON "IdempotencyKey" TO tillworks_app')
    await runNow('key-cleanup')
    const ended = await eventually(
      () => shop.stack.services.db.prisma.checkpoint.findUnique({ where: { name: 'schedule:key-cleanup' } }),
      row => row !== null
    )
    expect(ended).not.toBeNull()
    // A success resolves nothing: a person has to have seen it.
    expect((await alertsOf(shop, 'schedule_failed')).filter(({ resolvedAt }) => resolvedAt === null)).toHaveLength(1)
  })
})

describe('a schedule that does not run', () => {
  const begun = new Date('2026-11-25T12:02:00Z')
  const at = (minutes: number) => new Date(begun.getTime() + minutes * MINUTE)
  const often: Schedule = { name: 'sweep', repeat: { every: 15 * SECOND } }
  const rarely: Schedule = { name: 'sweep', repeat: { every: HOUR } }
  const ofTokyo: Schedule = { name: 'retention', repeat: { pattern: '10 21 * * *', timeZone: 'Asia/Tokyo' } }
  const tens: Schedule = { name: 'reconcile', repeat: { pattern: '*/10 * * * *' } }

  it.each([
    ['new, within five minutes', often, {}, 4, undefined],
    ['new, after five minutes', often, {}, 6, 0.25],
    ['ended a moment ago', often, { ended: at(59) }, 60, undefined],
    ['ended long ago', often, { ended: at(50) }, 60, 50.25],
    ['one of each hour, two missed', rarely, { ended: at(0) }, 121, 60],
    ['one of each hour, one missed', rarely, { ended: at(0) }, 119, undefined],
    ['due at 12:10, within a quarter of an hour', tens, {}, 22, undefined],
    ['due at 12:10, after a quarter of an hour', tens, {}, 24, 8],
    ['ended at 12:11, due at 12:20', tens, { ended: at(9) }, 32, undefined],
    ['running since 12:10', tens, { started: at(8) }, 60, undefined],
    ['running since 12:10, for more than its limit', tens, { started: at(8) }, 69, 8],
    ['begun again and again, and failed', tens, { started: at(58), failed: at(59) }, 60, 8],
    ['what was due before anybody watched', tens, { ended: at(-3_000) }, 20, undefined],
    ['due at 21:10 in Tokyo, after a quarter of an hour', ofTokyo, {}, 24, 8],
    ['due at 21:10 in Tokyo, within it', ofTokyo, {}, 22, undefined],
    ['of a new pattern, within its first quarter of an hour', tens, { ended: at(-3_000), set: at(55) }, 72, undefined],
    ['of a new pattern, after that', tens, { ended: at(-3_000), set: at(55) }, 74, 58]
  ] as [string, Schedule, object, number, number | undefined][])('%s', (_what, schedule, runs, now, late) => {
    expect(lateSince(schedule, runs, begun, at(now))).toEqual(late === undefined ? undefined : at(late))
  })

  it('cannot come of a pattern that nothing reads: it is refused at the start', () => {
    const settings = (pattern: string) => () => loadConfig({ RETENTION_CRON: pattern })
    for (const pattern of ['every night', '61 * * * *', '0 0 31 2 *']) {
      expect(settings(pattern)).toThrow('RETENTION_CRON: expected a cron pattern')
    }
    expect(settings('17 3 * * *')).not.toThrow('RETENTION_CRON')
  })

  it('raises one alert for each that is late, by name, and none in a new shop', async () => {
    await withShop(
      openShop('postgres', { ...QUIET, SWEEP_EVERY_SECONDS: '15', RECONCILE_CRON: '*/10 * * * *' }),
      async shop => {
        await shop.stack.stopWorkers()
        const since = new Date()
        await reportLateSchedules(later(shop, 4 * MINUTE), since)
        expect(await alertsOf(shop, 'schedule_late')).toEqual([])
        const both = [later(shop, HOUR), later(shop, HOUR + MINUTE)]
        await Promise.all([...both, ...both].map(services => reportLateSchedules(services, since)))
        const late = await alertsOf(shop, 'schedule_late')
        expect(late.map(({ context }) => (context as { subject: string }).subject).sort()).toEqual([
          'reconcile',
          'sweep'
        ])
        expect((await reasonsOf(shop, 'schedule_late')).join()).toContain('sweep runs every 15 seconds, was due at')
        expect(
          await shop.stack.services.db.prisma.paymentAuditLog.count({ where: { action: 'alert_schedule_late' } })
        ).toBe(2)
      }
    )
  })

  it('is judged by the settings of the workers, which they write down, and not by those of who looks', async () => {
    await withShop(openShop('postgres', { ...QUIET, RETENTION_CRON: '*/10 * * * *' }), async shop => {
      await shop.stack.stopWorkers()
      const { config } = shop.stack.services
      const schedules = { ...config.schedules, reconcileCron: '*/10 * * * *', retentionCron: '0 0 1 1 *' }
      await reportLateSchedules({ ...later(shop, HOUR), config: { ...config, schedules } }, new Date())
      const { timeZone } = Intl.DateTimeFormat().resolvedOptions()
      expect((await alertsOf(shop, 'schedule_late')).map(({ context }) => context)).toEqual([
        {
          subject: 'retention',
          reason: expect.stringContaining(`retention runs at */10 * * * * (${timeZone}), was due`)
        }
      ])
    })
  })

  it('is not late for a turn that nobody could write down while the database was away', async () => {
    const proxy = await startTcpProxy(process.env.TILLWORKS_TEST_POSTGRES ?? '')
    const shop = await openShop('postgres', { ...QUIET, SWEEP_EVERY_SECONDS: '15' })
    const real = globalThis.setInterval
    const { config, log } = shop.stack.services
    let look: () => Promise<void> = async () => undefined
    let time = Date.now()
    const url = proxy.url(config.database.url)
    const db = openDatabase({ ...config.database, url, poolSize: 1, log, name: 'test', statementTimeoutMs: SECOND })
    const services = { ...shop.stack.services, db, now: () => new Date(time) }
    globalThis.setInterval = ((run: typeof look) => {
      look = run
      return real(() => undefined, HOUR)
    }) as unknown as typeof setInterval
    const watch = watchSchedules(services)
    globalThis.setInterval = real
    const lookAfter = async (minutes: number) => {
      time += minutes * MINUTE
      await look()
      return (await alertsOf(shop, 'schedule_late')).length
    }
    try {
      await shop.stack.stopWorkers()
      expect(await lookAfter(1)).toBe(0)
      proxy.silence()
      expect(await lookAfter(60)).toBe(0)
      proxy.heal()
      // The first may find a connection that was lost.
      expect([await lookAfter(1), await lookAfter(1), await lookAfter(3)]).toEqual([0, 0, 0])
      expect(await lookAfter(3)).toBe(1)
    } finally {
      watch.stop()
      await db.close()
      await shop.close()
      await proxy.close()
    }
  })

  it('is seen by the ingress, when no worker runs', async () => {
    const shop = await openShop('postgres', { ...QUIET, SWEEP_EVERY_SECONDS: '15' })
    const minutely: (() => void)[] = []
    const real = globalThis.setInterval
    try {
      await shop.stack.stopWorkers()
      let time = Date.now()
      const services = { ...shop.stack.services, now: () => new Date(time) }
      globalThis.setInterval = ((run: () => void, ms: number, ...rest: unknown[]) => {
        if (ms === MINUTE) minutely.push(run)
        return real(run, ms, ...rest)
      }) as typeof setInterval
      const api = await startApi(services, await freePort())
      time += HOUR
      for (const run of minutely) run()
      const late = await eventually(
        () => alertsOf(shop, 'schedule_late'),
        all => all.length > 0
      )
      expect(late.map(({ context }) => (context as { subject: string }).subject)).toEqual(['sweep'])
      await api.stopAccepting()
      await api.close()
    } finally {
      globalThis.setInterval = real
      await shop.close()
    }
  })
})

describe('refused signatures', () => {
  let shop: Shop
  beforeEach(async () => {
    shop = await openShop('postgres', QUIET)
  })
  afterEach(() => shop.close())

  let number = 0
  const deliver = async (sign: { secret?: string; timestamp?: number; header?: string | null } = {}) => {
    const id = `evt_alert_${number++}`
    const event = { id, object: 'event', type: 'customer.created', created: 1, livemode: false, data: { object: {} } }
    const payload = JSON.stringify(event)
    const { secret = WEBHOOK_SECRET, timestamp } = sign
    const right = Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp })
    const header = sign.header === undefined ? right : sign.header
    const headers: Record<string, string> = header === null ? {} : { 'Stripe-Signature': header }
    const url = `http://127.0.0.1:${shop.stack.api.port}/api/stripe/webhook`
    return (await fetch(url, { method: 'POST', body: payload, headers })).status
  }
  const deliverMany = async (count: number, sign?: Parameters<typeof deliver>[0]) => {
    for (let each = 0; each < count; each++) await deliver(sign)
  }
  const raised = () =>
    eventually(
      () => reasonsOf(shop, 'signatures_refused'),
      all => all.length > 0
    )
  const trail = () => shop.stack.services.db.prisma.paymentAuditLog.count()

  it('of another secret raise one alert that says so, and no row each', async () => {
    const before = await trail()
    await deliverMany(60, { secret: 'whsec_rolled' })
    expect(await raised()).toEqual([expect.stringContaining('STRIPE_WEBHOOK_SECRET')])
    expect((await trail()) - before).toBe(1)
  })

  it('of another time say by how much the clock is off', async () => {
    await deliverMany(20, { timestamp: Math.floor(Date.now() / 1_000) - 1_000 })
    expect(await raised()).toEqual([expect.stringMatching(/clock is about \d{3,4} seconds ahead of Stripe’s/)])
  })

  it('that are none say so', async () => {
    await deliverMany(20, { header: 't=1,v1' })
    expect(await raised()).toEqual([expect.stringContaining('has no signature')])
  })

  it('that are few, fewer than the good ones, or missing raise nothing', async () => {
    await deliverMany(40, { header: null })
    await deliverMany(19, { secret: 'whsec_rolled' })
    await deliverMany(25)
    await deliverMany(5, { secret: 'whsec_rolled' })
    await deliverMany(1)
    expect(await reasonsOf(shop, 'signatures_refused')).toEqual([])
    await deliverMany(2, { secret: 'whsec_rolled' })
    expect(await raised()).toHaveLength(1)
  })

  describe('of a small shop', () => {
    const secret = { kind: 'secret', reason: 'test' } as const
    /** A process that refuses or accepts a delivery after so many more minutes. */
    const watched = () => {
      let time = Date.now()
      const watch = watchRefusedSignatures({ ...shop.stack.services, now: () => new Date(time) })
      return {
        refuse(minutes: number, fault: SignatureFault = secret) {
          time += minutes * MINUTE
          watch.refused(fault)
        },
        accept(minutes: number) {
          time += minutes * MINUTE
          watch.accepted()
        }
      }
    }
    const count = async () => (await reasonsOf(shop, 'signatures_refused')).length

    it('raise an alert when none was accepted for an hour, and three were refused in more than ten minutes', async () => {
      const watch = watched()
      watch.accept(1)
      for (const minutes of [1, 30, 28]) watch.refuse(minutes)
      expect(await count()).toBe(0)
      watch.refuse(2)
      expect(await raised()).toEqual([
        expect.stringMatching(/^None was accepted since .*Z, and 4 deliveries were refused .*STRIPE_WEBHOOK_SECRET/)
      ])
    })

    it('raise one in three days of 16 in five minutes, each day when it is resolved', async () => {
      const watch = watched()
      for (let day = 1; day <= 3; day++) {
        for (let minute = 0; minute < 24 * 60; minute += 5) {
          for (let each = 0; each < 16; each++) watch.refuse(each === 0 ? 5 : 0)
        }
        expect(
          await eventually(
            () => count(),
            alerts => alerts >= day
          )
        ).toBe(day)
        await resolveAll(shop)
      }
    })

    it('raise none in the first hour of a process, for what comes at once, or bears no signature that could be right', async () => {
      const young = watched()
      for (let each = 0; each < 5; each++) young.refuse(11)
      const atOnce = watched()
      for (const minutes of [70, 4, 5]) atOnce.refuse(minutes)
      const none = watched()
      for (let each = 0; each < 12; each++) none.refuse(30, { kind: 'malformed', reason: 'test' })
      const some = watched()
      for (let each = 0; each < 5; each++) {
        some.refuse(30)
        some.accept(20)
      }
      expect(await count()).toBe(0)
      atOnce.refuse(2)
      expect(await raised()).toEqual([expect.stringContaining('and 4 deliveries were refused')])
    })
  })

  it('raise an alert again after an hour, and not after five minutes without', async () => {
    let time = Date.now()
    const { services } = shop.stack
    const watch = watchRefusedSignatures({ ...services, now: () => new Date(time) })
    const refuse = (count: number) => {
      for (let each = 0; each < count; each++) watch.refused({ kind: 'secret', reason: 'test' })
    }
    refuse(10)
    time += 6 * MINUTE
    refuse(10)
    expect(await reasonsOf(shop, 'signatures_refused')).toEqual([])
    refuse(10)
    expect(await raised()).toHaveLength(1)
    await resolveAll(shop)
    time += 50 * MINUTE
    refuse(30)
    time += 11 * MINUTE
    refuse(30)
    expect(
      await eventually(
        () => reasonsOf(shop, 'signatures_refused'),
        all => all.length === 2
      )
    ).toHaveLength(2)
  })
})

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

      const back = await startWorkers(services)
      for (const { id } of waiting) await services.queues.offer('session-creation', id, { again: true })
      for (const { id } of waiting) await customer.checkoutBecomes(id, 'OPEN')
      await back.stop()
      await resolveAll(shop)
      await sweepAfter(74 * MINUTE)
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
    const { prisma } = shop.stack.services.db
    const customer = await shop.customer('looking')
    const [mug, lamp] = [await customer.product('stoneware-mug'), await customer.product('desk-lamp')]
    shop.simulator.faults.set({ refused: 3 })
    for (const userId of ['a', 'b', 'c']) expect((await buy(userId, lineOf(mug, 1))).status).toBe(502)
    expect(await alertsOf(shop, 'session_refused')).toHaveLength(1)
    await prisma.product.update({ where: { id: lamp.id }, data: { description: 'long '.repeat(8_001) } })
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

describe('a shop that is told of its orders', () => {
  let shop: Shop
  let hook: Server
  let refuses: (orderId: string) => boolean
  beforeAll(async () => {
    hook = createServer((request, response) => {
      let text = ''
      request.on('data', chunk => {
        text += chunk
      })
      request.on('end', () => {
        response.statusCode = refuses(JSON.parse(text).data.orderId) ? 500 : 200
        response.end()
      })
    })
    await new Promise<void>(resolve => hook.listen(0, '127.0.0.1', resolve))
    const { port } = hook.address() as AddressInfo
    shop = await openShop('postgres', { ...QUIET, ...NOTIFIED, ORDER_WEBHOOK_URL: `http://127.0.0.1:${port}/hook` })
  })
  afterAll(async () => {
    await shop.close()
    await new Promise(resolve => hook.close(resolve))
  })

  const buy = async (key: string) => {
    const customer = await shop.customer('told')
    const items = [lineOf(await customer.product('linen-notebook'), 1)]
    const { orderId = '', url } = data(await customer.checkout({ items }, { 'Idempotency-Key': key }))
    await customer.pay(url ?? '')
    await customer.orderBecomes(orderId, 'PAID')
    return orderId
  }
  const notificationsOf = (orderId: string) =>
    shop.stack.services.db.prisma.notification.findMany({ where: { orderId }, orderBy: { sequence: 'asc' } })

  it('hears of what a command without ORDER_WEBHOOK_URL does', async () => {
    refuses = () => false
    const customer = await shop.customer('told')
    const { ORDER_WEBHOOK_URL: _url, ORDER_WEBHOOK_SECRET: _secret, ...env } = shop.stack.env
    const elsewhere = { ...shop, stack: { ...shop.stack, env } }
    const items = [lineOf(await customer.product('desk-lamp'), 1)]
    const open = data(await customer.checkout({ items }, { 'Idempotency-Key': 'to be cancelled' }))
    expect(await runOps(elsewhere, 'order', 'cancel', open.orderId ?? '', '--reason', 'test')).toMatchObject({
      code: 0
    })
    const told = await eventually(
      () => notificationsOf(open.orderId ?? ''),
      all => all.length > 0 && all.every(({ status }) => status === 'DELIVERED')
    )
    expect(told.map(({ type, status }) => [type, status])).toEqual([['order.cancelled', 'DELIVERED']])
  })

  it('and takes none raises one alert; one that refuses one order’s raises one for that order', async () => {
    refuses = () => true
    const orders = [await buy('a'), await buy('b'), await buy('c')]
    const { pool } = shop.stack.services.db
    await eventually(
      async () => (await Promise.all(orders.map(notificationsOf))).flat(),
      all => all.length === 3 && all.every(({ attempts }) => attempts > 0)
    )
    await shop.stack.stopWorkers()
    const fail = async (orderId: string, attempts: number) => {
      await pool.query(
        'UPDATE "Notification" SET "attempts" = $2, "nextAttemptAt" = now(), "leasedUntil" = NULL WHERE "orderId" = $1',
        [orderId, attempts]
      )
      const [notification] = await notificationsOf(orderId)
      const payload = { notificationId: notification?.id ?? '' }
      await orderNotification
        .handle(shop.stack.services, payload, { id: 'test', attempt: 1, isLastAttempt: false })
        .catch(() => undefined)
    }
    for (const orderId of orders) await fail(orderId, 6)
    expect(await alertsOf(shop, 'shop_away')).toEqual([])
    for (const orderId of orders) for (const attempts of [7, 10, 14]) await fail(orderId, attempts)
    expect((await notificationsOf(orders[0] ?? ''))[0]?.status).toBe('FAILED')
    expect(await reasonsOf(shop, 'shop_away')).toEqual([expect.stringContaining('takes none: the shop answered 500')])
    expect(await alertsOf(shop, 'notification_failed')).toEqual([])

    const [poison = '', fine = ''] = orders
    refuses = orderId => orderId === poison
    await pool.query(`UPDATE "Notification" SET "status" = 'PENDING' WHERE "orderId" = ANY($1)`, [[poison, fine]])
    await fail(fine, 0)
    await fail(poison, 14)
    expect((await alertsOf(shop, 'notification_failed')).map(({ context }) => context)).toMatchObject([
      { orderId: poison }
    ])
    expect(await alertsOf(shop, 'shop_away')).toHaveLength(1)
  })
})

import { startApi } from '../api/start.js'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { loadConfig } from '../shared/config/config.js'
import { openDatabase } from '../shared/database/database.js'
import { HOUR, MINUTE, SECOND } from '../shared/duration.js'
import type { JobName } from '../shared/queue/jobs.js'
import { reportLateSchedules, watchSchedules } from '../shared/queue/schedule-watch.js'
import { lateSince, type Schedule } from '../shared/queue/schedules.js'
import { alertsOf, reasonsOf, resolveAll } from './support/alerts.js'
import { NO_SCHEDULES as QUIET } from './support/settings.js'
import { asOwner, engines, openShop, type Shop, withShop } from './support/shop.js'
import { startTcpProxy } from './support/tcp-proxy.js'

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

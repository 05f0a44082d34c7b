import Stripe from 'stripe'
import { watchRefusedSignatures } from '../api/refused-signatures.js'
import type { SignatureFault } from '../api/webhook-signature.js'
import { eventually } from '../local/eventually.js'
import { MINUTE } from '../shared/duration.js'
import { reasonsOf, resolveAll } from './support/alerts.js'
import { NO_SCHEDULES as QUIET } from './support/settings.js'
import { openShop, type Shop, WEBHOOK_SECRET } from './support/shop.js'

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

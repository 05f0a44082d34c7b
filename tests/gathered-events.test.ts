import fc from 'fast-check'
import type Stripe from 'stripe'
import { eventually } from '../local/eventually.js'
import { HOUR } from '../shared/duration.js'
import { gatherEvents, MOST_EVENTS_A_JOB } from '../shared/queue/gathered-events.js'
import { rowJob } from '../shared/queue/jobs.js'
import { storeEvents } from '../shared/statements/webhook-events.js'
import { sweep } from '../workers/sweep.js'
import { JOB } from './support/fresh-shop.js'
import { allApplied, buy, intentOf } from './support/purchase.js'
import { NO_SCHEDULES } from './support/settings.js'
import { engines, openShop, type Shop, withShop } from './support/shop.js'
import { post } from './support/signed-delivery.js'

const idsOf = (data: object): string[] =>
  'eventIds' in data ? (data.eventIds as string[]) : Object.values(data as Record<string, string>)

describe('what is stored at the same time', () => {
  const payment = fc.option(fc.constantFrom('pi_1', 'pi_2', 'pi_3'), { nil: null })
  const stored = fc
    .array(payment, { minLength: 1, maxLength: 200 })
    .map(payments => payments.map((paymentIntentId, index) => ({ id: `evt_${index}`, paymentIntentId })))

  it('is enqueued whole, each event once, no job longer than others can bear, none twice', () => {
    fc.assert(
      fc.property(stored, events => {
        const jobs = gatherEvents(events)
        expect(jobs.flatMap(({ data }) => idsOf(data)).sort()).toEqual(events.map(({ id }) => id).sort())
        for (const { data } of jobs) expect(idsOf(data).length).toBeLessThanOrEqual(MOST_EVENTS_A_JOB)
        expect(new Set(jobs.map(({ opts }) => opts.jobId)).size).toBe(jobs.length)
        for (const { opts } of jobs) expect(opts.jobId).toMatch(/^[\w.-]+$/)
      })
    )
  })

  it('has one job a payment, while a job can take all of it', () => {
    fc.assert(
      fc.property(stored, events => {
        const jobs = gatherEvents(events)
        for (const name of ['pi_1', 'pi_2', 'pi_3']) {
          const ids = events.filter(({ paymentIntentId }) => paymentIntentId === name).map(({ id }) => id)
          const holding = jobs.filter(({ data }) => idsOf(data).some(id => ids.includes(id)))
          expect(holding.length).toBe(Math.ceil(ids.length / MOST_EVENTS_A_JOB))
        }
      })
    )
  })

  it('has the jobs of its rows when there are few of different payments', () => {
    const events = ['evt_1', 'evt_2', 'evt_3', 'evt_4', 'evt_5'].map(id => ({ id, paymentIntentId: `pi_of_${id}` }))
    expect(gatherEvents(events)).toEqual(events.map(({ id }) => rowJob('webhook-processing', id)))
  })
})

describe.each(engines)('deliveries at the same time, on %s', engine => {
  it('are each applied once, and the one that cannot be is tried by itself', async () => {
    await withShop(openShop(engine, NO_SCHEDULES), async shop => {
      const { services } = shop.stack
      const ada = await shop.customer('ada')
      const bought = await Promise.all(Array.from({ length: 6 }, () => buy(ada, 'linen-notebook', 1)))
      shop.simulator.faults.set({ dropDeliveries: 1 })
      for (const { url } of bought) await ada.pay(url)
      await shop.simulator.idle()
      const spoiled = spoil(shop, intentOf(shop, bought[0]?.sessionId ?? ''))
      const answers = await Promise.all(
        shop.simulator.record.undelivered().map(event => post(ada, event.id === spoiled.id ? spoiled : event))
      )
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
      const { prisma } = services.db
      const unapplied = await eventually(
        () => prisma.webhookEvent.findMany({ where: { status: { in: ['RECEIVED', 'DEAD'] } } }),
        rows => rows.every(({ status }) => status === 'DEAD')
      )
      expect(unapplied).toMatchObject([{ id: spoiled.id, error: expect.stringContaining('not an amount') }])
      for (const { orderId } of bought) await ada.orderBecomes(orderId, 'PAID')
      const trail = await prisma.paymentAuditLog.findMany({ where: { action: 'webhook_processed' } })
      expect(new Set(trail.map(({ eventId }) => eventId)).size).toBe(trail.length)
      expect(await prisma.paymentAuditLog.count({ where: { action: 'order_paid' } })).toBe(bought.length)
      const queue = services.queues.all.find(({ name }) => name === 'webhook-processing')
      const done = (await queue?.getCompleted()) ?? []
      expect(done.some(({ data }) => idsOf(data).length > 1)).toBe(true)
    })
  })
})

describe.each(engines)('a backlog, on %s', engine => {
  it('is left to its jobs by the sweep, which finds what has none', async () => {
    await withShop(openShop(engine, NO_SCHEDULES), async shop => {
      const { services } = shop.stack
      const { pool } = services.db
      const queue = services.queues.all.find(({ name }) => name === 'webhook-processing')
      if (queue === undefined) throw new Error('There is no such queue')
      const events = Array.from({ length: 40 }, (_, index) => neighbourly(`evt_behind${index}`))
      await storeEvents(pool, events)
      const later = { ...services, now: () => new Date(Date.now() + HOUR) }
      const waiting = () => queue.getWaitingCount()
      await queue.pause()
      await Promise.all(events.map(event => services.queues.offerStored(event)))
      const jobs = await waiting()
      expect(jobs).toBeLessThan(events.length)
      await sweep.handle(later, {}, JOB)
      expect(await waiting()).toBe(jobs)

      await queue.resume()
      await allApplied(shop)

      await storeEvents(pool, [neighbourly('evt_without_a_job')])
      await sweep.handle(later, {}, JOB)
      await allApplied(shop)
    })
  })
})

/** An event that is none of ours. */
const neighbourly = (id: string) => ({
  id,
  type: 'customer.created',
  apiVersion: null,
  livemode: false,
  created: new Date(),
  payload: JSON.stringify({ id, type: 'customer.created', object: 'event', data: { object: {} } }),
  requestId: 'behind',
  receivedAt: new Date(),
  paymentIntentId: null
})

/** The charge of a payment, as nobody could apply it. */
function spoil(shop: Shop, intent: string): Stripe.Event {
  const charge = shop.simulator.record
    .undelivered()
    .find(event => event.type === 'charge.succeeded' && event.data.object.payment_intent === intent)
  if (charge === undefined) throw new Error(`There is no charge of ${intent}`)
  return { ...charge, data: { object: { ...charge.data.object, amount: 'a lot' } } } as unknown as Stripe.Event
}

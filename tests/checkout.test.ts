import { eventually } from '../local/eventually.js'
import { data, lineOf, type Shopper } from '../local/shopper.js'
import { upsertSchedules } from '../workers/schedules.js'
import { engines, openShop, type Shop, withShop } from './support/shop.js'

describe.each(engines)('checkout on %s', engine => {
  let shop: Shop
  beforeAll(async () => {
    shop = await openShop(engine, { CHECKOUT_WAIT_MS: '30000' })
  })
  afterAll(() => shop.close())

  it('makes one Session of 50 concurrent identical checkouts', async () => {
    const customer = await shop.customer('fifty')
    const items = [lineOf(await customer.product('stoneware-mug'), 1)]
    const answers = await Promise.all(Array.from({ length: 50 }, () => customer.checkout({ items })))
    expect(answers.map(answer => answer.status)).toEqual(Array(50).fill(200))
    expect(new Set(answers.map(answer => data(answer).sessionId)).size).toBe(1)
    expect(shop.simulator.record.sessionsOf({ userId: 'fifty' })).toHaveLength(1)
    expect((await customer.product('stoneware-mug')).stock).toBe(39)
  })

  it('lets 3 of 20 customers have the last 3 items', async () => {
    const customers = await Promise.all(Array.from({ length: 20 }, (_, index) => shop.customer(`racer-${index}`)))
    const print = await (customers[0] as Shopper).product('signed-print')
    const answers = await Promise.all(customers.map(customer => customer.checkout({ items: [lineOf(print, 1)] })))
    expect(answers.filter(answer => answer.status === 200)).toHaveLength(3)
    expect(answers.filter(answer => answer.status === 400)).toHaveLength(17)
    expect((await (customers[0] as Shopper).product('signed-print')).stock).toBe(0)
  })

  it('makes one Session when the answer of Stripe is lost after it took effect', async () => {
    const customer = await shop.customer('lost-answer')
    shop.simulator.faults.set({ dropResponse: 2 })
    const checkout = data(await customer.checkout({ items: [lineOf(await customer.product('linen-notebook'), 1)] }))
    const settled =
      checkout.sessionId === undefined ? await customer.checkoutBecomes(checkout.checkoutId, 'OPEN') : checkout
    const sessions = shop.simulator.record.sessionsOf({ userId: 'lost-answer' })
    expect(sessions.map(session => session.id)).toEqual([settled.sessionId])
  })

  it('settles what was in flight when the queue store lost everything', async () => {
    const customer = await shop.customer('flushed')
    const items = [lineOf(await customer.product('olive-tree'), 1)]
    for (const queue of shop.stack.services.queues.all) await queue.pause()
    const accepted = await customer.checkout({ items }, { Prefer: 'respond-async' })
    expect(accepted.status).toBe(202)
    for (const queue of shop.stack.services.queues.all) await queue.obliterate({ force: true })
    for (const queue of shop.stack.services.queues.all) await queue.resume()
    await upsertSchedules(shop.stack.services)
    expect((await customer.checkoutBecomes(data(accepted).checkoutId, 'OPEN')).status).toBe('OPEN')
  })

  it('replays the outcome of an Idempotency-Key and refuses the key for another cart', async () => {
    const customer = await shop.customer('keyed')
    const wrong = { ...lineOf(await customer.product('desk-lamp'), 1), price: 1 }
    const first = await customer.checkout({ items: [wrong] }, { 'Idempotency-Key': 'k1' })
    const again = await customer.checkout({ items: [wrong] }, { 'Idempotency-Key': 'k1' })
    const other = await customer.checkout({ items: [{ ...wrong, quantity: 2 }] }, { 'Idempotency-Key': 'k1' })
    expect([first.status, again.status, other.status]).toEqual([400, 400, 422])
    expect(again.body).toEqual(first.body)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
  })

  it('lets a customer buy the same cart again once the first is paid', async () => {
    const customer = await shop.customer('twice')
    const items = [lineOf(await customer.product('linen-notebook'), 2)]
    const first = data(await customer.checkout({ items }))
    await customer.pay(first.url ?? '')
    await customer.orderBecomes(first.orderId ?? '', 'PAID')
    const second = data(await customer.checkout({ items }))
    expect(second.checkoutId).not.toBe(first.checkoutId)
    expect(second.status).toBe('OPEN')
  })

  it('writes an audit row for every step', async () => {
    const customer = await shop.customer('audited')
    const checkout = data(await customer.checkout({ items: [lineOf(await customer.product('stoneware-mug'), 1)] }))
    await customer.pay(checkout.url ?? '')
    await customer.orderBecomes(checkout.orderId ?? '', 'PAID')
    const rows = await eventually(
      () =>
        shop.stack.services.db.prisma.paymentAuditLog.findMany({
          where: { checkoutId: checkout.checkoutId, action: { not: 'webhook_processed' } },
          orderBy: { id: 'asc' }
        }),
      found => found.length >= 5
    )
    expect(rows.map(row => row.action)).toEqual([
      'checkout_received',
      'checkout_verified',
      'checkout_session_created',
      'checkout_paid',
      'order_paid'
    ])
  })
})

it('answers 502 and gives the stock back when Stripe refuses the Session', async () => {
  await withShop(openShop('postgres'), async shop => {
    const customer = await shop.customer('refused')
    const lamp = await customer.product('desk-lamp')
    shop.simulator.faults.set({ refused: 1 })
    const answer = await customer.checkout({ items: [lineOf(lamp, 1)] })
    expect([answer.status, answer.body.success === false && answer.body.error]).toEqual([502, 'Payment service error'])
    expect((await customer.product('desk-lamp')).stock).toBe(lamp.stock)
    expect(await shop.stack.services.db.prisma.idempotencyKey.count()).toBe(0)
    expect(await shop.stack.services.db.prisma.alert.count({ where: { name: 'session_refused' } })).toBe(1)
  })
})

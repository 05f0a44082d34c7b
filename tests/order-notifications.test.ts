import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { eventually } from '../local/eventually.js'
import { data, lineOf } from '../local/shopper.js'
import { orderNotification } from '../workers/order-notification.js'
import { alertsOf, reasonsOf } from './support/alerts.js'
import { runOps } from './support/ops.js'
import { NO_SCHEDULES as QUIET } from './support/settings.js'
import { openShop, plainEngines, type Shop, withShop } from './support/shop.js'

const NOTIFIED = {
  ORDER_WEBHOOK_URL: 'http://127.0.0.1:9/hook',
  ORDER_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}`
}

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

describe.each(plainEngines)('on %s', engine => {
  it('tells the shop about each change of an order once, in order, signed, and again after a failure', async () => {
    const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
    const heard: { id: string; type: string; data: { orderId: string; sequence: number; status: string } }[] = []
    let refuse = 2
    const receiver = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      if (refuse-- > 0) return response.writeHead(500).end()
      const event = new Webhook(secret).verify(
        body,
        request.headers as Record<string, string>
      ) as (typeof heard)[number]
      heard.push({ ...event, id: String(request.headers['webhook-id']) })
      response.writeHead(204).end()
    })
    await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve))
    const port = (receiver.address() as AddressInfo).port
    const settings = { ORDER_WEBHOOK_URL: `http://127.0.0.1:${port}/hook`, ORDER_WEBHOOK_SECRET: secret }
    try {
      await withShop(openShop(engine, settings), async shop => {
        const customer = await shop.customer('told')
        const items = [lineOf(await customer.product('stoneware-mug'), 1)]
        const checkout = data(await customer.checkout({ items }, { 'Idempotency-Key': 'told' }))
        await customer.pay(checkout.url ?? '')
        await customer.orderBecomes(checkout.orderId ?? '', 'PAID')
        const { paymentIntentId } = await shop.stack.services.db.prisma.payment.findFirstOrThrow()
        await shop.stack.services.stripe.refunds.create({ payment_intent: paymentIntentId, amount: 100 })
        await customer.orderBecomes(checkout.orderId ?? '', 'PARTIALLY_REFUNDED')
        await shop.stack.services.stripe.refunds.create({ payment_intent: paymentIntentId, amount: 200 })
        await shop.stack.services.stripe.refunds.create({ payment_intent: paymentIntentId })
        await eventually(
          async () => heard,
          all => all.length >= 4
        )
        const types = ['order.paid', 'order.partially_refunded', 'order.partially_refunded', 'order.refunded']
        expect(heard.map(event => event.type)).toEqual(types)
        expect(heard.map(event => event.data.sequence)).toEqual([1, 2, 3, 4])
        expect((await runOps(shop, 'notifications', 'list')).output).toContain('order.refunded')
        expect((await runOps(shop, 'notifications', 'replay', heard[3]?.id ?? '')).code).toBe(0)
        await eventually(
          async () => heard,
          all => all.length === 5
        )
        expect(heard[4]).toEqual(heard[3])
      })
    } finally {
      receiver.close()
      receiver.closeAllConnections()
    }
  })
})

import { createServer, request as forward, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { eventually } from '../local/eventually.js'
import { data, lineOf, type Shopper } from '../local/shopper.js'
import { HOUR } from '../shared/duration.js'
import { requestRefunds } from '../shared/orders/refund.js'
import { reconcileObjects } from '../shared/reconcile/reconcile-objects.js'
import { createStripe } from '../shared/runtime/stripe-client.js'
import { backUp, outcomeOf, restore } from './support/backup.js'
import { runOps } from './support/ops.js'
import { intentOf, openStray } from './support/purchase.js'
import { asOwner, openShop, type Shop } from './support/shop.js'

const QUIET = { RECONCILE_CRON: '0 0 1 1 *' }
/** Debits and refunds end when a test says so. */
const SLOW = { simulator: { debitMs: 3_600_000 } }

/** An order with what happens to it before the backup and after it; all of it is delivered. */
interface Life {
  name: string
  card?: string
  before?(order: Order): Promise<unknown>
  after?(order: Order): Promise<unknown>
  /** In the backup; and in the end. */
  status: [before: string, after: string]
}

interface Order {
  shop: Shop
  customer: Shopper
  orderId: string
  checkoutId: string
  sessionId: string
  url: string
  pay(card?: string): Promise<unknown>
  intent(): string
  refund(amount?: number, metadata?: Record<string, string>): Promise<unknown>
  answerDispute(evidence: string): Promise<unknown>
}

const pay = (card?: string) => (order: Order) => order.pay(card)
const DISPUTED = '4000000000000259'

/** Pays what Stripe has made besides, although nobody was told of it. Returns its PaymentIntent. */
async function payStray({ shop, customer, checkoutId }: Order): Promise<string> {
  const { id, url } = await openStray(shop, checkoutId)
  await customer.pay(url)
  return intentOf(shop, id)
}

const lives: Life[] = [
  { name: 'nothing happens', before: pay(), status: ['PAID', 'PAID'] },
  {
    name: 'refunded in the dashboard, goods back on the shelf',
    before: pay(),
    after: order => order.refund(undefined, { restock: 'all' }),
    status: ['PAID', 'REFUNDED']
  },
  {
    name: 'refunded by an operator',
    before: pay(),
    after: ({ shop, orderId }) =>
      requestRefunds(shop.stack.services, {
        orderId,
        amount: 450,
        operator: 'olga',
        reason: 'chipped',
        restock: 'all'
      }),
    status: ['PAID', 'PARTIALLY_REFUNDED']
  },
  {
    name: 'refunded twice, before and after',
    before: async order => {
      await order.pay()
      await order.customer.orderBecomes(order.orderId, 'PAID')
      await order.refund(300)
    },
    after: order => order.refund(200),
    status: ['PARTIALLY_REFUNDED', 'PARTIALLY_REFUNDED']
  },
  {
    name: 'refund that fails days after it succeeded',
    before: async order => {
      await order.pay('4000000000005126')
      await order.customer.orderBecomes(order.orderId, 'PAID')
      await order.refund()
    },
    status: ['REFUNDED', 'PAID']
  },
  {
    name: 'refund that is made and fails',
    before: pay('4000000000005126'),
    after: order => order.refund(500),
    status: ['PAID', 'PAID']
  },
  {
    name: 'refund on its way that arrives',
    before: async order => {
      await order.pay('4000000000007726')
      await order.customer.orderBecomes(order.orderId, 'PAID')
      await order.refund(100)
    },
    status: ['PARTIALLY_REFUNDED', 'PARTIALLY_REFUNDED']
  },
  {
    name: 'dispute that is won',
    before: pay(DISPUTED),
    after: order => order.answerDispute('winning_evidence'),
    status: ['DISPUTED', 'PAID']
  },
  {
    name: 'dispute that is lost',
    before: pay(DISPUTED),
    after: order => order.answerDispute('losing_evidence'),
    status: ['DISPUTED', 'DISPUTED']
  },
  {
    name: 'dispute that is opened and lost',
    after: async order => {
      await order.pay(DISPUTED)
      await order.answerDispute('losing_evidence')
    },
    status: ['PENDING', 'DISPUTED']
  },
  {
    name: 'inquiry that is closed',
    before: pay('4000000000001976'),
    after: order => order.answerDispute('winning_evidence'),
    status: ['PAID', 'PAID']
  },
  { name: 'paid', after: pay(), status: ['PENDING', 'PAID'] },
  {
    name: 'paid and refunded',
    after: async order => {
      await order.pay()
      await order.refund(200)
    },
    status: ['PENDING', 'PARTIALLY_REFUNDED']
  },
  {
    name: 'expired',
    after: ({ shop, sessionId }) => shop.stack.services.stripe.checkout.sessions.expire(sessionId),
    status: ['PENDING', 'PENDING']
  },
  { name: 'bank debit that pays', before: pay('DE89370400440532013000'), status: ['PROCESSING', 'PAID'] },
  { name: 'bank debit that fails', before: pay('DE62370400440532013001'), status: ['PROCESSING', 'PENDING'] },
  {
    name: 'refund that was asked for, and the answer not stored yet',
    before: pay(),
    after: ({ shop, orderId }) => requestRefunds(shop.stack.services, { orderId, amount: 250, operator: 'olga' }),
    status: ['PAID', 'PARTIALLY_REFUNDED']
  },
  {
    name: 'bank debit that is given and pays',
    after: pay('DE89370400440532013000'),
    status: ['PENDING', 'PAID']
  },
  {
    name: 'bank debit that is given and fails',
    after: pay('DE62370400440532013001'),
    status: ['PENDING', 'PENDING']
  },
  {
    name: 'declined, then paid',
    async after(order) {
      await order.pay('4000000000000002')
      await order.pay()
    },
    status: ['PENDING', 'PAID']
  },
  {
    name: 'dispute that is opened and won, then a refund',
    async after(order) {
      await order.pay(DISPUTED)
      await order.answerDispute('winning_evidence')
      await order.refund(150)
    },
    status: ['PENDING', 'PARTIALLY_REFUNDED']
  },
  { name: 'paid through another Session', after: payStray, status: ['PENDING', 'NEEDS_REVIEW'] },
  {
    name: 'paid through another Session as well, which is refunded',
    before: pay(),
    async after(order) {
      const payment_intent = await payStray(order)
      await order.customer.orderBecomes(order.orderId, 'NEEDS_REVIEW')
      await order.shop.stack.services.stripe.refunds.create({ payment_intent })
    },
    status: ['PAID', 'PAID']
  },
  { name: 'its Session was made and not stored yet', after: pay(), status: ['PENDING', 'PAID'] }
]

const holds: Life[] = [
  {
    name: 'captured by an operator',
    before: pay(),
    after: ({ shop, orderId }) => runOps(shop, 'order', 'capture', orderId),
    status: ['AUTHORIZED', 'PAID']
  },
  {
    name: 'captured in part in the dashboard',
    before: pay(),
    after: order => order.shop.stack.services.stripe.paymentIntents.capture(order.intent(), { amount_to_capture: 500 }),
    status: ['AUTHORIZED', 'PAID']
  },
  {
    name: 'captured and refunded',
    before: pay(),
    async after(order) {
      await order.shop.stack.services.stripe.paymentIntents.capture(order.intent())
      await order.refund(300)
    },
    status: ['AUTHORIZED', 'PARTIALLY_REFUNDED']
  },
  {
    name: 'cancelled in the dashboard',
    before: pay(),
    after: order => order.shop.stack.services.stripe.paymentIntents.cancel(order.intent()),
    status: ['AUTHORIZED', 'CANCELLED']
  },
  {
    name: 'authorized and captured in part, which is refunded',
    async after(order) {
      await order.pay()
      await order.shop.stack.services.stripe.paymentIntents.capture(order.intent(), { amount_to_capture: 500 })
      await order.refund()
    },
    status: ['PENDING', 'REFUNDED']
  },
  {
    name: 'authorized and cancelled',
    async after(order) {
      await order.pay()
      await order.shop.stack.services.stripe.paymentIntents.cancel(order.intent())
    },
    status: ['PENDING', 'CANCELLED']
  },
  { name: 'authorized', after: pay(), status: ['PENDING', 'AUTHORIZED'] }
]

async function begin(shop: Shop, customer: Shopper, key: string, slug = 'stoneware-mug'): Promise<Order> {
  const items = [lineOf(await customer.product(slug), 1)]
  const opened = data(await customer.checkout({ items }, { 'Idempotency-Key': key }))
  const { checkoutId, orderId = '', sessionId = '', url = '' } = opened
  const { simulator } = shop
  const { services } = shop.stack
  const intent = () => String(simulator.record.session(sessionId ?? '')?.payment_intent)
  return {
    shop,
    customer,
    orderId,
    checkoutId,
    sessionId: sessionId ?? '',
    url: url ?? '',
    intent,
    pay: card => customer.pay(url ?? '', card),
    refund: (amount, metadata) => services.stripe.refunds.create({ payment_intent: intent(), amount, metadata }),
    async answerDispute(evidence) {
      const { id = '' } = simulator.record.disputesOf(intent())[0] ?? {}
      await services.stripe.disputes.update(id, { evidence: { uncategorized_text: evidence } })
    }
  }
}

/** Until everything that Stripe has told, and what follows, is applied. */
async function settled({ stack, simulator }: Shop): Promise<void> {
  await simulator.idle()
  const { prisma } = stack.services.db
  await eventually(
    async () =>
      (await prisma.webhookEvent.count({ where: { status: 'RECEIVED' } })) +
      (await prisma.refund.count({ where: { status: 'REQUESTED' } })),
    count => count === 0
  )
  await simulator.idle()
}

const verify = (shop: Shop) =>
  runOps(shop, 'ledger', 'verify', '--until', new Date(Date.now() + 2 * 86_400_000).toISOString())

describe.each([
  ['charged at once', lives, {}],
  ['charged by hand', holds, { PAYMENT_CAPTURE_METHOD: 'manual' }]
] as const)('a shop restored from a backup, %s', (_kind, all, env) => {
  let shop: Shop
  let since = ''
  const orders = new Map<string, Order>()
  const before = new Map<string, object>()
  const original = new Map<string, object>()
  const restored = async () => {
    const now = new Map<string, object>()
    for (const [name, { orderId }] of orders) now.set(name, await outcomeOf(shop, orderId))
    return now
  }

  beforeAll(async () => {
    shop = await openShop('postgres', { ...QUIET, ...env }, SLOW)
    await shop.stack.services.db.pool.query('UPDATE "Product" SET "stock" = 1000')
    const customer = await shop.customer('restored')
    for (const life of all) {
      const order = await begin(shop, customer, life.name)
      orders.set(life.name, order)
      await life.before?.(order)
    }
    await settled(shop)
    expect((await verify(shop)).output).toContain('The ledger is right')
    for (const { name, status } of all) await customer.orderBecomes(orders.get(name)?.orderId ?? '', status[0])
    await backUp(shop)
    for (const [name, state] of await restored()) before.set(name, state)
    since = new Date().toISOString()
    const unstored = orders.get('its Session was made and not stored yet')?.checkoutId
    await asOwner(
      shop,
      `UPDATE backup."Checkout" SET "status" = 'VERIFIED', "sessionId" = NULL, "sessionUrl" = NULL WHERE "id" = '${unstored}'`
    )

    for (const { name, after } of all) await after?.(orders.get(name) as Order)
    await settled(shop)
    shop.simulator.tick({ settleAllDebits: true })
    await settled(shop)
    for (const { name, status } of all) await customer.orderBecomes(orders.get(name)?.orderId ?? '', status[1])
    expect((await verify(shop)).output).toContain('The ledger is right')
    for (const [name, state] of await restored()) original.set(name, state)

    await shop.stack.stopWorkers()
    const asked = orders.get('refund that was asked for, and the answer not stored yet')?.orderId
    await asOwner(
      shop,
      `INSERT INTO backup."Refund" SELECT * FROM "Refund" WHERE "orderId" = '${asked}';
       UPDATE backup."Refund" SET "status" = 'REQUESTED', "stripeId" = NULL WHERE "orderId" = '${asked}'`
    )
    await restore(shop)
  })
  afterAll(() => shop.close())

  it('does not find by events what was delivered', async () => {
    expect(await runOps(shop, 'reconcile', '--since', since)).toMatchObject({ code: 0 })
    const now = await restored()
    for (const { name } of all.filter(each => each.name !== 'nothing happens')) {
      expect([name, now.get(name)]).not.toEqual([name, original.get(name)])
    }
  })

  it('has every order, its ledger and its stock as they were, once the objects were read', async () => {
    const answer = await runOps(shop, 'reconcile', '--objects', '--since', since)
    expect(await restored()).toEqual(original)
    expect(answer).toMatchObject({ code: 0 })
    const changed = [...orders].filter(([name]) => name !== 'nothing happens')
    for (const [, { orderId }] of changed) expect(answer.output).toContain(`order ${orderId}: repaired`)
    expect(answer.output).toContain('still different 0')
    const verified = await verify(shop)
    expect([verified.code, verified.output]).toEqual([0, expect.stringContaining('The ledger is right')])
    expect(await runOps(shop, 'audit', 'verify')).toMatchObject({ code: 0 })
  })

  it('stores events for what differed alone, and none the second time', async () => {
    const { prisma } = shop.stack.services.db
    const events = await prisma.webhookEvent.findMany({ where: { id: { startsWith: 'found_' } } })
    expect(events.length).toBeGreaterThan(0)
    expect(events.map(event => event.status)).toEqual(events.map(() => 'PROCESSED'))
    const untouched = orders.get('nothing happens')?.intent()
    if (untouched !== undefined) expect(JSON.stringify(events.map(event => event.payload))).not.toContain(untouched)
    const again = await runOps(shop, 'reconcile', '--objects', '--since', since)
    expect([again.code, again.output]).toEqual([0, expect.stringMatching(/of which differed +0, still different 0/)])
    expect(await prisma.webhookEvent.count({ where: { id: { startsWith: 'found_' } } })).toBe(events.length)
    expect(await restored()).toEqual(original)
  })
})

describe('what a backup does not have', () => {
  let shop: Shop
  let customer: Shopper
  let since: Date
  beforeAll(async () => {
    shop = await openShop('postgres', QUIET, SLOW)
    customer = await shop.customer('late')
    await backUp(shop)
    since = new Date()
    const [paid, open, refunded] = [
      await begin(shop, customer, 'paid'),
      await begin(shop, customer, 'open'),
      await begin(shop, customer, 'refunded')
    ]
    await paid.pay()
    await refunded.pay()
    await settled(shop)
    await refunded.refund()
    await settled(shop)
    made = { paid, open, refunded }
    await shop.stack.stopWorkers()
    await restore(shop)
  })
  let made: Record<'paid' | 'open' | 'refunded', Order>
  afterAll(() => shop.close())

  it('is reported, and money for it raises one alert, however often it is found', async () => {
    for (const _run of [1, 2]) {
      const answer = await runOps(shop, 'reconcile', '--objects', '--since', since.toISOString())
      expect(answer.code).toBe(0)
      expect(answer.output).toContain(
        `payment ${made.paid.intent()} (succeeded) names checkout ${made.paid.checkoutId}`
      )
      expect(answer.output).toContain(`Session ${made.open.sessionId}, which can still be paid`)
      expect(answer.output).not.toContain(made.refunded.checkoutId)
    }
    const alerts = await shop.stack.services.db.prisma.alert.findMany()
    expect(alerts.map(({ name, context }) => [name, (context as { orderId: string }).orderId])).toEqual([
      ['payment_for_unknown_checkout', made.paid.orderId]
    ])
  })

  it('is not looked for without the time of the backup, or in the future', async () => {
    const bare = await runOps(shop, 'reconcile', '--objects')
    expect([bare.code, bare.output]).toEqual([2, expect.stringContaining('the time of the backup')])
    const late = await runOps(shop, 'reconcile', '--objects', '--since', '2999-01-01')
    expect([late.code, late.output]).toEqual([2, expect.stringContaining('still to come')])
  })
})

describe('when Stripe goes away or refuses in the middle', () => {
  let shop: Shop
  let gate: Server
  let left = Number.POSITIVE_INFINITY
  let refuse: ((path: string) => boolean) | undefined
  const orders: Order[] = []
  let since: Date
  beforeAll(async () => {
    shop = await openShop('postgres', QUIET, SLOW)
    const customer = await shop.customer('away')
    for (const key of ['one', 'two', 'three', 'four', 'five', 'six']) {
      const order = await begin(shop, customer, key)
      orders.push(order)
      await order.pay()
    }
    await settled(shop)
    await backUp(shop)
    since = new Date(Date.now() - HOUR)
    for (const order of orders) await order.refund(100)
    await settled(shop)
    await shop.stack.stopWorkers()
    // Lets so many requests through to the simulator; after that nobody answers.
    gate = createServer((request, response) => {
      if (left-- <= 0) return request.socket.destroy()
      if (refuse?.(request.url ?? '')) {
        response.writeHead(404, { 'Content-Type': 'application/json' })
        return response.end(
          '{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No such thing"}}'
        )
      }
      const { method, url, headers } = request
      const target = forward({ port: shop.simulator.port, method, path: url, headers }, answer => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      })
      request.pipe(target)
    })
    await new Promise<void>(resolve => gate.listen(0, '127.0.0.1', resolve))
  })
  beforeEach(() => restore(shop))
  afterAll(async () => {
    gate.closeAllConnections()
    await new Promise(resolve => gate.close(resolve))
    await shop.close()
  })

  const run = (from?: Date) => {
    const { services, config } = shop.stack
    const { port } = gate.address() as AddressInfo
    const stripe = createStripe({
      ...config,
      stripe: { ...config.stripe, apiBase: `http://127.0.0.1:${port}`, maxRetries: 0 }
    })
    return reconcileObjects({ ...services, stripe }, { since, from, requestId: 'test' })
  }
  const refunded = () =>
    shop.stack.services.db.prisma.order.count({ where: { status: 'PARTIALLY_REFUNDED', refunded: 100 } })

  it('says what was done and where to go on, and the next run does the rest', async () => {
    // The five lists of three days without anything, then the list of PaymentIntents, and three calls for each of four.
    left = 3 * 5 + 1 + 4 * 3
    const first = await run()
    expect(first.errors).toEqual([expect.stringContaining('connection')])
    expect(first.goOnFrom).toBeInstanceOf(Date)
    expect([first.different, await refunded()]).toEqual([4, 4])
    left = Number.POSITIVE_INFINITY
    const second = await run(first.goOnFrom)
    expect([second.errors, second.goOnFrom, second.different, await refunded()]).toEqual([[], undefined, 2, 6])
    const audit = await shop.stack.services.db.prisma.paymentAuditLog.findMany({
      where: { action: 'objects_reconciled' },
      orderBy: { id: 'asc' }
    })
    expect(audit.map(row => row.status)).toEqual(['FAILED', 'SUCCESS'])
  })

  it('lists what Stripe refuses to tell about one, and reads the others', async () => {
    left = Number.POSITIVE_INFINITY
    const [other] = orders as [Order]
    refuse = path => path.startsWith('/v1/disputes?') && path.includes(other.intent())
    const report = await run()
    refuse = undefined
    expect([report.errors, report.goOnFrom]).toEqual([['No such thing'], undefined])
    expect([report.different, await refunded()]).toEqual([5, 5])
  })
})

import type pg from 'pg'
import type Stripe from 'stripe'
import { startApi } from '../api/start.js'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { address, createShopper, data, type Line, lineOf, type Shopper } from '../local/shopper.js'
import { writeAudit } from '../shared/audit/audit.js'
import { HOUR } from '../shared/duration.js'
import { newId } from '../shared/ids.js'
import { createLogger } from '../shared/logger.js'
import { requestRefunds } from '../shared/orders/refund.js'
import type { SimulatorOptions } from '../simulator/start.js'
import { priceVerification } from '../workers/price-verification.js'
import { refundCreation } from '../workers/refund-creation.js'
import { sessionCreation } from '../workers/session-creation.js'
import { runOps } from './support/ops.js'
import { randomFrom } from './support/random.js'
import { openShop, type Shop } from './support/shop.js'

const shops: Shop[] = []
afterEach(() => Promise.all(shops.splice(0).map(shop => shop.close())))

async function open(env: Record<string, string> = {}, simulator: Partial<SimulatorOptions> = {}): Promise<Shop> {
  const shop = await openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *', ...env }, { simulator })
  shops.push(shop)
  return shop
}

/** A product of its own, as a line that buys one of it. */
async function stocked(shop: Shop, stock: number, currency = 'EUR'): Promise<Line> {
  const id = newId()
  const product = { id, slug: id, name: `Product ${id}`, price: 1_000n, currency, stock }
  await shop.stack.services.db.prisma.product.create({ data: product })
  return { productId: id, name: product.name, price: 10, quantity: 1 }
}

let keys = 0
const buy = (customer: Shopper, items: Line[], orderId?: string) =>
  customer.checkout({ items, orderId }, { 'Idempotency-Key': `key ${keys++}` })

async function available(shop: Shop, { productId }: Line): Promise<number> {
  const product = await shop.stack.services.db.prisma.product.findUniqueOrThrow({ where: { id: productId } })
  return product.stock - product.reserved
}

function session(shop: Shop, id?: string): Stripe.Checkout.Session | undefined {
  return shop.simulator.record.session(String(id))
}

const openAlerts = (shop: Shop, name: string) =>
  shop.stack.services.db.prisma.alert.findMany({ where: { name, resolvedAt: null } })

async function age(shop: Shop, checkoutId: string, minutes: number): Promise<void> {
  await shop.stack.services.db.pool.query(
    `UPDATE "Checkout" SET "createdAt" = "createdAt" - make_interval(mins => $2) WHERE "id" = $1`,
    [checkoutId, minutes]
  )
}

async function locksWaitedFor(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query(
    `SELECT count(*)::int AS waiting FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()`
  )
  return rows[0].waiting
}

/** Does what reserves stock so many times that all of them wait for each other before they reserve. */
async function meeting<T>(pool: pg.Pool, size: number, work: () => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN; LOCK TABLE "Reservation" IN SHARE MODE')
    const result = work()
    const seen = await eventually(
      () => locksWaitedFor(pool),
      count => count === size,
      8_000
    )
    await client.query('COMMIT')
    expect(seen).toBe(size)
    return await result
  } finally {
    client.release()
  }
}

const DECLINED = ['0002', '9995', '9987', '9979', '6975', '0069', '0127', '0119'].map(end => `400000000000${end}`)

describe('limits are counted under a lock', () => {
  it('lets no more than RESERVATION_MAX_OPEN of parallel carts of different products stay open', async () => {
    const shop = await open({ RESERVATION_MAX_OPEN: '3' })
    const hoarder = await shop.customer('hoarder')
    const lines = await Promise.all(Array.from({ length: 12 }, () => stocked(shop, 5)))
    const { prisma, pool } = shop.stack.services.db
    const answers = await meeting(pool, lines.length, () => Promise.all(lines.map(line => buy(hoarder, [line]))))
    await eventually(
      () => prisma.checkout.count({ where: { status: { in: ['RECEIVED', 'VERIFIED'] } } }),
      inFlight => inFlight === 0
    )
    const sessions = shop.simulator.record.sessions()
    expect(sessions.filter(({ status }) => status === 'open')).toHaveLength(3)
    expect(await prisma.checkout.count({ where: { status: 'OPEN' } })).toBe(3)
    const held = await Promise.all(lines.map(async line => 5 - (await available(shop, line))))
    expect(held.reduce((sum, each) => sum + each, 0)).toBe(3)
    expect(answers.map(({ status }) => status).filter(status => status >= 400)).toEqual([])
  })

  it('lets no more than FRAUD_MAX_ATTEMPTS_PER_HOUR of parallel checkouts through several ingress processes', async () => {
    const shop = await open({ FRAUD_CHECK_ENABLED: 'true', FRAUD_MAX_ATTEMPTS_PER_HOUR: '5' })
    const line = await stocked(shop, 1_000)
    const others = await Promise.all([1, 2, 3].map(async () => startApi(shop.stack.services, await freePort())))
    try {
      const authSecret = shop.stack.config.auth.secret
      for (const userId of ['first', 'second', 'third']) {
        const everywhere = await Promise.all(
          [shop.stack.api, ...others].map(({ port }) =>
            createShopper({ port, authSecret, userId, email: `${userId}@shop.example` })
          )
        )
        const answers = await Promise.all(
          Array.from({ length: 24 }, (_, number) => buy(everywhere[number % 4] as Shopper, [line]))
        )
        expect([userId, answers.filter(({ status }) => status !== 429).length]).toEqual([userId, 5])
      }
    } finally {
      await Promise.all(others.map(async api => [await api.stopAccepting(), await api.close()]))
    }
  })
})

describe('a limit of declines ends what is open', () => {
  const rules = { FRAUD_CHECK_ENABLED: 'true', FRAUD_MAX_ATTEMPTS_PER_HOUR: '100', FRAUD_CHALLENGE_ATTEMPTS: '100' }

  it('expires all open Sessions of a customer that tries many cards in one of them, with one alert', async () => {
    const shop = await open({ ...rules, FRAUD_BLOCK_DECLINES: '4', FRAUD_BLOCK_CARDS: '4' })
    const [tester, neighbour] = [await shop.customer('tester'), await shop.customer('neighbour')]
    const line = await stocked(shop, 10)
    const [tested, other] = [data(await buy(tester, [line])), data(await buy(tester, [line]))]
    const neighbours = data(await buy(neighbour, [line]))
    for (const card of DECLINED) await tester.pay(tested.url ?? '', card)

    await tester.checkoutBecomes(tested.checkoutId, 'EXPIRED')
    await tester.checkoutBecomes(other.checkoutId, 'EXPIRED')
    expect([tested, other, neighbours].map(({ sessionId }) => session(shop, sessionId)?.status)).toEqual([
      'expired',
      'expired',
      'open'
    ])
    expect((await tester.pay(tested.url ?? '', '4242424242424242')).status).toBe(410)
    expect(await available(shop, line)).toBe(9)
    expect((await buy(tester, [line])).status).toBe(403)
    const [alert, ...more] = await openAlerts(shop, 'card_testing')
    expect([alert?.context, more]).toMatchObject([{ userId: 'tester', reason: expect.stringContaining('5 d') }, []])
    const asked = await shop.stack.services.db.prisma.paymentAuditLog.findMany({
      where: { action: 'checkout_expire_requested' }
    })
    expect(asked.map(({ checkoutId }) => checkoutId).sort()).toEqual([tested.checkoutId, other.checkoutId].sort())
  })

  it('counts declines in several Sessions that are told at the same time, each but one below the limit', async () => {
    const shop = await open({ ...rules, FRAUD_BLOCK_DECLINES: '7' })
    const tester = await shop.customer('tester')
    const line = await stocked(shop, 100)
    for (const round of [1, 2]) {
      await runOps(shop, 'fraud', 'unblock', '--user', 'tester', '--note', `round ${round}`)
      const opened = await Promise.all(Array.from({ length: 8 }, async () => data(await buy(tester, [line]))))
      await Promise.all(opened.map(({ url }) => tester.pay(url ?? '', DECLINED[0])))
      for (const { checkoutId } of opened) await tester.checkoutBecomes(checkoutId, 'EXPIRED')
    }
    expect(await available(shop, line)).toBe(100)
  })

  it('expires the open Sessions of a network once its limit is passed, and names no address in the alert', async () => {
    const shop = await open({ ...rules, FRAUD_BLOCK_DECLINES_PER_IP: '3', TRUST_PROXY: 'loopback' })
    const line = await stocked(shop, 20)
    const from = async (userId: string, ip: string) => {
      const customer = await shop.customer(userId)
      return { customer, ...data(await customer.checkout({ items: [line] }, { 'X-Forwarded-For': ip })) }
    }
    const many = await Promise.all([1, 2, 3, 4].map(each => from(`rotating-${each}`, `2001:db8:7:7::${each}`)))
    const elsewhere = await from('elsewhere', '2001:db8:7:8::1')
    for (const { customer, url } of many) await customer.pay(url ?? '', DECLINED[0])
    for (const { customer, checkoutId } of many) await customer.checkoutBecomes(checkoutId, 'EXPIRED')
    expect(session(shop, elsewhere.sessionId)?.status).toBe('open')
    const alerts = await openAlerts(shop, 'card_testing')
    expect(alerts).toHaveLength(1)
    expect(JSON.stringify(alerts)).not.toContain('2001:db8')
  })

  it('ends a checkout without a Session as soon as it has one', async () => {
    const shop = await open({ ...rules, FRAUD_BLOCK_DECLINES: '2' })
    const { simulator } = shop

    const tester = await shop.customer('tester')
    const line = await stocked(shop, 10)
    const tested = data(await buy(tester, [line]))
    simulator.faults.set({ rateLimit: 1_000 })
    const items = { items: [line] }
    const waiting = data(await tester.checkout(items, { Prefer: 'respond-async', 'Idempotency-Key': 'waiting' }))
    await eventually(
      () => shop.stack.services.db.prisma.checkout.count({ where: { status: 'VERIFIED' } }),
      verified => verified === 1
    )
    for (const card of DECLINED.slice(0, 3)) await tester.pay(tested.url ?? '', card)
    await eventually(
      () => openAlerts(shop, 'card_testing'),
      alerts => alerts.length === 1
    )
    simulator.faults.set({})
    await tester.checkoutBecomes(waiting.checkoutId, 'EXPIRED')
    await tester.checkoutBecomes(tested.checkoutId, 'EXPIRED')
    expect(await available(shop, line)).toBe(10)
  })

  it('goes on counting in a Session that was open when an operator cleared its customer', async () => {
    const shop = await open({ ...rules, FRAUD_BLOCK_DECLINES: '4' })
    const tester = await shop.customer('tester')
    const opened = data(await buy(tester, [await stocked(shop, 10)]))
    const { prisma } = shop.stack.services.db
    const decline = async (times: number, total: number) => {
      for (let time = 0; time < times; time++) await tester.pay(opened.url ?? '', DECLINED[0])
      await eventually(
        () => prisma.paymentSignal.count(),
        count => count === total
      )
    }
    await decline(4, 4)
    await runOps(shop, 'fraud', 'unblock', '--user', 'tester', '--note', 'a new card')
    await decline(4, 8)
    expect(session(shop, opened.sessionId)?.status).toBe('open')
    await decline(1, 9)
    await tester.checkoutBecomes(opened.checkoutId, 'EXPIRED')
  })

  it('lets a customer who was faster keep the payment, and needs no queue to remember what has to end', async () => {
    const shop = await open()
    const { simulator } = shop
    const { services } = shop.stack
    const customer = await shop.customer('faster')
    const line = await stocked(shop, 10)
    const [paid, idle] = [data(await buy(customer, [line])), data(await buy(customer, [line]))]
    simulator.faults.set({ dropDeliveries: 1 })
    await customer.pay(paid.url ?? '')
    // As a decline leaves it whose enqueuing was lost.
    await services.db.pool.query(`UPDATE "Checkout" SET "expireReason" = 'card testing'`)
    await customer.checkoutBecomes(paid.checkoutId, 'PAID')
    await customer.orderBecomes(paid.orderId ?? '', 'PAID')
    await customer.checkoutBecomes(idle.checkoutId, 'EXPIRED')
    expect(await available(shop, line)).toBe(9)
  })
})

it('offers a challenged customer nothing but what the bank authenticates', async () => {
  const shop = await open({ FRAUD_CHECK_ENABLED: 'true', FRAUD_CHALLENGE_ATTEMPTS: '1' })
  const line = await stocked(shop, 10)
  const pay = async (url: string | undefined, form: Record<string, string>) => {
    const response = await fetch(url ?? '', { method: 'POST', body: new URLSearchParams(form), redirect: 'manual' })
    return [response.status, await response.text()]
  }
  const byLink = { number: '4242424242424242', wallet: 'link' }
  const byDebit = { number: 'DE89370400440532013000' }
  const trusted = await shop.customer('trusted')
  expect(await pay(data(await buy(trusted, [line])).url, byLink)).toEqual([303, ''])
  expect(await pay(data(await buy(await shop.customer('debited'), [line])).url, byDebit)).toEqual([303, ''])

  await buy(trusted, [line])
  const { url, orderId } = data(await buy(trusted, [line]))
  expect(await (await fetch(url ?? '')).text()).not.toContain('Pay with Link')
  expect(await pay(url, byLink)).toEqual([402, expect.stringContaining('no payments by Link')])
  expect(await pay(url, byDebit)).toEqual([402, expect.stringContaining('no bank debits')])
  expect(await pay(url, { number: '4242424242424242' })).toEqual([200, expect.stringContaining('3D Secure')])
  expect(await pay(url, { number: '4242424242424242', authenticated: 'yes' })).toEqual([303, ''])
  await trusted.orderBecomes(orderId ?? '', 'PAID')
})

describe('a Session that Stripe does not know is in nobody’s way', () => {
  it('tells others that the goods are gone, ends the next holder if that is enough, and raises one alert', async () => {
    const shop = await open()
    const [idler, buyer] = [await shop.customer('idler'), await shop.customer('buyer')]
    const line = await stocked(shop, 3)
    const lost = data(await buy(idler, [{ ...line, quantity: 2 }]))
    const kept = data(await buy(idler, [line]))
    shop.simulator.record.forget(lost.sessionId ?? '')
    await age(shop, lost.checkoutId, 30)
    for (let time = 0; time < 2; time++) {
      const refused = await buy(buyer, [line])
      expect([refused.status, JSON.stringify(refused.body)]).toEqual([400, expect.stringContaining('Insufficient')])
    }
    const alerts = await openAlerts(shop, 'session_unknown')
    expect([alerts.length, JSON.stringify(alerts[0]?.context)]).toEqual([1, expect.stringContaining(lost.checkoutId)])

    await age(shop, kept.checkoutId, 30)
    expect((await buy(buyer, [line])).status).toBe(200)
    await idler.checkoutBecomes(kept.checkoutId, 'EXPIRED')
    expect((await buy(await shop.customer('latecomer'), [line])).status).toBe(400)
    await idler.checkoutBecomes(lost.checkoutId, 'OPEN')
  })

  it('stays open when a cart that its amounts refuse asks for its goods', async () => {
    const shop = await open({ PAYMENT_MAX_AMOUNT: '60' })
    const [idler, buyer] = [await shop.customer('idler'), await shop.customer('buyer')]
    const line = await stocked(shop, 8)
    const held = data(await buy(idler, [{ ...line, quantity: 4 }]))
    await age(shop, held.checkoutId, 30)
    expect((await buy(buyer, [{ ...line, quantity: 8 }])).status).toBe(400)
    expect(session(shop, held.sessionId)?.status).toBe('open')
    expect((await buy(buyer, [{ ...line, quantity: 5 }])).status).toBe(200)
    expect(session(shop, held.sessionId)?.status).toBe('expired')
  })

  it('has an alert of its own when another of its order has one', async () => {
    const shop = await open()
    const customer = await shop.customer('again')
    const line = await stocked(shop, 5)
    const order = data(await customer.createOrder({ items: [line], address, subtotal: 10, shipping: 0 }))
    const first = data(await buy(customer, [line], order.id))
    const refuseToEnd = (id: string | undefined, status: string) => Object.assign(session(shop, id) ?? {}, { status })
    refuseToEnd(first.sessionId, 'a status of a later version')
    expect((await buy(customer, [line], order.id)).status).toBe(409)
    refuseToEnd(first.sessionId, 'open')
    await shop.stack.services.stripe.checkout.sessions.expire(first.sessionId ?? '')
    await customer.checkoutBecomes(first.checkoutId, 'EXPIRED')
    const second = data(await buy(customer, [line], order.id))
    refuseToEnd(second.sessionId, 'a status of a later version')
    for (let time = 0; time < 2; time++) expect((await buy(customer, [line], order.id)).status).toBe(409)
    const alerts = await openAlerts(shop, 'session_not_ended')
    const ids = alerts.map(({ context }) => (context as { checkoutId: string }).checkoutId)
    expect(ids.sort()).toEqual([first.checkoutId, second.checkoutId].sort())
  })

  it('gives an order no second page beside one that cannot be closed', async () => {
    const shop = await open()
    const customer = await shop.customer('again')
    const line = await stocked(shop, 5)
    const order = data(await customer.createOrder({ items: [line], address, subtotal: 10, shipping: 0 }))
    const first = data(await buy(customer, [line], order.id))
    shop.simulator.record.forget(first.sessionId ?? '')
    const second = await buy(customer, [line], order.id)
    expect([second.status, JSON.stringify(second.body)]).toEqual([409, expect.stringContaining(first.checkoutId)])
    expect(await openAlerts(shop, 'session_unknown')).toHaveLength(1)
    await runOps(shop, 'checkout', 'expire', first.checkoutId, '--unknown-to-stripe', '--reason', 'deleted')
    expect((await buy(customer, [line], order.id)).status).toBe(200)
  })

  it('does not count against the customer’s open checkouts', async () => {
    const shop = await open({ RESERVATION_MAX_OPEN: '1' })
    const customer = await shop.customer('unlucky')
    const line = await stocked(shop, 5)
    const first = data(await buy(customer, [line]))
    shop.simulator.record.forget(first.sessionId ?? '')
    const second = data(await buy(customer, [line]))
    expect([session(shop, second.sessionId)?.status, await available(shop, line)]).toEqual(['open', 3])
    expect(await openAlerts(shop, 'session_unknown')).toHaveLength(1)
  })

  it('is like one that Stripe refuses to end', async () => {
    const shop = await open()
    const [idler, buyer] = [await shop.customer('idler'), await shop.customer('buyer')]
    const line = await stocked(shop, 1)
    const held = data(await buy(idler, [line]))
    await age(shop, held.checkoutId, 30)
    const stuck = session(shop, held.sessionId)
    Object.assign(stuck ?? {}, { status: 'a status of a later version' })
    for (let time = 0; time < 2; time++) expect((await buy(buyer, [line])).status).toBe(400)
    expect(await openAlerts(shop, 'session_not_ended')).toHaveLength(1)

    // Asked about again after a while.
    Object.assign(stuck ?? {}, { status: 'open' })
    await shop.stack.services.db.pool.query(
      `UPDATE "Checkout" SET "expireFailedAt" = "expireFailedAt" - interval '11 minutes'`
    )
    expect((await buy(buyer, [line])).status).toBe(200)
  })

  it('ends by an operator’s word when its money was authorized, and the customer can pay again', async () => {
    const shop = await open({ PAYMENT_CAPTURE_METHOD: 'manual' })
    const customer = await shop.customer('authorized')
    const line = await stocked(shop, 5)
    const first = data(await buy(customer, [line]))
    await customer.pay(first.url ?? '')
    await customer.orderBecomes(first.orderId ?? '', 'AUTHORIZED')
    const expire = ['checkout', 'expire', first.checkoutId, '--reason', 'deleted']
    expect((await runOps(shop, ...expire)).output).toContain(`order capture|cancel ${first.orderId}`)
    shop.simulator.record.forget(String(session(shop, first.sessionId)?.payment_intent))
    shop.simulator.record.forget(first.sessionId ?? '')
    expect((await runOps(shop, ...expire, '--unknown-to-stripe')).code).toBe(0)
    await customer.orderBecomes(first.orderId ?? '', 'PENDING')
    expect(await available(shop, line)).toBe(5)
    expect((await buy(customer, [line], first.orderId)).status).toBe(200)
  })

  it('ends by an operator’s word when its payment is under way too, and money that comes all the same is reviewed', async () => {
    const shop = await open({}, { debitMs: HOUR })
    const { simulator } = shop
    const { services } = shop.stack
    const customer = await shop.customer('debited')
    const line = await stocked(shop, 5)
    const debit = data(await buy(customer, [line]))
    await customer.pay(debit.url ?? '', 'DE89370400440532013000')
    await customer.orderBecomes(debit.orderId ?? '', 'PROCESSING')
    const expire = (...flags: string[]) =>
      runOps(shop, 'checkout', 'expire', debit.checkoutId, '--reason', 'deleted', ...flags)
    const refused = (text: string) => ({ code: 1, output: expect.stringContaining(text) })
    expect(await expire()).toMatchObject(refused('its bank debit is on its way'))
    expect(await expire('--unknown-to-stripe')).toMatchObject(refused('the customer has submitted it'))

    const intentId = String(session(shop, debit.sessionId)?.payment_intent)
    const bringBack = shop.simulator.record.forget(debit.sessionId ?? '')
    expect(await expire('--unknown-to-stripe')).toMatchObject(refused(`knows its payment ${intentId}`))
    const bringIntentBack = shop.simulator.record.forget(intentId)
    expect(await expire('--unknown-to-stripe')).toMatchObject({ code: 0, output: expect.stringContaining('EXPIRED') })
    await customer.orderBecomes(debit.orderId ?? '', 'PENDING')
    expect(await available(shop, line)).toBe(5)
    const payment = () => services.db.prisma.payment.findUniqueOrThrow({ where: { paymentIntentId: intentId } })
    expect((await payment()).status).toBe('CANCELLED')

    // The operator was wrong: the key was of another account.
    bringBack()
    bringIntentBack()
    simulator.tick({ settleAllDebits: true })
    await customer.orderBecomes(debit.orderId ?? '', 'NEEDS_REVIEW')
    expect(await payment()).toMatchObject({ status: 'SUCCEEDED', captured: 1_000n })
    expect(await openAlerts(shop, 'payment_unexpected')).toHaveLength(1)
  })
})

describe('a changed cart counts all that it will be given', () => {
  it('together: what its own order holds, what is abandoned, and what is free', async () => {
    const shop = await open()
    const [buyer, idler, busy] = [
      await shop.customer('buyer'),
      await shop.customer('idler'),
      await shop.customer('busy')
    ]
    const random = randomFrom(12)
    for (let round = 0; round < 12; round++) {
      const [own, abandoned, fresh] = [1 + random.integer(3), random.integer(3), random.integer(3)]
      const reachable = own + abandoned + random.integer(2)
      const line = await stocked(shop, reachable + fresh)
      const first = data(await buy(buyer, [{ ...line, quantity: own }]))
      // Its own counts once, however old it is.
      if (random.integer(2) === 1) await age(shop, first.checkoutId, 30)
      const idle = abandoned > 0 ? data(await buy(idler, [{ ...line, quantity: abandoned }])) : undefined
      if (idle !== undefined) await age(shop, idle.checkoutId, 30)
      const taken = fresh > 0 ? data(await buy(busy, [{ ...line, quantity: fresh }])) : undefined

      const tooMuch = await buy(buyer, [{ ...line, quantity: reachable + 1 }], first.orderId)
      const state = { own, abandoned, fresh, reachable }
      expect({ ...state, status: tooMuch.status }).toEqual({ ...state, status: 400 })
      expect(session(shop, idle?.sessionId)?.status ?? 'open').toBe('open')
      expect(session(shop, first.sessionId)?.status).toBe('open')
      const changed = await buy(buyer, [{ ...line, quantity: reachable }], first.orderId)
      expect({ ...state, status: changed.status }).toEqual({ ...state, status: 200 })
      expect([session(shop, taken?.sessionId)?.status ?? 'open', await available(shop, line)]).toEqual(['open', 0])
    }
  })

  it('together with what the customer’s oldest checkout holds, which ends for RESERVATION_MAX_OPEN', async () => {
    const shop = await open({ RESERVATION_MAX_OPEN: '2' })
    const customer = await shop.customer('collector')
    const [wanted, other] = [await stocked(shop, 2), await stocked(shop, 5)]
    const oldest = data(await buy(customer, [{ ...wanted, quantity: 2 }]))
    const second = data(await buy(customer, [other]))
    expect((await buy(customer, [{ ...wanted, quantity: 3 }])).status).toBe(400)
    expect(session(shop, oldest.sessionId)?.status).toBe('open')
    expect((await buy(customer, [{ ...wanted, quantity: 2 }])).status).toBe(200)
    expect([oldest, second].map(({ sessionId }) => session(shop, sessionId)?.status)).toEqual(['expired', 'open'])
  })
})

it('ends a Session by the number of different cards as well, which ops fraud show tells', async () => {
  const shop = await open({ FRAUD_CHECK_ENABLED: 'true', FRAUD_BLOCK_CARDS: '2' })
  const tester = await shop.customer('tester')
  const opened = data(await buy(tester, [lineOf(await tester.product('stoneware-mug'), 1)]))
  for (const card of DECLINED.slice(0, 3)) await tester.pay(opened.url ?? '', card)
  await tester.checkoutBecomes(opened.checkoutId, 'EXPIRED')
  const shown = await runOps(shop, 'fraud', 'show', '--user', 'tester')
  expect(shown.output).toContain('3 different declined cards of the customer in a day, more than 2')
})

describe('an order is locked before its trail is written', () => {
  const TRY = { id: 'test', attempt: 1, isLastAttempt: true }
  const quiet = { SWEEP_EVERY_SECONDS: '3600' }

  /** Begins something that needs the order, and writes into the order's trail while that waits. */
  async function writeBeside(shop: Shop, orderId: string, begin: () => Promise<unknown>): Promise<void> {
    const { pool } = shop.stack.services.db
    const client = await pool.connect()
    let begun: Promise<unknown> | undefined
    try {
      await client.query(`BEGIN; SET LOCAL lock_timeout = '500ms'`)
      await client.query('SELECT FROM "Order" WHERE "id" = $1 FOR NO KEY UPDATE', [orderId])
      begun = begin()
      const waiting = await eventually(
        () => locksWaitedFor(pool),
        count => count > 0
      )
      expect(waiting).toBeGreaterThan(0)
      await writeAudit(client, { action: 'test', status: 'SUCCESS', orderId })
    } finally {
      await client.query('COMMIT')
      client.release()
      await begun
    }
  }

  it('when its Session expires', async () => {
    const shop = await open(quiet)
    const customer = await shop.customer('expiring')
    const { orderId = '', checkoutId, sessionId } = data(await buy(customer, [await stocked(shop, 5)]))
    await writeBeside(shop, orderId, () => shop.stack.services.stripe.checkout.sessions.expire(sessionId ?? ''))
    await customer.checkoutBecomes(checkoutId, 'EXPIRED')
  })

  it('when it is paid, and when it is refunded', async () => {
    const shop = await open(quiet)
    const customer = await shop.customer('paying')
    const { orderId = '', url, sessionId } = data(await buy(customer, [await stocked(shop, 5)]))
    await writeBeside(shop, orderId, () => customer.pay(url ?? ''))
    await customer.orderBecomes(orderId, 'PAID')
    const { stripe } = shop.stack.services
    const intent = String(session(shop, sessionId)?.payment_intent)
    await writeBeside(shop, orderId, () => stripe.refunds.create({ payment_intent: intent, amount: 100 }))
    await customer.orderBecomes(orderId, 'PARTIALLY_REFUNDED')
  })

  it('when its refund is refused', async () => {
    const shop = await open({ ...quiet, STRIPE_MAX_RETRIES: '0' })
    const { simulator } = shop
    const { services, stopWorkers } = shop.stack
    const customer = await shop.customer('refunded')
    const { orderId = '', url } = data(await buy(customer, [await stocked(shop, 5)]))
    await customer.pay(url ?? '')
    await customer.orderBecomes(orderId, 'PAID')
    await stopWorkers()
    const [refund] = await requestRefunds(services, { orderId, amount: 100, operator: 'olga' })
    simulator.faults.set({ refused: 1 })
    await writeBeside(shop, orderId, () => refundCreation.handle(services, { refundId: refund?.id ?? '' }, TRY))
    expect(await services.db.prisma.refund.count({ where: { status: 'REFUSED' } })).toBe(1)
  })

  it('when its cart, or its Session, is refused', async () => {
    const shop = await open({ ...quiet, CHECKOUT_WAIT_MS: '0' })
    const { simulator } = shop
    const { services, stopWorkers } = shop.stack
    const { prisma } = services.db
    const customer = await shop.customer('refused')
    const line = await stocked(shop, 5)
    await stopWorkers()
    const received = async (item: Line) => {
      const { checkoutId } = data(await buy(customer, [item]))
      const { orderId } = await prisma.checkout.findUniqueOrThrow({ where: { id: checkoutId } })
      return { payload: { checkoutId }, orderId: orderId ?? '' }
    }
    const wrong = await received({ ...line, price: 9 })
    await writeBeside(shop, wrong.orderId, () => priceVerification.handle(services, wrong.payload, TRY))
    const right = await received(line)
    await priceVerification.handle(services, right.payload, TRY)
    simulator.faults.set({ refused: 1 })
    await writeBeside(shop, right.orderId, () => sessionCreation.handle(services, right.payload, TRY))
    const checkouts = await prisma.checkout.findMany({ orderBy: { createdAt: 'asc' } })
    expect(checkouts.map(({ status }) => status)).toEqual(['REJECTED', 'FAILED'])
  })

  it('when an operator ends its checkout', async () => {
    const shop = await open(quiet)
    const customer = await shop.customer('forgotten')
    const { orderId = '', checkoutId, sessionId } = data(await buy(customer, [await stocked(shop, 5)]))
    shop.simulator.record.forget(sessionId ?? '')
    await writeBeside(shop, orderId, () =>
      runOps(shop, 'checkout', 'expire', checkoutId, '--unknown-to-stripe', '--reason', 'deleted')
    )
    await customer.checkoutBecomes(checkoutId, 'EXPIRED')
  })

  it('so that a cart that names it can be refused while its Session expires', async () => {
    const lines: string[] = []
    const destination = { write: (line: string) => void lines.push(line) }
    const log = createLogger({ level: 'warn', production: true, name: 'test', destination })
    const shop = await openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *', SWEEP_EVERY_SECONDS: '3600' }, { log })
    shops.push(shop)
    const { pool } = shop.stack.services.db
    const customer = await shop.customer('hasty')
    const line = await stocked(shop, 5)
    const order = data(await customer.createOrder({ items: [line], address, subtotal: 10, shipping: 0 }))
    const first = data(await buy(customer, [line], order.id))
    const waiting = (least: number) =>
      eventually(
        () => locksWaitedFor(pool),
        count => count >= least
      )
    const client = await pool.connect()
    try {
      await client.query('BEGIN')
      await client.query('SELECT FROM "Product" WHERE "id" = $1 FOR UPDATE', [line.productId])
      const second = buy(customer, [{ ...line, price: 9 }], order.id)
      await waiting(1)
      await shop.stack.services.stripe.checkout.sessions.expire(first.sessionId ?? '')
      await waiting(2)
      await client.query('COMMIT')
      expect((await second).status).toBe(400)
    } finally {
      client.release()
    }
    await customer.checkoutBecomes(first.checkoutId, 'EXPIRED')
    expect(lines.filter(each => each.includes('deadlock'))).toEqual([])
  })
})

import type Stripe from 'stripe'
import { startApi } from '../api/start.js'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { createShopper, data, lineOf, type Shopper } from '../local/shopper.js'
import type { SimulatorOptions } from '../simulator/start.js'
import { openAlerts } from './support/alerts.js'
import { meeting } from './support/locks.js'
import { runOps } from './support/ops.js'
import { randomFrom } from './support/random.js'
import { openShop, type Shop } from './support/shop.js'
import { available, buyLines as buy, stocked } from './support/stocked-product.js'

const shops: Shop[] = []
afterEach(() => Promise.all(shops.splice(0).map(shop => shop.close())))

async function open(env: Record<string, string> = {}, simulator: Partial<SimulatorOptions> = {}): Promise<Shop> {
  const shop = await openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *', ...env }, { simulator })
  shops.push(shop)
  return shop
}

function session(shop: Shop, id?: string): Stripe.Checkout.Session | undefined {
  return shop.simulator.record.session(String(id))
}

async function age(shop: Shop, checkoutId: string, minutes: number): Promise<void> {
  await shop.stack.services.db.pool.query(
    `UPDATE "Checkout" SET "createdAt" = "createdAt" - make_interval(mins => $2) WHERE "id" = $1`,
    [checkoutId, minutes]
  )
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
    // What was refused last may have been marked, too, by a decline that was told late.
    const asked = await shop.stack.services.db.prisma.paymentAuditLog.findMany({
      where: {
        action: 'checkout_expire_requested',
        checkoutId: { in: [tested, other, neighbours].map(({ checkoutId }) => checkoutId) }
      }
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
  const shown = await runOps(shop, 'fraud', 'show', '--user', 'tester', '--json')
  expect(shown.output).toContain('3 different declined cards of the customer in a day, more than 2')
})

import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../local/eventually.js'
import { address, data, type Line, lineOf, type Shopper } from '../local/shopper.js'
import type { ProblemBody } from '../shared/errors.js'
import type { CheckoutData } from '../shared/rules/checkout-outcome.js'
import { priceVerification } from '../workers/price-verification.js'
import { sessionCreation } from '../workers/session-creation.js'
import { sessionExpiry } from '../workers/session-expiry.js'
import { runOps } from './support/ops.js'
import { verifyOnly } from './support/purchase.js'
import { openShop, type Shop } from './support/shop.js'

const shops: Shop[] = []
afterEach(() => Promise.all(shops.splice(0).map(shop => shop.close())))

async function open(env: Record<string, string> = {}): Promise<Shop> {
  const shop = await openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *', STRIPE_MAX_RETRIES: '0', ...env })
  shops.push(shop)
  return shop
}

let keys = 0
const key = () => ({ 'Idempotency-Key': `give-up-${keys++}` })
const mug = async (customer: Shopper): Promise<Line[]> => [lineOf(await customer.product('stoneware-mug'), 2)]

interface Answered {
  status: number
  headers: Headers
  data: CheckoutData & { orderStatus?: string; error?: string }
  problem: ProblemBody
}

async function giveUp(customer: Shopper, id: string, headers: Record<string, string> = {}): Promise<Answered> {
  const response = await customer.request(`/api/stripe/checkout/${id}`, { method: 'DELETE', headers })
  const body = (await response.json()) as { data: Answered['data'] } & ProblemBody
  return { status: response.status, headers: response.headers, data: body.data, problem: body }
}

const rowOf = ({ stack }: Shop, id: string) => stack.services.db.prisma.checkout.findUniqueOrThrow({ where: { id } })

async function reserved({ stack }: Shop): Promise<number> {
  const product = await stack.services.db.prisma.product.findUniqueOrThrow({ where: { slug: 'stoneware-mug' } })
  return product.reserved
}

/** A checkout of which the workers, which are stopped, have done nothing yet. */
async function received(customer: Shopper, more: object = {}): Promise<string> {
  const items = await mug(customer)
  const answer = await customer.checkout({ items, ...more }, { ...key(), Prefer: 'respond-async' })
  return data(answer).checkoutId
}

it('ends an open checkout at Stripe, gives its stock back and leaves its order to be paid again', async () => {
  const shop = await open()
  const ada = await shop.customer('ada')
  const items = await mug(ada)
  const bought = data(await ada.checkout({ items }))
  expect(await reserved(shop)).toBe(2)

  const answer = await giveUp(ada, bought.checkoutId)
  expect(answer.status).toBe(200)
  expect(answer.data).toMatchObject({ checkoutId: bought.checkoutId, status: 'EXPIRED', orderStatus: 'PENDING' })
  expect(answer.data.url).toBeUndefined()
  expect(shop.simulator.record.session(bought.sessionId ?? '')?.status).toBe('expired')
  expect(await reserved(shop)).toBe(0)
  expect(data(await ada.checkoutStatus(bought.checkoutId)).status).toBe('EXPIRED')

  for (const id of [bought.checkoutId, bought.sessionId ?? '']) {
    const again = await giveUp(ada, id)
    expect([again.status, again.data.status]).toEqual([200, 'EXPIRED'])
  }
  const trail = await shop.stack.services.db.prisma.paymentAuditLog.findMany({
    where: { checkoutId: bought.checkoutId, action: 'checkout_expire_requested' }
  })
  expect(trail).toHaveLength(1)

  const another = data(await ada.checkout({ items }))
  expect(another.checkoutId).not.toBe(bought.checkoutId)
  const same = data(await ada.checkout({ items, orderId: bought.orderId }, key()))
  expect(same).toMatchObject({ orderId: bought.orderId, status: 'OPEN' })
})

it('takes the id of the Session, too', async () => {
  const shop = await open()
  const ada = await shop.customer('ada')
  const { sessionId = '', checkoutId } = data(await ada.checkout({ items: await mug(ada) }))
  expect((await giveUp(ada, sessionId)).data).toMatchObject({ checkoutId, status: 'EXPIRED' })
})

it('ends one that nobody has looked at yet at once, with the order that came with it, and whoever waits for it is told', async () => {
  const shop = await open({ CHECKOUT_WAIT_MS: '8000' })
  const ada = await shop.customer('ada')
  await shop.stack.stopWorkers()
  const waiting = ada.checkout({ items: await mug(ada) }, key())
  const { prisma } = shop.stack.services.db
  const row = await eventually(
    () => prisma.checkout.findFirst({ where: { userId: 'ada' } }),
    found => found !== null
  )
  const answer = await giveUp(ada, row?.id ?? '')
  expect([answer.status, answer.data.status, answer.data.orderStatus]).toEqual([200, 'REJECTED', 'CANCELLED'])
  const told = await waiting
  expect([told.status, (told.body as ProblemBody).type]).toEqual([409, 'urn:tillworks:problem:checkout_given_up'])
  await priceVerification.handle(shop.stack.services, { checkoutId: row?.id ?? '' }, undefined as never)
  expect((await rowOf(shop, row?.id ?? '')).status).toBe('REJECTED')
  expect(shop.simulator.record.sessions()).toEqual([])
  expect(await reserved(shop)).toBe(0)
})

it('leaves the order of POST /api/orders to be paid when its checkout was not looked at yet', async () => {
  const shop = await open()
  const ada = await shop.customer('ada')
  const items = await mug(ada)
  const order = data(await ada.createOrder({ items, address, subtotal: 39.98, shipping: 0 }))
  await shop.stack.stopWorkers()
  const id = await received(ada, { orderId: order.id })
  expect((await giveUp(ada, id)).data.status).toBe('REJECTED')
  expect(data(await ada.order(order.id)).status).toBe('PENDING')
})

it('ends one whose Session is still to be created as soon as there is one; until then its stock is held', async () => {
  const shop = await open({ CHECKOUT_WAIT_MS: '300' })
  const ada = await shop.customer('ada')
  await shop.stack.stopWorkers()
  const { services } = shop.stack
  const checkoutId = await received(ada)
  await verifyOnly(services, checkoutId)
  const answer = await giveUp(ada, checkoutId)
  expect([answer.status, answer.data.status]).toEqual([202, 'VERIFIED'])
  expect(answer.headers.get('location')).toBe(`/api/stripe/checkout/${checkoutId}`)
  expect(await reserved(shop)).toBe(2)
  await sessionCreation.handle(services, { checkoutId }, undefined as never)
  expect((await rowOf(shop, checkoutId)).status).toBe('EXPIRED')
  expect(shop.simulator.record.sessions().map(({ status }) => status)).toEqual(['expired'])
  expect(await reserved(shop)).toBe(0)
})

it('ends one that is given up while Stripe is creating its Session', async () => {
  const shop = await open({ CHECKOUT_WAIT_MS: '0' })
  const ada = await shop.customer('ada')
  await shop.stack.stopWorkers()
  const { services } = shop.stack
  const checkoutId = await received(ada)
  await verifyOnly(services, checkoutId)
  shop.simulator.faults.set({ latencyAfterEffectMs: 1_000 })
  const creating = sessionCreation.handle(services, { checkoutId }, undefined as never)
  await eventually(
    async () => shop.simulator.record.sessions().length,
    made => made === 1
  )
  expect((await giveUp(ada, checkoutId)).status).toBe(202)
  shop.simulator.faults.set({})
  await creating
  await sessionExpiry.handle(services, { checkoutId }, undefined as never)
  expect((await rowOf(shop, checkoutId)).status).toBe('EXPIRED')
  expect(await reserved(shop)).toBe(0)
})

it('refuses what is paid or being paid, and has nothing to do for what is over', async () => {
  const shop = await open()
  const ada = await shop.customer('ada')
  const buy = async () => data(await ada.checkout({ items: await mug(ada) }, key()))
  const paid = await buy()
  await ada.pay(paid.url ?? '')
  await ada.checkoutBecomes(paid.checkoutId, 'PAID')
  const debit = await buy()
  await ada.pay(debit.url ?? '', 'DE89370400440532013000')
  await ada.checkoutBecomes(debit.checkoutId, 'PROCESSING')
  for (const { checkoutId } of [paid, debit]) {
    const before = await rowOf(shop, checkoutId)
    const { status, problem } = await giveUp(ada, checkoutId)
    expect([status, problem.type, problem.checkoutId]).toEqual([
      409,
      'urn:tillworks:problem:checkout_not_cancellable',
      checkoutId
    ])
    expect(await rowOf(shop, checkoutId)).toEqual(before)
  }
  const refused = await ada.checkout({ items: [{ ...(await mug(ada))[0], price: 1 }] }, key())
  const { checkoutId = '' } = refused.body as ProblemBody
  const answer = await giveUp(ada, checkoutId)
  expect([answer.status, answer.data.status]).toEqual([200, 'REJECTED'])
})

it('believes Stripe that the customer was faster: paid there and not told yet', async () => {
  const shop = await open()
  const ada = await shop.customer('ada')
  const { checkoutId, url = '', orderId = '' } = data(await ada.checkout({ items: await mug(ada) }, key()))
  shop.simulator.faults.set({ dropDeliveries: 1 })
  await ada.pay(url)
  expect((await rowOf(shop, checkoutId)).status).toBe('OPEN')
  const { status, problem } = await giveUp(ada, checkoutId)
  expect([status, problem.detail]).toEqual([409, 'It is paid. Ask the shop for a refund.'])
  expect((await ada.orderBecomes(orderId, 'PAID')).status).toBe('PAID')
})

it('is 503 while Stripe is away, holds the stock, and goes on by itself once Stripe is back', async () => {
  const shop = await open()
  const ada = await shop.customer('ada')
  const { checkoutId } = data(await ada.checkout({ items: await mug(ada) }, key()))
  shop.simulator.faults.set({ rateLimit: 1_000 })
  for (const _ of [1, 2]) {
    const { status, problem, headers } = await giveUp(ada, checkoutId)
    expect([status, problem.type]).toEqual([503, 'urn:tillworks:problem:payment_service_away'])
    expect(headers.get('retry-after')).toBe('5')
  }
  expect([(await rowOf(shop, checkoutId)).status, await reserved(shop)]).toEqual(['OPEN', 2])
  shop.simulator.faults.set({})
  await ada.checkoutBecomes(checkoutId, 'EXPIRED')
  expect(await reserved(shop)).toBe(0)
})

it('is 409 while Stripe does not know its Session: the stock stays held, and an operator is told', async () => {
  const shop = await open()
  const ada = await shop.customer('ada')
  const { checkoutId, sessionId = '' } = data(await ada.checkout({ items: await mug(ada) }, key()))
  shop.simulator.record.forget(sessionId)
  for (const _ of [1, 2]) expect((await giveUp(ada, checkoutId)).status).toBe(409)
  expect([(await rowOf(shop, checkoutId)).status, await reserved(shop)]).toEqual(['OPEN', 2])
  const { prisma } = shop.stack.services.db
  expect(await prisma.alert.count({ where: { name: 'session_unknown' } })).toBe(1)
})

it('answers with 202 where nobody wants to wait, also in maintenance', async () => {
  const shop = await open()
  const ada = await shop.customer('ada')
  const { checkoutId } = data(await ada.checkout({ items: await mug(ada) }, key()))
  expect((await runOps(shop, 'maintenance', 'on', '--message', 'Back at noon')).code).toBe(0)
  const answer = await giveUp(ada, checkoutId, { Prefer: 'respond-async' })
  expect([answer.status, answer.data.status]).toEqual([202, 'OPEN'])
  await ada.checkoutBecomes(checkoutId, 'EXPIRED')
})

it('and payment cannot both win', async () => {
  const shop = await open()
  const ada = await shop.customer('ada')
  await shop.stack.services.db.prisma.product.updateMany({ data: { stock: 1_000 } })
  const bought = []
  for (let made = 0; made < 8; made++) bought.push(data(await ada.checkout({ items: await mug(ada) }, key())))
  const ends = await Promise.all(
    bought.map(async ({ checkoutId, url = '', sessionId = '' }, index) => {
      const paying = sleep(index * 10).then(() => ada.pay(url))
      const { status } = await giveUp(ada, checkoutId)
      await paying
      const row = await eventually(
        () => rowOf(shop, checkoutId),
        ({ status }) => status === 'PAID' || status === 'EXPIRED'
      )
      expect([status, row.status]).toEqual(row.status === 'PAID' ? [409, 'PAID'] : [200, 'EXPIRED'])
      expect(shop.simulator.record.session(sessionId)?.status).toBe(row.status === 'PAID' ? 'complete' : 'expired')
      return row.status
    })
  )
  const product = await shop.stack.services.db.prisma.product.findUniqueOrThrow({ where: { slug: 'stoneware-mug' } })
  expect(product.stock).toBe(1_000 - 2 * ends.filter(end => end === 'PAID').length)
  expect(product.reserved).toBe(0)
})

it('and reading, by either id, are its owner’s alone', async () => {
  const shop = await open()
  const [ada, eve] = [await shop.customer('ada'), await shop.customer('eve')]
  const { checkoutId, sessionId = '' } = data(await ada.checkout({ items: await mug(ada) }, key()))
  const bySession = data(await ada.checkoutStatus(sessionId))
  expect(bySession).toEqual(data(await ada.checkoutStatus(checkoutId)))
  const events = await ada.request(`/api/stripe/checkout/${sessionId}/events`)
  const reader = (events.body as ReadableStream<Uint8Array>).getReader()
  const { value } = await reader.read()
  await reader.cancel()
  expect(new TextDecoder().decode(value)).toContain(`"checkoutId":"${checkoutId}"`)
  for (const id of [checkoutId, sessionId, `${sessionId}x`, 'cs_test_1', 'cs_', 'cs_a%00', "cs_'"]) {
    for (const [method, rest] of [
      ['GET', ''],
      ['GET', '/events'],
      ['DELETE', '']
    ] as const) {
      const response = await eve.request(`/api/stripe/checkout/${id}${rest}`, { method })
      expect([method, id, response.status]).toEqual([method, id, 404])
    }
  }
  expect((await rowOf(shop, checkoutId)).expireReason).toBeNull()
  const { prisma } = shop.stack.services.db
  const alerts = await eventually(
    () => prisma.alert.findMany({ where: { name: 'order_of_another_user' } }),
    found => found.length > 0
  )
  expect(alerts[0]?.context).toMatchObject({ checkoutId, userId: 'eve' })
})

it('is open to the shop’s own pages, and to no other', async () => {
  const shop = await open()
  const base = `http://127.0.0.1:${shop.stack.api.port}`
  const preflight = (origin: string) =>
    fetch(`${base}/api/stripe/checkout/cabcdefghi`, {
      method: 'OPTIONS',
      headers: { Origin: origin, 'Access-Control-Request-Method': 'DELETE' }
    })
  expect((await preflight(base)).headers.get('access-control-allow-methods')).toContain('DELETE')
  expect((await preflight('https://evil.example')).status).toBe(403)
})

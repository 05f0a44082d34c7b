import type Stripe from 'stripe'
import { eventually } from '../local/eventually.js'
import { address, data } from '../local/shopper.js'
import { HOUR } from '../shared/duration.js'
import type { SimulatorOptions } from '../simulator/start.js'
import { openAlerts } from './support/alerts.js'
import { runOps } from './support/ops.js'
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

/** An operator's act by HTTP: its status and what it says. */
async function operate(shop: Shop, path: string): Promise<{ code: number; output: string }> {
  const response = await fetch(`http://127.0.0.1:${shop.stack.api.opsPort}/ops/api${path}`, {
    method: 'POST',
    headers: {
      Authorization: `Basic ${Buffer.from('ops:password of the tests').toString('base64')}`,
      'Content-Type': 'application/json'
    },
    body: JSON.stringify({ reason: 'a test' })
  })
  return { code: response.status, output: await response.text() }
}

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

  it('is named to an operator who wants to end it, or its order, with what ends it instead', async () => {
    const shop = await open()
    const customer = await shop.customer('ada')
    const line = await stocked(shop, 5)
    const told = async ({ orderId, checkoutId }: { orderId?: string; checkoutId: string }) => {
      const answers = [
        await runOps(shop, 'order', 'cancel', orderId ?? '', '--reason', 'a test'),
        await runOps(shop, 'checkout', 'expire', checkoutId, '--reason', 'a test'),
        await operate(shop, `/orders/${orderId}/cancel`),
        await operate(shop, `/checkouts/${checkoutId}/expire`)
      ]
      return answers.map(({ code, output }) => [code, output.replaceAll('\\"', '"')])
    }
    const all = (text: string) => [1, 1, 409, 409].map(code => [code, expect.stringContaining(text)])
    const unknown = data(await buy(customer, [line]))
    shop.simulator.record.forget(unknown.sessionId ?? '')
    expect(await told(unknown)).toEqual(all(`checkout expire ${unknown.checkoutId} --unknown-to-stripe --reason "…"`))

    const stubborn = data(await buy(customer, [line]))
    Object.assign(session(shop, stubborn.sessionId) ?? {}, { status: 'a status of a later version' })
    expect(await told(stubborn)).toEqual(all(`Stripe does not expire Session ${stubborn.sessionId}`))

    shop.simulator.faults.set({ rateLimit: 1_000 })
    const { prisma } = shop.stack.services.db
    const { checkoutId } = data(await customer.checkout({ items: [line] }, { Prefer: 'respond-async' }))
    const { orderId } = await eventually(
      () => prisma.checkout.findUniqueOrThrow({ where: { id: checkoutId } }),
      ({ status }) => status === 'VERIFIED'
    )
    expect(await told({ checkoutId, orderId: orderId ?? '' })).toEqual(all('is still being created'))
  })

  it.each(['DEAD', 'RESOLVED'] as const)(
    'is like one whose end could not be applied: its event is %s',
    async status => {
      const shop = await open()
      const [idler, buyer] = [await shop.customer('idler'), await shop.customer('buyer')]
      const line = await stocked(shop, 1)
      const held = data(await buy(idler, [line]))
      await age(shop, held.checkoutId, 30)
      const id = `found_${held.sessionId}_expired_unpaid`
      const type = 'checkout.session.expired'
      const payload = JSON.stringify({ id, type, data: { object: { object: 'checkout.session' } } })
      await shop.stack.services.db.prisma.webhookEvent.create({
        data: { id, type, livemode: false, created: new Date(), payload, requestId: 'test', status }
      })
      shop.simulator.faults.set({ dropDeliveries: 1 })
      for (let time = 0; time < 2; time++) expect((await buy(buyer, [line])).status).toBe(400)
      expect(await openAlerts(shop, 'session_not_ended')).toHaveLength(1)
      expect(await shop.stack.services.db.prisma.webhookEvent.findUniqueOrThrow({ where: { id } })).toMatchObject({
        status
      })
    }
  )

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

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type Stripe from 'stripe'
import { eventually } from '../local/eventually.js'
import { address, data, lineOf, type Shopper } from '../local/shopper.js'
import { countryDatabase } from './support/country-database.js'
import { runOps } from './support/ops.js'
import { openShop, type Shop } from './support/shop.js'

const shops: Shop[] = []
afterEach(() => Promise.all(shops.splice(0).map(shop => shop.close())))

async function open(env: Record<string, string>): Promise<Shop> {
  const shop = await openShop('postgres', env)
  shops.push(shop)
  return shop
}

async function checkout(customer: Shopper, key: string, quantity = 1, slug = 'stoneware-mug') {
  return await customer.checkout(
    { items: [lineOf(await customer.product(slug), quantity)] },
    { 'Idempotency-Key': key }
  )
}

const session = (shop: Shop, id?: string) => shop.simulator.record.session(String(id)) as Stripe.Checkout.Session

it('asks the bank after some declines, stops after many, and starts again when an operator says so', async () => {
  const shop = await open({
    FRAUD_CHECK_ENABLED: 'true',
    FRAUD_CHALLENGE_FAILURES: '2',
    FRAUD_BLOCK_DECLINES: '4',
    FRAUD_CHALLENGE_ATTEMPTS: '50'
  })
  const tester = await shop.customer('tester')
  const { prisma } = shop.stack.services.db
  const declined = async (key: string, times: number) => {
    const { url } = data(await checkout(tester, key))
    const before = await prisma.paymentSignal.count()
    for (let time = 0; time < times; time++) await tester.pay(url ?? '', '4000000000000002')
    await eventually(
      () => prisma.paymentSignal.count(),
      count => count === before + times
    )
  }
  await declined('one', 3)
  const challenged = data(await checkout(tester, 'two'))
  expect(session(shop, challenged.sessionId).payment_method_options?.card?.request_three_d_secure).toBe('any')
  const page = await fetch(challenged.url ?? '', {
    method: 'POST',
    body: new URLSearchParams({ number: '4242424242424242' })
  })
  expect(await page.text()).toContain('3D Secure')
  const verified = await prisma.paymentAuditLog.findFirstOrThrow({
    where: { checkoutId: challenged.checkoutId, action: 'checkout_verified' }
  })
  expect(verified.metadata).toEqual({ fraud: 'challenge', reasons: ['3 failures in ten minutes, more than 2'] })

  const before = await prisma.paymentSignal.count()
  for (let time = 0; time < 2; time++) {
    const body = new URLSearchParams({ number: '4000000000000002', authenticated: 'yes' })
    await (await fetch(challenged.url ?? '', { method: 'POST', body })).text()
  }
  await eventually(
    () => prisma.paymentSignal.count(),
    count => count === before + 2
  )
  const blocked = await checkout(tester, 'three')
  expect([blocked.status, blocked.body]).toMatchObject([403, { success: false, error: 'Checkout not possible' }])
  expect(JSON.stringify(blocked.body)).not.toContain('declines')
  const audit = await prisma.paymentAuditLog.findFirstOrThrow({ where: { action: 'checkout_payment_blocked' } })
  expect(audit.error).toContain('5 declines of the customer in an hour, more than 4')
  expect((await checkout(await shop.customer('neighbour'), 'other')).status).toBe(200)

  expect((await runOps(shop, 'fraud', 'show', '--user', 'tester', '--json')).output).toContain('"decision": "block"')
  expect((await runOps(shop, 'fraud', 'unblock', '--user', 'tester', '--note', 'a new card')).code).toBe(0)
  expect((await checkout(tester, 'four')).status).toBe(200)
  const metrics = await fetch(`http://127.0.0.1:${shop.stack.api.opsPort}/metrics`, {
    headers: { authorization: `Basic ${Buffer.from('ops:password of the tests').toString('base64')}` }
  })
  const text = await metrics.text()
  expect(text).toContain('tillworks_rows{what="checkouts blocked in a day"} 1')
  expect(text).toContain('tillworks_rows{what="checkouts challenged in a day"} 1')
  expect(text).toContain(
    'tillworks_fraud_decisions_total{decision="block",reason="n declines of the customer in an hour, more than n"} 1'
  )
})

it('counts the declines of an IPv6 network together, and an operator clears it by any of its addresses', async () => {
  const shop = await open({ FRAUD_CHECK_ENABLED: 'true', FRAUD_BLOCK_DECLINES_PER_IP: '3', TRUST_PROXY: 'loopback' })
  const { prisma } = shop.stack.services.db
  const buy = async (userId: string, ip: string) => {
    const customer = await shop.customer(userId)
    const items = [lineOf(await customer.product('stoneware-mug'), 1)]
    const answer = await customer.checkout({ items }, { 'X-Forwarded-For': ip })
    return { customer, status: answer.status, url: answer.status === 200 ? data(answer).url : undefined }
  }
  for (let number = 1; number <= 2; number++) {
    const { customer, url } = await buy(`rotating-${number}`, `2001:db8:7:7::${number}`)
    for (let time = 0; time < 2; time++) await customer.pay(url ?? '', '4000000000000002')
  }
  await eventually(
    () => prisma.paymentSignal.count(),
    count => count === 4
  )
  expect((await buy('rotating-3', '2001:db8:7:7:ffff::3')).status).toBe(403)
  expect((await buy('neighbour', '2001:db8:7:8::1')).status).toBe(200)
  const shown = await runOps(shop, 'fraud', 'show', '--ip', '2001:db8:7:7::9', '--json')
  expect(shown.output).toContain('"declinesOfAddress": 4')
  expect((await runOps(shop, 'fraud', 'show', '--ip', 'home')).code).toBe(2)
  expect((await runOps(shop, 'fraud', 'unblock', '--ip', '2001:db8:7:7::/64', '--note', 'a school')).code).toBe(0)
  expect((await buy('rotating-4', '2001:db8:7:7::4')).status).toBe(200)
})

it('asks the bank when an order goes to another country than it was placed from', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tillworks-geo-'))
  const file = join(folder, 'countries.mmdb')
  writeFileSync(file, countryDatabase({ 81: 'FR', 91: 'DE' }))
  try {
    const shop = await open({
      FRAUD_CHECK_ENABLED: 'true',
      FRAUD_GEOLOCATION_CHECK: 'true',
      GEOIP_DATABASE: file,
      TRUST_PROXY: 'loopback'
    })
    const customer = await shop.customer('traveller')
    const line = lineOf(await customer.product('stoneware-mug'), 1)
    const secured = async (ip: string) => {
      const order = data(await customer.createOrder({ items: [line], address, subtotal: line.price, shipping: 0 }))
      const placed = await customer.checkout({ items: [line], orderId: order.id }, { 'X-Forwarded-For': ip })
      return session(shop, data(placed).sessionId).payment_method_options?.card?.request_three_d_secure
    }
    expect([address.country, await secured('81.2.69.142')]).toEqual(['FR', 'automatic'])
    expect(await secured('91.1.2.3')).toBe('any')
    expect(await secured('10.1.2.3')).toBe('automatic')
    await expect(open({ FRAUD_CHECK_ENABLED: 'true', FRAUD_GEOLOCATION_CHECK: 'true' })).rejects.toThrow(
      'GEOIP_DATABASE: missing'
    )
    await expect(
      open({ FRAUD_CHECK_ENABLED: 'true', FRAUD_GEOLOCATION_CHECK: 'true', GEOIP_DATABASE: import.meta.filename })
    ).rejects.toThrow('GEOIP_DATABASE: cannot be read')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

it('lets one customer hold the stock of a few carts only: an older Session ends for a newer one', async () => {
  const shop = await open({ RESERVATION_MAX_OPEN: '2' })
  const hoarder = await shop.customer('hoarder')
  const opened = []
  for (const key of ['a', 'b', 'c', 'd']) opened.push(data(await checkout(hoarder, key, 10)))
  expect(opened.map(each => session(shop, each.sessionId).status)).toEqual(['expired', 'expired', 'open', 'open'])
  expect((await hoarder.product('stoneware-mug')).stock).toBe(20)
})

it('ends an abandoned Session early when somebody else wants its goods', async () => {
  const shop = await open({ RESERVATION_MIN_MINUTES: '20' })
  const [idler, buyer] = [await shop.customer('idler'), await shop.customer('buyer')]
  const held = data(await checkout(idler, 'idle', 3, 'signed-print'))
  const early = await checkout(buyer, 'early', 1, 'signed-print')
  expect([early.status, JSON.stringify(early.body)]).toEqual([400, expect.stringContaining('Insufficient stock')])
  await shop.stack.services.db.pool.query(
    `UPDATE "Checkout" SET "createdAt" = now() - interval '21 minutes' WHERE "id" = $1`,
    [held.checkoutId]
  )
  expect((await checkout(buyer, 'greedy', 4, 'signed-print')).status).toBe(400)
  expect(session(shop, held.sessionId).status).toBe('open')
  const bought = data(await checkout(buyer, 'later', 1, 'signed-print'))
  expect(session(shop, held.sessionId).status).toBe('expired')
  await idler.checkoutBecomes(held.checkoutId, 'EXPIRED')
  await buyer.pay(bought.url ?? '')
  await buyer.orderBecomes(bought.orderId ?? '', 'PAID')
  expect((await buyer.product('signed-print')).stock).toBe(2)
})

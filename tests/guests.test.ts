import fc from 'fast-check'
import { decodeJwt, SignJWT } from 'jose'
import { eventually } from '../local/eventually.js'
import { address, createShopper, data, lineOf, type Shopper } from '../local/shopper.js'
import { type ConfigError, loadConfig } from '../shared/config/config.js'
import { customerOf } from '../shared/identity/customer-claims.js'
import { GUEST_COOKIE, newGuestId, signGuestToken } from '../shared/identity/guests.js'
import { signSessionToken } from '../shared/identity/session-token.js'
import { erasePersonalData } from '../shared/orders/erasure.js'
import { meeting } from './support/locks.js'
import { openShop, type Shop } from './support/shop.js'
import { available, buyLines, stocked } from './support/stocked-product.js'

const shops: Shop[] = []
afterAll(() => Promise.all(shops.splice(0).map(shop => shop.close())))

async function open(env: Record<string, string> = {}): Promise<Shop> {
  const shop = await openShop('postgres', { GUEST_CHECKOUT: 'true', TRUST_PROXY: 'loopback', ...env })
  shops.push(shop)
  return shop
}

interface Guest {
  userId: string
  token: string
  expiresAt: string
}

const MISSING = '/api/orders/cdoesnotexist0000000000000'
const baseOf = (shop: Shop) => `http://127.0.0.1:${shop.stack.api.port}`

async function begin(shop: Shop, headers: Record<string, string> = {}) {
  const response = await fetch(`${baseOf(shop)}/api/guest`, { method: 'POST', headers })
  const body = (await response.json()) as { data: Guest; error?: string }
  return { status: response.status, headers: response.headers, ...body }
}

/** A guest from an address, as a storefront's side of the API. */
async function guest(shop: Shop, ip = '203.0.113.7'): Promise<Shopper & Guest> {
  const begun = (await begin(shop, { 'X-Forwarded-For': ip })).data
  const headers = { Authorization: `Bearer ${begun.token}`, 'X-Forwarded-For': ip }
  const { port } = shop.stack.api
  const shopper = await createShopper({ port, authSecret: 'not needed', userId: begun.userId, email: null, headers })
  return { ...shopper, ...begun }
}

async function buy(shopper: Shopper) {
  const items = [lineOf(await shopper.product('stoneware-mug'), 1)]
  const {
    orderId = '',
    url = '',
    checkoutId
  } = data(await shopper.checkout({ items }, { 'Idempotency-Key': `${++made}` }))
  return { orderId, url, checkoutId }
}
let made = 0

async function claim(customer: Shopper, token?: string, headers: Record<string, string> = {}) {
  const response = await customer.request('/api/guest/claim', {
    method: 'POST',
    ...(token === undefined ? {} : { body: JSON.stringify({ token }) }),
    headers: { 'Content-Type': 'application/json', ...headers }
  })
  const body = (await response.json()) as { data?: { orderIds: string[]; checkoutIds: string[] }; error?: string }
  return { status: response.status, headers: response.headers, ...body }
}

const email = { email: 'guest@home.example' }

describe('guest checkout', () => {
  it('is off unless it is wanted', async () => {
    const shop = await openShop('postgres')
    shops.push(shop)
    const customer = await shop.customer('ada')
    expect((await begin(shop)).status).toBe(404)
    expect((await claim(customer, 'x')).status).toBe(404)
    const token = await signGuestToken(newGuestId(), shop.stack.config.auth.secret, new Date(Date.now() + 60_000))
    const tries: Record<string, string>[] = [
      { authorization: `Bearer ${token}` },
      { cookie: `${GUEST_COOKIE}=${token}` }
    ]
    for (const headers of tries) expect((await fetch(`${baseOf(shop)}${MISSING}`, { headers })).status).toBe(401)
  })
})

describe('the id of a guest', () => {
  it('is no customer’s, whatever a sign-in says', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), rest => {
        expect(() => customerOf({ sub: `tillworks-guest:${rest}` })).toThrow('the claim "sub"')
      })
    )
  })

  it('is signed by a key that comes from AUTH_SECRET, which the start says', () => {
    const problems = () => {
      try {
        loadConfig({ GUEST_CHECKOUT: 'true' })
        return []
      } catch (error) {
        return (error as ConfigError).problems
      }
    }
    expect(problems()).toContainEqual(expect.stringMatching(/^AUTH_SECRET: missing; with GUEST_CHECKOUT=true/))
  })
})

describe('a guest', () => {
  let shop: Shop
  beforeAll(async () => {
    shop = await open()
  })

  it('orders, checks out, pays and reads what it made, and nothing of others', async () => {
    const [ada, eve] = [await guest(shop), await guest(shop)]
    expect(ada.userId).toMatch(/^tillworks-guest:c[0-9a-z]{24}$/)
    expect(ada.userId).not.toBe(eve.userId)
    const line = lineOf(await ada.product('stoneware-mug'), 1)
    const order = data(await ada.createOrder({ items: [line], address, subtotal: line.price, shipping: 0 }))
    const bought = data(await ada.checkout({ items: [line], orderId: order.id }))
    expect((await ada.pay(bought.url ?? '')).status).toBe(402)
    await ada.pay(bought.url ?? '', undefined, email)
    const paid = await ada.orderBecomes(order.id, 'PAID')
    expect(paid.customer).toMatchObject(email)
    expect((await ada.checkoutStatus(bought.checkoutId)).status).toBe(200)
    expect((await eve.order(order.id)).status).toBe(404)
    expect((await eve.checkoutStatus(bought.checkoutId)).status).toBe(404)
    expect((await (await shop.customer('ada')).order(order.id)).status).toBe(404)
  })

  it('has a cookie for its browser, good for the shop’s own pages alone, and keeps its id when it comes again', async () => {
    const own = `http://localhost:${shop.stack.api.port}`
    const begun = await begin(shop, { origin: own })
    const [cookie = ''] = begun.headers.getSetCookie()
    expect(begun.status).toBe(201)
    expect(cookie).toMatch(
      /^tillworks\.guest-token=[\w.-]+; Max-Age=2592000; Path=\/; Expires=.+; HttpOnly; SameSite=Lax$/
    )
    const [pair = ''] = cookie.split(';', 1)
    const see = async (headers: Record<string, string>) =>
      (await fetch(`${baseOf(shop)}${MISSING}`, { headers: { cookie: pair, ...headers } })).status
    expect([await see({}), await see({ origin: own }), await see({ origin: 'https://evil.example' })]).toEqual([
      404, 404, 403
    ])
    expect((await begin(shop, { origin: 'https://evil.example' })).status).toBe(403)
    const again = await begin(shop, { cookie: pair })
    expect([again.status, again.data.userId]).toEqual([200, begun.data.userId])
    const forwarded = await begin(shop, { 'X-Forwarded-Proto': 'https' })
    expect(forwarded.headers.getSetCookie()[0]).toMatch(/^__Secure-tillworks\.guest-token=.*; Secure/)
  })

  it('is no customer, and no customer is a guest, whoever signs', async () => {
    const { secret } = shop.stack.config.auth
    const see = async (token: string) =>
      (await fetch(`${baseOf(shop)}${MISSING}`, { headers: { authorization: `Bearer ${token}` } })).status
    const later = new Date(Date.now() + 60_000)
    const { token, userId } = await guest(shop)
    expect(await see(token)).toBe(404)
    expect(decodeJwt(token)).toMatchObject({ sub: userId, aud: 'tillworks-guest' })
    expect(await see(await signGuestToken(userId, 'another secret of thirty-two characters', later))).toBe(401)
    expect(await see(await signGuestToken(userId, secret, new Date(Date.now() - 60_000)))).toBe(401)
    expect(await see(await signGuestToken('ada', secret, later))).toBe(401)
    // By the key of the customers' sessions, whichever audience it names, and by a sign-in that calls its user so.
    expect(await see(await signSessionToken({ userId, email: null }, secret, 60))).toBe(401)
    for (const aud of ['tillworks', 'tillworks-guest']) {
      const forged = new SignJWT().setProtectedHeader({ alg: 'HS256' }).setSubject(userId).setIssuer('tillworks')
      const signed = await forged.setAudience(aud).setExpirationTime('1h').sign(new TextEncoder().encode(secret))
      expect(await see(signed)).toBe(401)
    }
  })
})

describe('a claim', () => {
  let shop: Shop
  beforeAll(async () => {
    shop = await open()
  })

  it('moves paid orders and running checkouts to the customer, once and for good', async () => {
    const visitor = await guest(shop)
    const [paid, running] = [await buy(visitor), await buy(visitor)]
    await visitor.pay(paid.url, undefined, email)
    await visitor.orderBecomes(paid.orderId, 'PAID')
    const [ada, eve] = [await shop.customer('ada'), await shop.customer('eve')]

    const first = await claim(ada, visitor.token)
    expect(first.status).toBe(200)
    expect(first.data?.orderIds.sort()).toEqual([paid.orderId, running.orderId].sort())
    expect(first.data?.checkoutIds.sort()).toEqual([paid.checkoutId, running.checkoutId].sort())
    expect(first.headers.getSetCookie().every(cookie => /=; .*1970/.test(cookie))).toBe(true)
    expect(data(await ada.order(paid.orderId)).status).toBe('PAID')
    await ada.pay(running.url, undefined, email)
    await ada.orderBecomes(running.orderId, 'PAID')

    expect(await claim(ada, visitor.token)).toMatchObject({
      status: 200,
      data: { orderIds: [], checkoutIds: [] }
    })
    expect(await claim(eve, visitor.token)).toMatchObject({ status: 409 })
    expect((await eve.order(paid.orderId)).status).toBe(404)
    // The guest session is over; the visitor becomes another guest.
    expect((await visitor.order(paid.orderId)).status).toBe(401)
    expect((await visitor.checkout({ items: [lineOf(await ada.product('stoneware-mug'), 1)] })).status).toBe(401)
    const next = await begin(shop, { authorization: `Bearer ${visitor.token}` })
    expect([next.status, next.data.userId === visitor.userId]).toEqual([201, false])

    const trail = await shop.stack.services.db.prisma.paymentAuditLog.findMany({
      where: { action: { in: ['order_claimed', 'guest_claimed'] } },
      orderBy: { orderId: { sort: 'asc', nulls: 'last' } }
    })
    expect(trail.map(({ orderId, userId, before, after }) => [orderId, userId, before, after])).toEqual(
      [...[paid.orderId, running.orderId].sort(), null].map(orderId => [orderId, 'ada', visitor.userId, 'ada'])
    )
  })

  it('needs a customer and a guest session', async () => {
    const [visitor, other, ada] = [await guest(shop), await guest(shop), await shop.customer('ada')]
    expect((await claim(visitor, other.token)).status).toBe(401)
    expect((await claim(ada)).status).toBe(400)
    expect((await claim(ada, 'nonsense')).status).toBe(400)
    const session = await signSessionToken({ userId: 'eve', email: null }, shop.stack.config.auth.secret, 60)
    expect((await claim(ada, session)).status).toBe(400)
    expect((await claim(ada, undefined, { cookie: `${GUEST_COOKIE}=${other.token}` })).status).toBe(200)
  })

  it('leaves nothing behind of what the guest is doing at that moment', async () => {
    const { prisma } = shop.stack.services.db
    for (let round = 0; round < 5; round++) {
      const [visitor, ada] = [await guest(shop), await shop.customer(`ada-${round}`)]
      const line = lineOf(await visitor.product('stoneware-mug'), 1)
      const checkout = (number: number) =>
        visitor.checkout({ items: [line] }, { Prefer: 'respond-async', 'Idempotency-Key': `race-${round}-${number}` })
      const order = () => visitor.createOrder({ items: [line], address, subtotal: line.price, shipping: 0 })
      const [first, ...others] = await Promise.all([
        claim(ada, visitor.token),
        ...Array.from({ length: 6 }, (_, number) => checkout(number)),
        order(),
        order()
      ])
      expect(first.status).toBe(200)
      const accepted = others.filter(({ status }) => status === 201 || status === 202)
      const where = { userId: visitor.userId }
      expect([await prisma.order.count({ where }), await prisma.checkout.count({ where })]).toEqual([0, 0])
      expect(await prisma.idempotencyKey.count({ where })).toBe(0)
      expect(await prisma.order.count({ where: { userId: ada.userId } })).toBe(accepted.length)
    }
  })

  it('makes the guest’s part of the trail the customer’s when the customer is forgotten', async () => {
    const visitor = await guest(shop)
    const ended = await buy(visitor)
    await visitor.pay(ended.url, undefined, email)
    await visitor.orderBecomes(ended.orderId, 'PAID')
    const zoe = await shop.customer('zoe')
    await claim(zoe, visitor.token)
    const { db } = shop.stack.services
    const withAddress = () =>
      db.prisma.paymentAuditLog.count({ where: { userId: { in: [visitor.userId, 'zoe'] }, ipAddress: { not: null } } })
    expect(await withAddress()).toBeGreaterThan(0)
    await erasePersonalData(db.pool, { userId: 'zoe', operator: 'tester', reason: 'a test' })
    expect(await withAddress()).toBe(0)
    const order = await db.prisma.order.findUniqueOrThrow({ where: { id: ended.orderId } })
    expect(order).toMatchObject({ userId: 'zoe', email: null, contact: null })
  })
})

describe('limits', () => {
  it('let an address begin so many guest sessions, and others theirs', async () => {
    const shop = await open({ GUEST_SESSIONS_PER_IP: '3' })
    const from = (ip: string, headers: Record<string, string> = {}) =>
      begin(shop, { 'X-Forwarded-For': ip, ...headers })
    const statuses: number[] = []
    // A store that is slow on a busy machine lets the memory of the process count on.
    let refused = await from('203.0.113.7')
    for (let number = 0; number < 8 && refused.status === 201; number++) {
      statuses.push(refused.status)
      refused = await from('203.0.113.7')
    }
    expect(statuses.slice(0, 3)).toEqual([201, 201, 201])
    expect([refused.status, refused.headers.get('ratelimit-policy')]).toEqual([
      429,
      expect.stringContaining('"guest";q=3;w=3600')
    ])
    const other = await from('203.0.113.8')
    expect(other.status).toBe(201)
    // Whoever is a guest already is not a new one.
    for (let number = 0; number < 5; number++) {
      expect((await from('203.0.113.8', { authorization: `Bearer ${other.data.token}` })).status).toBe(200)
    }
  })

  it('count the checkouts of all guests of an address', async () => {
    const shop = await open({ FRAUD_CHECK_ENABLED: 'true', FRAUD_MAX_ATTEMPTS_PER_HOUR: '2', GUESTS_PER_IP: '2' })
    const attempt = async (ip: string) => {
      const visitor = await guest(shop, ip)
      const items = [lineOf(await visitor.product('stoneware-mug'), 1)]
      return (await visitor.checkout({ items }, { Prefer: 'respond-async' })).status
    }
    const statuses: number[] = []
    for (let number = 0; number < 5; number++) statuses.push(await attempt('203.0.113.7'))
    expect(statuses).toEqual([202, 202, 202, 202, 429])
    expect(await attempt('203.0.113.8')).toBe(202)
    const customer = await shop.customer('ada')
    const items = [lineOf(await customer.product('stoneware-mug'), 1)]
    const signedIn = await customer.checkout({ items }, { 'X-Forwarded-For': '203.0.113.7', Prefer: 'respond-async' })
    expect(signedIn.status).toBe(202)
  })

  it('ask the bank after too many checkouts of all guests of an address', async () => {
    const shop = await open({
      FRAUD_CHECK_ENABLED: 'true',
      FRAUD_MAX_ATTEMPTS_PER_HOUR: '100',
      FRAUD_CHALLENGE_ATTEMPTS: '1',
      GUESTS_PER_IP: '2'
    })
    const risks: (string | null)[] = []
    for (let number = 0; number < 4; number++) {
      const { checkoutId } = await buy(await guest(shop))
      risks.push((await shop.stack.services.db.prisma.checkout.findUniqueOrThrow({ where: { id: checkoutId } })).risk)
    }
    expect(risks).toEqual([null, null, null, 'CHALLENGE'])
  })

  it('keep so many checkouts of an address’ guests open, and end the oldest', async () => {
    const shop = await open({ RESERVATION_MAX_OPEN: '1', GUESTS_PER_IP: '2' })
    const [one, two, three, elsewhere] = [
      await guest(shop),
      await guest(shop),
      await guest(shop),
      await guest(shop, '203.0.113.8')
    ]
    const oldest = await buy(one)
    const [second, other] = [await buy(two), await buy(elsewhere)]
    await buy(three)
    await one.checkoutBecomes(oldest.checkoutId, 'EXPIRED')
    expect(data(await two.checkoutStatus(second.checkoutId)).status).toBe('OPEN')
    expect(data(await elsewhere.checkoutStatus(other.checkoutId)).status).toBe('OPEN')
    // One's own comes first.
    await buy(two)
    await two.checkoutBecomes(second.checkoutId, 'EXPIRED')
  })

  it('hold when all guests of an address come at once', async () => {
    const shop = await open({
      RESERVATION_MAX_OPEN: '1',
      GUESTS_PER_IP: '2',
      FRAUD_CHECK_ENABLED: 'true',
      FRAUD_MAX_ATTEMPTS_PER_HOUR: '4'
    })
    const { prisma, pool } = shop.stack.services.db
    const all = await Promise.all(Array.from({ length: 12 }, () => guest(shop)))
    const lines = await Promise.all(all.map(() => stocked(shop, 1)))
    const answers = await meeting(pool, 8, () =>
      Promise.all(all.map((each, index) => buyLines(each, lines.slice(index, index + 1))))
    )
    expect(answers.map(({ status }) => status).filter(status => status === 429)).toHaveLength(4)
    await eventually(
      () => prisma.checkout.count({ where: { status: { in: ['RECEIVED', 'VERIFIED'] } } }),
      inFlight => inFlight === 0
    )
    expect(await prisma.checkout.count({ where: { status: 'OPEN' } })).toBe(2)
    const held = await Promise.all(lines.map(async line => 1 - (await available(shop, line))))
    expect(held.reduce((sum, each) => sum + each, 0)).toBe(2)
  })

  it('count the requests of all guests of an address', async () => {
    const shop = await open({ RATE_LIMIT_PER_USER: '4', GUESTS_PER_IP: '2' })
    const ask = async (ip: string) => (await (await guest(shop, ip)).request(MISSING)).status
    const statuses: number[] = []
    for (let number = 0; number < 20; number++) statuses.push(await ask('203.0.113.7'))
    expect(statuses.slice(0, 8)).toEqual(Array(8).fill(404))
    expect(statuses).toContain(429)
    expect(await ask('203.0.113.8')).toBe(404)
  })
})

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { encode as encodeAuthJs } from '@auth/core/jwt'
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { encode as encodeNextAuth } from 'next-auth/jwt'
import { eventually } from '../local/eventually.js'
import { address, data, lineOf } from '../local/shopper.js'
import { signSessionToken } from '../shared/identity/session-token.js'
import { openShop, plainEngines, type Shop, withShop } from './support/shop.js'

const OLD_SECRET = 'an old secret of at least thirty-two characters'
const NEW_SECRET = 'the new secret of at least thirty-two characters'
const STRANGE_SECRET = 'nobody knows this secret of thirty-two characters'
const claims = { sub: 'ada', email: 'ada@shop.example', name: 'x'.repeat(3_000) }

let shop: Shop
let issuer: Server
let keys: { publicKey: CryptoKey; privateKey: CryptoKey }
let base: string
beforeAll(async () => {
  keys = await generateKeyPair('ES256', { extractable: true })
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'ES256' }
  issuer = createServer((_request, response) => response.end(JSON.stringify({ keys: [jwk] })))
  await new Promise<void>(resolve => issuer.listen(0, '127.0.0.1', resolve))
  shop = await openShop('postgres', {
    AUTH_SECRET: `${NEW_SECRET},${OLD_SECRET}`,
    AUTH_JWKS_URL: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks`,
    AUTH_JWT_ISSUER: 'https://login.example',
    AUTH_JWT_AUDIENCE: 'the-shop'
  })
  base = `http://127.0.0.1:${shop.stack.api.port}`
})
afterAll(async () => {
  await shop.close()
  issuer.close()
  issuer.closeAllConnections()
})

const see = async (headers: Record<string, string>) =>
  (await fetch(`${base}/api/orders/cdoesnotexist0000000000000`, { headers })).status
/** 404 is what a known customer gets for an order that does not exist. */
const KNOWN = 404

/** As Auth.js sets it: in pieces of 3,936 bytes when it is long. */
function chunked(name: string, value: string): string {
  const pieces = value.match(/.{1,3936}/g) ?? []
  return pieces.map((piece, index) => `${name}.${index}=${piece}`).join('; ')
}

describe('session cookies', () => {
  it.each(['authjs.session-token', '__Secure-authjs.session-token'])('of Auth.js 5: %s', async salt => {
    const token = await encodeAuthJs({ token: claims, secret: NEW_SECRET, salt })
    const old = await encodeAuthJs({ token: claims, secret: OLD_SECRET, salt })
    const strange = await encodeAuthJs({ token: claims, secret: STRANGE_SECRET, salt })
    const expired = await encodeAuthJs({ token: claims, secret: NEW_SECRET, salt, maxAge: -60 })
    expect(await see({ cookie: `theme=dark; ${salt}=${token}` })).toBe(KNOWN)
    expect(await see({ cookie: chunked(salt, token) })).toBe(KNOWN)
    expect(await see({ cookie: `${salt}=${old}` })).toBe(KNOWN)
    expect(await see({ cookie: `${salt}=${strange}` })).toBe(401)
    expect(await see({ cookie: `${salt}=${expired}` })).toBe(401)
    expect(await see({ cookie: `${salt}=${token.slice(0, -9)}` })).toBe(401)
    // The salt is the name: a cookie that was moved to the other name is not the same token.
    const other = salt.startsWith('__') ? salt.slice(9) : `__Secure-${salt}`
    expect(await see({ cookie: `${other}=${token}` })).toBe(401)
  })

  it.each(['next-auth.session-token', '__Secure-next-auth.session-token'])('of NextAuth 4: %s', async name => {
    const token = await encodeNextAuth({ token: claims, secret: NEW_SECRET })
    const strange = await encodeNextAuth({ token: claims, secret: STRANGE_SECRET })
    const expired = await encodeNextAuth({ token: claims, secret: NEW_SECRET, maxAge: -60 })
    expect(await see({ cookie: `${name}=${token}` })).toBe(KNOWN)
    expect(await see({ cookie: chunked(name, token) })).toBe(KNOWN)
    expect(await see({ cookie: `${name}=${strange}` })).toBe(401)
    expect(await see({ cookie: `${name}=${expired}` })).toBe(401)
    expect(await see({ cookie: `authjs.session-token=${token}` })).toBe(401)
  })

  it('need the shop’s own Origin to change something', async () => {
    const cookie = `authjs.session-token=${await encodeAuthJs({ token: claims, secret: NEW_SECRET, salt: 'authjs.session-token' })}`
    const post = async (headers: Record<string, string>) =>
      (
        await fetch(`${base}/api/stripe/checkout`, {
          method: 'POST',
          body: '{}',
          headers: { 'Content-Type': 'application/json', cookie, ...headers }
        })
      ).status
    expect(await post({})).toBe(403)
    expect(await post({ origin: 'null' })).toBe(403)
    expect(await post({ origin: 'https://evil.example' })).toBe(403)
    expect(await post({ origin: `http://localhost:${shop.stack.api.port}.evil.example` })).toBe(403)
    expect(await post({ origin: `http://localhost:${shop.stack.api.port}` })).toBe(400)
  })
})

describe('tokens of an issuer', () => {
  const signed = (changes: object = {}, header: object = {}, key: CryptoKey = keys.privateKey) =>
    new SignJWT({ sub: 'ada', email: 'ada@shop.example', iss: 'https://login.example', aud: 'the-shop', ...changes })
      .setProtectedHeader({ alg: 'ES256', kid: 'one', ...header })
      .setExpirationTime('1h')
      .sign(key)
  const bearer = (token: string) => see({ authorization: `Bearer ${token}` })

  it('are read with its keys, and nothing else is', async () => {
    expect(await bearer(await signed())).toBe(KNOWN)
    expect(await bearer(await signed({ iss: 'https://evil.example' }))).toBe(401)
    expect(await bearer(await signed({ aud: 'another-shop' }))).toBe(401)
    expect(await bearer(await signed({ email: undefined }))).toBe(KNOWN)
    expect(await bearer(await signed({ sub: undefined }))).toBe(401)
    const strange = await generateKeyPair('ES256')
    expect(await bearer(await signed({}, {}, strange.privateKey))).toBe(401)
    expect(await bearer(await signed({}, { kid: 'two' }))).toBe(401)
    const past = new SignJWT({ sub: 'ada', email: 'a@b.example', iss: 'https://login.example', aud: 'the-shop' })
    past.setProtectedHeader({ alg: 'ES256', kid: 'one' }).setExpirationTime(Math.floor(Date.now() / 1000) - 60)
    expect(await bearer(await past.sign(keys.privateKey))).toBe(401)
    const none = new UnsecuredJWT({ sub: 'ada', email: 'a@b.example' }).setExpirationTime('1h').encode()
    expect(await bearer(none)).toBe(401)
    // The public key, taken for the secret of an HS256 token.
    const confused = new SignJWT({ email: 'a@b.example' })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('ada')
      .setIssuer('tillworks')
    const secret = new TextEncoder().encode(JSON.stringify(await exportJWK(keys.publicKey)))
    expect(await bearer(await confused.setAudience('tillworks').setExpirationTime('1h').sign(secret))).toBe(401)
  })

  it('get 503 and not 401 while the issuer does not answer', async () => {
    const silent = createServer((_request, response) => response.writeHead(500).end())
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/jwks`
    await withShop(
      openShop('postgres', { AUTH_JWKS_URL: url, AUTH_JWT_ISSUER: 'i', AUTH_JWT_AUDIENCE: 'a' }),
      async other => {
        const ask = async () =>
          (
            await fetch(`http://127.0.0.1:${other.stack.api.port}/api/orders/cdoesnotexist0000000000000`, {
              headers: { authorization: `Bearer ${await signed()}` }
            })
          ).status
        expect(await ask()).toBe(503)
        await new Promise<void>(resolve => {
          silent.close(() => resolve())
          silent.closeAllConnections()
        })
        expect(await ask()).toBe(503)
      }
    )
  })

  it('of our own are read with each secret', async () => {
    const customer = { userId: 'ada', email: 'ada@shop.example' }
    expect(await bearer(await signSessionToken(customer, NEW_SECRET, 60))).toBe(KNOWN)
    expect(await bearer(await signSessionToken(customer, OLD_SECRET, 60))).toBe(KNOWN)
    expect(await bearer(await signSessionToken(customer, STRANGE_SECRET, 60))).toBe(401)
    expect(await bearer(await signSessionToken(customer, NEW_SECRET, -60))).toBe(401)
  })
})

it('lets a page read with its cookie, and no other site’s page', async () => {
  const token = await signSessionToken({ userId: 'ada', email: 'ada@shop.example' }, NEW_SECRET, 60)
  const read = async (headers: Record<string, string>) =>
    (
      await fetch(`${base}/api/orders/cdoesnotexist0000000000000`, {
        headers: { cookie: `tillworks.session-token=${token}`, ...headers }
      })
    ).status
  const own = `http://localhost:${shop.stack.api.port}`
  expect([await read({}), await read({ 'sec-fetch-site': 'same-origin' }), await read({ origin: own })]).toEqual(
    Array(3).fill(404)
  )
  const elsewhere: Record<string, string>[] = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'null' }
  ]
  for (const headers of elsewhere) expect(await read(headers)).toBe(403)
})

it('answers CORS for the shop’s own origins only', async () => {
  const preflight = (origin: string) =>
    fetch(`${base}/api/stripe/checkout`, {
      method: 'OPTIONS',
      headers: { origin, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'content-type' }
    })
  const own = await preflight(`http://localhost:${shop.stack.api.port}`)
  expect([
    own.status,
    own.headers.get('access-control-allow-origin'),
    own.headers.get('access-control-allow-credentials')
  ]).toEqual([204, `http://localhost:${shop.stack.api.port}`, 'true'])
  const other = await preflight('https://evil.example')
  expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([403, null])
})

it('tells nobody whether another’s order exists, and raises an alert', async () => {
  await withShop(openShop('postgres'), async rightful => {
    const [ada, eve] = [await rightful.customer('ada'), await rightful.customer('eve')]
    const line = lineOf(await ada.product('stoneware-mug'), 1)
    const order = data(await ada.createOrder({ items: [line], address, subtotal: line.price, shipping: 0 }))
    const checkout = data(await ada.checkout({ items: [line], orderId: order.id }))
    const shape = (answer: { status: number; body: object }) => ({
      status: answer.status,
      keys: Object.keys(answer.body)
    })
    const missing = 'cdoesnotexist0000000000000'
    expect(shape(await eve.order(order.id))).toEqual(shape(await eve.order(missing)))
    expect(shape(await eve.checkoutStatus(checkout.checkoutId))).toEqual(shape(await eve.checkoutStatus(missing)))
    const alerts = await eventually(
      () => rightful.stack.services.db.prisma.alert.findMany({ where: { name: 'order_of_another_user' } }),
      found => found.length >= 1
    )
    expect(alerts.length).toBeGreaterThanOrEqual(1)
    expect(JSON.stringify(alerts)).not.toContain('127.0.0.1')
    const trail = await rightful.stack.services.db.prisma.paymentAuditLog.findFirstOrThrow({
      where: { action: 'alert_order_of_another_user' }
    })
    expect(trail).toMatchObject({ userId: 'eve', orderId: order.id, ipAddress: '127.0.0.1', userAgent: 'node' })
  })
})

/**
 * Asks until the answer is 429, which has to come after `limit` answers, or after some more: a store that is slow on a
 * busy machine lets the memory of the process count on.
 */
async function untilRefused(limit: number, ask: (number: number) => Promise<Response>) {
  const before: Response[] = []
  for (let number = 0; number <= 2 * limit; number++) {
    const answer = await ask(number)
    if (answer.status !== 429) before.push(answer)
    else if (before.length >= limit) return { before, refusal: answer }
    else break
  }
  throw new Error(`refused after ${before.length} answers, with a limit of ${limit}`)
}

describe.each(plainEngines)('rate limits on %s', engine => {
  it('count by address and by user, and believe a proxy only if it is trusted', async () => {
    await withShop(
      openShop(engine, {
        RATE_LIMIT_PER_IP: '12',
        RATE_LIMIT_PER_USER: '3',
        TRUST_PROXY: 'loopback'
      }),
      async limited => {
        const customer = await limited.customer('hasty')
        const from = (ip: string) =>
          customer.request('/api/orders/cdoesnotexist0000000000000', { headers: { 'X-Forwarded-For': ip } })
        const own = await untilRefused(3, () => from('203.0.113.7'))
        expect(own.before[0]?.headers.get('ratelimit-policy')).toBe('"ip";q=12;w=60, "user";q=3;w=60')
        expect(own.before[0]?.headers.get('ratelimit')).toMatch(/^"ip";r=11;t=\d+, "user";r=2;t=\d+$/)
        expect(Number(own.refusal.headers.get('retry-after'))).toBeGreaterThan(0)
        const anonymous = (ip: string) =>
          fetch(`http://127.0.0.1:${limited.stack.api.port}/api/products`, { headers: { 'X-Forwarded-For': ip } })
        await untilRefused(12, () => anonymous('203.0.113.8'))
        expect((await anonymous('203.0.113.9')).status).toBe(200)
        // Within a network of IPv6 everybody has as many addresses as they like.
        await untilRefused(12, number => anonymous(`2001:db8:1:2::${number}`))
        expect((await anonymous('2001:db8:1:3::1')).status).toBe(200)
      }
    )
  })
})

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { encode as encodeAuthJs } from '@auth/core/jwt'
import fc from 'fast-check'
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { lineOf } from '../local/shopper.js'
import { type ConfigError, loadConfig } from '../shared/config/config.js'
import { customerOf } from '../shared/identity/customer-claims.js'
import { openShop, type Shop } from './support/shop.js'

const SECRET = 'a secret of the sign-in of at least thirty-two characters'
const ISSUER = 'https://login.example'

let keys: { publicKey: CryptoKey; privateKey: CryptoKey }
let issuer: Server
beforeAll(async () => {
  keys = await generateKeyPair('ES256', { extractable: true })
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'ES256' }
  issuer = await listening((_request, response) => response.end(JSON.stringify({ keys: [jwk] })))
})
afterAll(() => {
  issuer.close()
  issuer.closeAllConnections()
})

async function listening(handler: Parameters<typeof createServer>[1]): Promise<Server> {
  const server = createServer(handler)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return server
}

const urlOf = (server: Server, path: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`

const openWith = (env: Record<string, string>) =>
  openShop('postgres', { AUTH_JWKS_URL: urlOf(issuer, '/jwks'), AUTH_JWT_ISSUER: ISSUER, AUTH_SECRET: SECRET, ...env })

const tokenOf = (claims: JWTPayload) =>
  new SignJWT({ iss: ISSUER, ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: 'one' })
    .setExpirationTime('1h')
    .sign(keys.privateKey)

/** Who the shop takes the caller for: the owner of an order that the request has made; its status when it made none. */
async function whoBuys(shop: Shop, headers: Record<string, string>) {
  const { customer, stack } = shop
  const line = lineOf(await (await customer('somebody')).product('stoneware-mug'), 1)
  const answer = await fetch(`http://127.0.0.1:${stack.api.port}/api/stripe/checkout`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Prefer: 'respond-async', ...headers },
    body: JSON.stringify({ items: [line] })
  })
  const body = (await answer.json()) as { data?: { checkoutId: string } }
  if (body.data === undefined) return answer.status
  const made = await stack.services.db.prisma.checkout.findUniqueOrThrow({ where: { id: body.data.checkoutId } })
  return { userId: made.userId, email: made.email }
}

describe('an issuer whose tokens have no audience', () => {
  it('is read with AUTH_JWT_AUDIENCE=none, and is not without it', async () => {
    const [unnamed, named] = [
      await openWith({ AUTH_JWT_AUDIENCE: 'none' }),
      await openWith({ AUTH_JWT_AUDIENCE: 'a,b' })
    ]
    try {
      const buys = async (shop: Shop, claims: JWTPayload) =>
        whoBuys(shop, {
          authorization: `Bearer ${await tokenOf({ sub: 'ada', email: 'ada@shop.example', ...claims })}`
        })
      const ada = { userId: 'ada', email: 'ada@shop.example' }
      expect(await buys(unnamed, {})).toEqual(ada)
      expect(await buys(unnamed, { aud: 'another' })).toEqual(ada)
      expect(await buys(unnamed, { iss: 'https://evil.example' })).toBe(401)
      expect(await buys(named, {})).toBe(401)
      expect(await buys(named, { aud: 'none' })).toBe(401)
      expect(await buys(named, { aud: ['c', 'b'] })).toEqual(ada)
    } finally {
      await Promise.all([unnamed.close(), named.close()])
    }
  })

  it('has to be meant in words', () => {
    const problems = (audience?: string) => {
      try {
        loadConfig({ AUTH_JWKS_URL: 'https://login.example/jwks', AUTH_JWT_AUDIENCE: audience })
        return []
      } catch (error) {
        return (error as ConfigError).problems.filter(problem => problem.startsWith('AUTH_JWT_AUDIENCE'))
      }
    }
    expect(problems('none')).toEqual([])
    expect(problems('the-shop')).toEqual([])
    expect(problems('')).toEqual([expect.stringContaining('Write none')])
    for (const other of [
      'NONE',
      'None',
      'off',
      'any',
      '*',
      'false',
      'null',
      'undefined',
      'shop,none',
      'No',
      '-',
      ','
    ]) {
      expect([other, problems(other)]).toEqual([other, [expect.stringContaining('none')]])
    }
  })
})

describe('other claim names', () => {
  const [user, email] = ['https://shop.example/id', 'user_metadata.mail']
  let shop: Shop
  beforeAll(async () => {
    shop = await openWith({ AUTH_JWT_AUDIENCE: 'none', AUTH_USER_CLAIM: user, AUTH_EMAIL_CLAIM: email })
  })
  afterAll(() => shop.close())

  it('name the customer in tokens of the issuer', async () => {
    const token = await tokenOf({ sub: 'another', [user]: 4711, user_metadata: { mail: 'ada@shop.example' } })
    expect(await whoBuys(shop, { authorization: `Bearer ${token}` })).toEqual({
      userId: '4711',
      email: 'ada@shop.example'
    })
    const standard = await tokenOf({ sub: 'ada', email: 'ada@shop.example' })
    expect(await whoBuys(shop, { authorization: `Bearer ${standard}` })).toBe(401)
  })

  it('name the customer in a cookie of Auth.js, and not in our own tokens', async () => {
    const salt = 'authjs.session-token'
    const claims = { sub: 'another', [user]: 'ada', user_metadata: { mail: 'ada@shop.example' } }
    const cookie = `${salt}=${await encodeAuthJs({ token: claims, secret: SECRET, salt })}`
    const origin = `http://localhost:${shop.stack.api.port}`
    expect(await whoBuys(shop, { cookie, origin })).toEqual({ userId: 'ada', email: 'ada@shop.example' })
    expect((await (await shop.customer('eve')).order('cdoesnotexist0000000000000')).status).toBe(404)
  })
})

describe('claims', () => {
  const name = fc.stringMatching(/^[a-z_:/.-]{1,12}$/).filter(text => !/^\.|\.$/.test(text))
  const id = fc.oneof(
    fc.stringMatching(/^\S{1,40}$/).filter(text => text.isWellFormed() && !text.includes('\0')),
    fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
  )
  const email = 'ada@shop.example'

  it('are found under any name, at any depth, and a number is the id that it shows', () => {
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), id, (path, value) => {
        const claims = path.reduceRight<unknown>((inner, each) => ({ [each]: inner }), value) as object
        const read = customerOf({ 'the e-mail': email, ...claims }, { user: path.join('.'), email: 'the e-mail' })
        expect(read).toEqual({ userId: String(value), email })
      })
    )
    expect(customerOf({ sub: 7, emails: [email] }, { user: 'sub', email: 'emails.0' })).toEqual({ userId: '7', email })
  })

  it('that name nobody are refused, whatever they are', () => {
    const nobody = fc.oneof(
      fc.constantFrom<unknown>(
        undefined,
        null,
        '',
        0,
        -0,
        Number.NaN,
        2 ** 53,
        '\0',
        '\ud800',
        'x'.repeat(256),
        true,
        {},
        []
      ),
      fc.integer({ max: 0 }),
      fc.double({ noInteger: true }),
      fc.dictionary(fc.string(), fc.string()),
      fc.array(fc.string())
    )
    fc.assert(
      fc.property(nobody, value => {
        expect(() => customerOf({ sub: value, email })).toThrow('the claim "sub" names no user')
      })
    )
    // What every object has is no claim.
    for (const user of ['constructor', '__proto__', 'toString.name', 'x.constructor.name']) {
      expect(() => customerOf({ x: {}, email }, { user, email: 'email' })).toThrow('names no user')
    }
  })
})

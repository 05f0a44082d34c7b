import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Auth, type AuthConfig } from '@auth/core'
import type { Adapter } from '@auth/core/adapters'
import { encode as encodeAuthJs } from '@auth/core/jwt'
import fc from 'fast-check'
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { SessionEndpointError, sessionEndpoint } from '../api/session-endpoint.js'
import { eventually } from '../local/eventually.js'
import { lineOf } from '../local/shopper.js'
import { type ConfigError, loadConfig } from '../shared/config/config.js'
import { customerOf, STANDARD_CLAIMS } from '../shared/identity/customer-claims.js'
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

describe('a session that only the shop can read', () => {
  /** What the shop's endpoint has seen and how it answers. */
  let seen: { url?: string; cookie?: string; authorization?: string }[] = []
  let answer: (request: IncomingMessage, response: ServerResponse) => void
  let shopsOwn: Server
  let shop: Shop
  const send = (body: unknown, status = 200) => {
    answer = (_request, response) =>
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
  }
  beforeAll(async () => {
    shopsOwn = await listening((request, response) => {
      const { cookie, authorization } = request.headers
      seen.push({ url: request.url, cookie, authorization })
      answer(request, response)
    })
    shop = await openShop('postgres', {
      AUTH_SESSION_URL: urlOf(shopsOwn, '/api/auth/session'),
      AUTH_SESSION_CACHE_SECONDS: '30',
      AUTH_SESSION_AUTHORIZATION: 'true',
      GUEST_CHECKOUT: 'true'
    })
  })
  afterAll(async () => {
    await shop.close()
    shopsOwn.close()
    shopsOwn.closeAllConnections()
  })
  beforeEach(() => {
    seen = []
  })

  let sessions = 0
  /** A cookie that has not been asked about. */
  const fresh = () => `authjs.session-token=opaque-${++sessions}; theme=dark`
  const buys = (headers: Record<string, string>) =>
    whoBuys(shop, { origin: `http://localhost:${shop.stack.api.port}`, ...headers })
  const ask = async (headers: Record<string, string>) =>
    await fetch(`http://127.0.0.1:${shop.stack.api.port}/api/orders/cdoesnotexist0000000000000`, { headers })
  const ada = { id: 'ada', email: 'ada@shop.example', name: 'Ada' }

  it.each([
    ['Auth.js', { user: ada, expires: '2030-01-01T00:00:00.000Z' }],
    ['better-auth', { session: { id: 's1', userId: 'ada', token: 't' }, user: ada }],
    ['OpenID Connect’s userinfo', { sub: 'ada', email: 'ada@shop.example' }]
  ])('is read as %s answers', async (_name, body) => {
    send(body)
    const cookie = fresh()
    expect(await buys({ cookie })).toEqual({ userId: 'ada', email: 'ada@shop.example' })
    expect(seen).toEqual([{ url: '/api/auth/session', cookie, authorization: undefined }])
  })

  it('may have a number for an id, and no e-mail', async () => {
    send({ user: { id: 4711, name: 'Ada' } })
    expect(await buys({ cookie: fresh() })).toEqual({ userId: '4711', email: '' })
  })

  it('of nobody is 401, however the shop says so', async () => {
    const nobody: [unknown, number][] = [
      [null, 200],
      [{}, 200],
      [{ user: null, session: null }, 200],
      [false, 200],
      [{ message: 'Unauthorized' }, 401],
      [{}, 403],
      [{}, 302]
    ]
    for (const [body, status] of nobody) {
      send(body, status)
      expect([body, status, (await ask({ cookie: fresh() })).status]).toEqual([body, status, 401])
    }
    answer = (_request, response) => response.writeHead(204).end()
    expect((await ask({ cookie: fresh() })).status).toBe(401)
  })

  it('is 503 and no 401 when the endpoint is away or cannot be understood', async () => {
    const unclear: Record<string, (response: ServerResponse) => void> = {
      'an error': response => response.writeHead(500).end(),
      'a missing page': response => response.writeHead(404).end('{}'),
      'too many requests': response => response.writeHead(429).end(),
      'a page that moved for good': response => response.writeHead(308, { location: '/elsewhere' }).end(),
      'a page for people': response => response.end('<!doctype html>'),
      'a broken connection': response => response.destroy(),
      'half an answer': response => {
        response.writeHead(200, { 'Content-Length': '100' }).write('{"user":')
        setImmediate(() => response.destroy())
      },
      'a huge answer': response => response.end(JSON.stringify({ user: { ...ada, more: 'x'.repeat(70_000) } })),
      'no UTF-8': response => response.end(Buffer.from([0xff, 0xfe, 0x7b])),
      'a user without an id': response => response.end(JSON.stringify({ user: { email: 'ada@shop.example' } })),
      'a user with an id of a guest': response => response.end(JSON.stringify({ user: { id: 'tillworks-guest:x' } })),
      'a text': response => response.end('"ada"')
    }
    for (const [what, respond] of Object.entries(unclear)) {
      answer = (_request, response) => respond(response)
      const refused = await ask({ cookie: fresh() })
      expect([what, refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([what, 503, true])
    }
    // And it is asked again: nothing of that is kept.
    const cookie = fresh()
    send({}, 503)
    expect((await ask({ cookie })).status).toBe(503)
    send({ user: ada })
    expect((await ask({ cookie })).status).toBe(404)
  })

  it('is asked about once by requests at one time, and not again for a while', async () => {
    const cookie = fresh()
    let release: () => void = () => undefined
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    answer = (_request, response) => void held.then(() => response.end(JSON.stringify({ user: ada })))
    const all = Array.from({ length: 20 }, () => ask({ cookie }))
    await eventually(
      async () => seen.length,
      count => count > 0
    )
    release()
    expect(new Set((await Promise.all(all)).map(({ status }) => status))).toEqual(new Set([404]))
    expect((await ask({ cookie })).status).toBe(404)
    expect(seen).toHaveLength(1)
    // Another session is another question.
    expect((await ask({ cookie: fresh() })).status).toBe(404)
    expect(seen).toHaveLength(2)
  })

  it('needs the shop’s own Origin like every cookie', async () => {
    send({ user: ada })
    expect(await buys({ cookie: fresh(), origin: 'https://evil.example' })).toBe(403)
  })

  it('may be in the Authorization header, which then counts alone', async () => {
    send({ user: ada })
    const authorization = 'Bearer opaque.token-of-better-auth'
    expect(await whoBuys(shop, { authorization, cookie: fresh() })).toEqual({
      userId: 'ada',
      email: 'ada@shop.example'
    })
    expect(seen).toEqual([{ url: '/api/auth/session', cookie: undefined, authorization }])
  })

  it('comes after our own tokens and before those of guests, which the shop never sees', async () => {
    const customer = await shop.customer('eve')
    expect((await customer.order('cdoesnotexist0000000000000')).status).toBe(404)
    const begun = await fetch(`http://127.0.0.1:${shop.stack.api.port}/api/guest`, { method: 'POST' })
    const [guest = ''] = (begun.headers.getSetCookie()[0] ?? '').split(';', 1)
    expect(guest).toContain('tillworks.guest-token=')
    expect(await buys({ cookie: guest })).toMatchObject({ userId: expect.stringMatching(/^tillworks-guest:/) })
    expect(seen).toEqual([])
    send(null)
    expect(await buys({ cookie: `${guest}; theme=dark` })).toMatchObject({
      userId: expect.stringMatching(/^tillworks-guest:/)
    })
    send({ user: ada })
    expect(await buys({ cookie: `${guest}; theme=light` })).toMatchObject({ userId: 'ada' })
    expect(seen.map(({ cookie }) => cookie)).toEqual(['theme=dark', 'theme=light'])
  })

  it('is named by the claims that are set, and by them alone', async () => {
    const other = await openShop('postgres', {
      AUTH_SESSION_URL: urlOf(shopsOwn, '/me'),
      AUTH_USER_CLAIM: 'user.customer',
      AUTH_EMAIL_CLAIM: 'contact.mail'
    })
    try {
      const origin = `http://localhost:${other.stack.api.port}`
      send({ user: { ...ada, customer: 'c-1' }, contact: { mail: 'a@b.example' } })
      expect(await whoBuys(other, { cookie: fresh(), origin })).toEqual({ userId: 'c-1', email: 'a@b.example' })
      send({ user: ada })
      expect(await whoBuys(other, { cookie: fresh(), origin })).toBe(503)
      // Not configured: the header stays here.
      expect(await whoBuys(other, { authorization: 'Bearer opaque' })).toBe(401)
    } finally {
      await other.close()
    }
  })
})

describe('the answers that are kept', () => {
  it('are bounded in time and number', async () => {
    let asked = 0
    const server = await listening((request, response) => {
      asked++
      response.end(JSON.stringify(request.headers.cookie === 'nobody=1' ? null : { user: { id: 'ada' } }))
    })
    try {
      const ask = sessionEndpoint({ url: urlOf(server, '/'), cacheMs: 60_000, authorization: false }, STANDARD_CLAIMS, {
        mostKept: 3
      })
      for (const cookie of ['a=1', 'b=1', 'c=1', 'c=1', 'a=1']) await ask({ cookie })
      expect(asked).toBe(3)
      // A fourth takes the place of the first.
      await ask({ cookie: 'd=1' })
      await ask({ cookie: 'b=1' })
      expect(asked).toBe(4)
      await ask({ cookie: 'a=1' })
      expect(asked).toBe(5)
      const forgetful = sessionEndpoint({ url: urlOf(server, '/'), cacheMs: 0, authorization: false }, STANDARD_CLAIMS)
      for (let time = 0; time < 3; time++) await forgetful({ cookie: 'a=1' })
      expect(asked).toBe(8)
    } finally {
      server.close()
      server.closeAllConnections()
    }
  })
})

describe('calls of the session endpoint', () => {
  it('are bounded in time, also for one that begins to answer and stops, and in number', async () => {
    const server = await listening((request, response) => {
      if (request.headers.cookie === 'slow=1') response.writeHead(200).write('{"user":')
    })
    try {
      const settings = { url: urlOf(server, '/'), cacheMs: 0, authorization: false }
      const ask = sessionEndpoint(settings, STANDARD_CLAIMS, { mostCalls: 2, timeoutMs: 200 })
      const [silent, slow] = [ask({ cookie: 'silent=1' }), ask({ cookie: 'slow=1' })]
      await expect(ask({ cookie: 'third=1' })).rejects.toThrow('2 calls are under way')
      await expect(silent).rejects.toThrow(SessionEndpointError)
      await expect(slow).rejects.toThrow(SessionEndpointError)
      // They have made room.
      await expect(ask({ cookie: 'third=1' })).rejects.toThrow('timeout')
    } finally {
      server.close()
      server.closeAllConnections()
    }
  })
})

describe('Auth.js with sessions in a database', () => {
  const user = { id: 'ada', email: 'ada@shop.example', emailVerified: null, name: 'Ada' }
  const session = { sessionToken: 'a-random-token', userId: 'ada', expires: new Date(Date.now() + 86_400_000) }
  const unused = async () => {
    throw new Error('nobody signs in here')
  }
  const adapter: Adapter = {
    getSessionAndUser: async token => (token === session.sessionToken ? { session, user } : null),
    updateSession: async () => session,
    deleteSession: async () => undefined,
    createSession: unused,
    createUser: unused,
    getUser: unused,
    getUserByEmail: unused,
    getUserByAccount: unused,
    updateUser: unused,
    linkAccount: unused
  }
  /** As docs/sign-in.md asks for it: by itself the answer has a name and an e-mail alone. */
  const withId: NonNullable<AuthConfig['callbacks']>['session'] = ({ session, user }) => ({
    ...session,
    user: { ...session.user, id: user.id }
  })

  it('answers who is signed in, and its cookie is no longer taken for a token', async () => {
    let callbacks: AuthConfig['callbacks'] = { session: withId }
    const auth = await listening(async (request, response) => {
      const asked = new Request(`http://shop.example${request.url}`, {
        headers: request.headers as Record<string, string>
      })
      const config = { adapter, secret: SECRET, trustHost: true, providers: [], basePath: '/api/auth', callbacks }
      const answered = (await Auth(asked, { ...config, session: { strategy: 'database' } })) as Response
      response.writeHead(answered.status, Object.fromEntries(answered.headers)).end(await answered.text())
    })
    const shop = await openShop('postgres', {
      AUTH_SESSION_URL: urlOf(auth, '/api/auth/session'),
      AUTH_SESSION_CACHE_SECONDS: '0',
      AUTH_SECRET: SECRET
    })
    try {
      const origin = `http://localhost:${shop.stack.api.port}`
      const buys = (token: string) => whoBuys(shop, { cookie: `authjs.session-token=${token}`, origin })
      expect(await buys(session.sessionToken)).toEqual({ userId: 'ada', email: 'ada@shop.example' })
      expect(await buys('of-nobody')).toBe(401)
      callbacks = {}
      expect(await buys(session.sessionToken)).toBe(503)
    } finally {
      await shop.close()
      auth.close()
      auth.closeAllConnections()
    }
  })
})

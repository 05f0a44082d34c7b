import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import fc from 'fast-check'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { createShopper, data } from '../local/shopper.js'
import { type ConfigError, loadConfig } from '../shared/config/config.js'
import { proxyExceptions, proxyFor, proxyServer } from '../shared/config/proxies.js'
import { messageOf } from '../shared/errors.js'
import { createLogger } from '../shared/logger.js'
import { closeProxies, outgoingFetch, ProxyError } from '../shared/runtime/outgoing.js'
import { openSentry } from '../shared/runtime/sentry.js'
import { createStripe } from '../shared/runtime/stripe-client.js'
import { startSimulator } from '../simulator/start.js'
import { startAnsweringServer } from './support/answering-server.js'
import { type ForwardProxy, startForwardProxy } from './support/forward-proxy.js'
import { runProgram } from './support/ops.js'
import { buy } from './support/purchase.js'
import { ENOUGH, QUIET } from './support/settings.js'
import { openShop, withShop } from './support/shop.js'

const LOGIN = { user: 'till', password: 'p@ss:w/rd%?#' }
const BASE = { ...ENOUGH, QUEUE_ENGINE: 'postgres' }

const proxiesOf = (env: Record<string, string>) => loadConfig({ ...BASE, ...env }).proxies
const problemsOf = (env: Record<string, string>): string[] => {
  try {
    loadConfig({ ...BASE, ...env })
    return []
  } catch (error) {
    return [...(error as ConfigError).problems]
  }
}

const opened: ForwardProxy[] = []
afterAll(closeProxies)
afterEach(() => Promise.all(opened.splice(0).map(proxy => proxy.close())))
async function open(login?: typeof LOGIN): Promise<ForwardProxy> {
  const proxy = await startForwardProxy(login)
  opened.push(proxy)
  return proxy
}

describe('NO_PROXY', () => {
  const isDirect = (except: string, url: string) =>
    proxyFor(proxiesOf({ HTTPS_PROXY: 'proxy:1', HTTP_PROXY: 'proxy:1', NO_PROXY: except }), url) === undefined

  it.each([
    ['*', 'https://api.stripe.com', true],
    ['shop.example', 'https://shop.example', true],
    ['shop.example', 'https://SHOP.example.:443/x', true],
    ['shop.example', 'https://www.shop.example', true],
    ['shop.example', 'https://webshop.example', false],
    ['.shop.example', 'https://www.shop.example', true],
    ['*.shop.example', 'https://a.b.shop.example', true],
    ['*.shop.example', 'https://shop.examples', false],
    ['shop.example:8443', 'https://shop.example:8443', true],
    ['shop.example:8443', 'https://shop.example', false],
    ['shop.example:443', 'https://shop.example', true],
    ['shop.example:80', 'http://shop.example', true],
    ['a.example, b.example c.example', 'http://c.example', true],
    [',, ,', 'http://c.example', false],
    ['10.1.2.3', 'http://10.1.2.3:8080', true],
    ['10.1.2.3', 'http://10.1.2.30', false],
    ['10.0.0.0/8', 'http://10.200.1.1', true],
    ['10.0.0.0/8', 'http://11.0.0.1', false],
    ['10.0.0.0/8', 'http://[::ffff:10.1.1.1]', true],
    ['fd00::/8', 'https://[fd12::1]', true],
    ['[fd12::1]:8443', 'https://[fd12::1]:8443', true],
    ['[fd12::1]:8443', 'https://[fd12::1]', false],
    ['fd12::1', 'https://[FD12:0::1]', true],
    ['192.168.*', 'http://192.168.7.9', true],
    ['', 'https://api.stripe.com', false]
  ])('%j and %s: directly %s', (except, url, direct) => {
    expect(isDirect(except, url)).toBe(direct)
  })

  it('is not needed for this machine itself', () => {
    const own = ['localhost', 'api.localhost', '127.0.0.1', '127.8.8.8', '[::1]', '[::ffff:127.0.0.1]', '2130706433']
    for (const host of own) expect([host, isDirect('', `http://${host}:12111/v1`)]).toEqual([host, true])
    expect(isDirect('', 'http://localhost.example')).toBe(false)
  })

  it.each(['http://shop.example', '10.0.0.0/99', '169.254/16', 'shop.example/path'])('refuses %j', entry => {
    expect(problemsOf({ NO_PROXY: `ok.example,${entry}` })).toEqual([
      expect.stringMatching(/^NO_PROXY: "[^"]*" is neither a host nor a network; /)
    ])
  })

  it('holds for a name and what is below it, whatever it is, and for nothing else', () => {
    const label = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/)
    const name = fc.array(label, { minLength: 2, maxLength: 4 }).map(labels => labels.join('.'))
    const form = fc.constantFrom('', '.', '*.')
    fc.assert(
      fc.property(name, label, form, name, (host, below, dots, other) => {
        const proxies = {
          https: proxyServer('HTTPS_PROXY').schema.parse('http://proxy:1'),
          except: proxyExceptions.schema.parse(`${dots}${host}`)
        }
        expect(proxyFor(proxies, `https://${below}.${host}`)).toBeUndefined()
        const isBelow = other === host || other.endsWith(`.${host}`)
        expect(proxyFor(proxies, `https://${other}`) === undefined).toBe(isBelow)
        expect(proxyFor(proxies, `https://x${host}`)).toBeDefined()
      })
    )
  })
})

describe('HTTPS_PROXY and HTTP_PROXY', () => {
  it.each([
    ['socks5://proxy:1080', 'SOCKS is not spoken'],
    ['ftp://proxy', 'ftp:// is not spoken'],
    ['http://till:hush@proxy:3128/path', 'it has more than a host and a port'],
    ['http://till:hu/sh@proxy:3128', 'this is no URL'],
    ['http://till:hu%sh@proxy:3128', 'its password has a % that encodes nothing'],
    ['http://proxy:99999', 'this is no URL'],
    ['http://', 'this is no URL']
  ])('refuse %s without showing it', (text, why) => {
    for (const variable of ['HTTPS_PROXY', 'HTTP_PROXY', 'https_proxy']) {
      const problems = problemsOf({ [variable]: text })
      expect(problems).toEqual([expect.stringContaining(why)])
      expect(problems[0]).toMatch(new RegExp(`^${variable.toUpperCase()}: `))
      expect(problems.join()).not.toMatch(/hush|hu.sh/)
    }
  })

  it('count in small letters before the others, with or without a scheme', () => {
    const { http, https } = proxiesOf({
      HTTPS_PROXY: 'http://other:1',
      https_proxy: 'proxy.example:3128',
      HTTP_PROXY: 'https://till:a%40b@proxy.example'
    })
    expect(https?.url).toBe('http://proxy.example:3128')
    expect(http).toEqual({
      variable: 'HTTP_PROXY',
      url: 'https://proxy.example',
      authorization: `Basic ${Buffer.from('till:a@b').toString('base64')}`
    })
    expect(proxiesOf({ http_proxy: '', HTTP_PROXY: 'proxy:1' }).http?.url).toBe('http://proxy:1')
  })
})

describe('calls through a proxy', () => {
  it('reach Stripe, with a login that has every character', async () => {
    const proxy = await open(LOGIN)
    const simulator = await startSimulator({ port: 0 })
    try {
      const config = loadConfig({
        ...BASE,
        DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/shop',
        STRIPE_API_BASE: `http://stripe.test:${simulator.port}`,
        HTTP_PROXY: proxy.url
      })
      const stripe = createStripe(config)
      const line = { price_data: { currency: 'eur', unit_amount: 500, product_data: { name: 'Mug' } }, quantity: 1 }
      const made = await stripe.checkout.sessions.create(
        { mode: 'payment', line_items: [line], success_url: 'https://shop.example' },
        { idempotencyKey: 'one' }
      )
      expect(made).toMatchObject({ object: 'checkout.session', amount_total: 500 })
      await stripe.events.list({ limit: 1 })
      expect(proxy.forwarded).toEqual([
        `http://stripe.test:${simulator.port}/v1/checkout/sessions`,
        `http://stripe.test:${simulator.port}/v1/events?limit=1`
      ])
      expect(proxy.tunnels).toEqual([])
    } finally {
      await simulator.close()
    }
  })

  it('reach Stripe by TLS through a tunnel; ops doctor says so and shows no password', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tillworks-proxies-'))
    const proxy = await open(LOGIN)
    const simulator = await startSimulator({ port: 0 })
    makeCertificate(folder)
    const [cert, key] = ['cert.pem', 'key.pem'].map(file => readFileSync(join(folder, file)))
    const sockets = new Set<{ destroy(): void }>()
    const tls = createTlsServer({ cert, key }, socket => {
      const inner = connect(simulator.port, '127.0.0.1')
      for (const each of [socket, inner]) {
        sockets.add(each)
        each.on('error', () => each.destroy())
      }
      socket.pipe(inner).pipe(socket)
    })
    const port = await freePort()
    await new Promise<void>(resolve => tls.listen(port, '127.0.0.1', resolve))
    try {
      const env = {
        PATH: process.env.PATH,
        ...BASE,
        DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/shop',
        STRIPE_API_BASE: `https://stripe.test:${port}`,
        HTTPS_PROXY: proxy.url,
        NODE_EXTRA_CA_CERTS: join(folder, 'cert.pem')
      }
      const { output } = await runProgram(env, 'doctor')
      const shown = proxy.url.replace(/\/\/.*@/, '//')
      expect(output).toContain(`stripe.test:${port} through ${shown} (HTTPS_PROXY with a user and a password)`)
      expect(output).toMatch(/test mode|sk_test/)
      expect(simulator.calls()).toBeGreaterThan(3)
      expect(proxy.tunnels).toContain(`stripe.test:${port}`)
      expect(output).not.toContain(LOGIN.password)
      expect(output).not.toContain(encodeURIComponent(LOGIN.password))

      proxy.refuse(403)
      const refused = await runProgram(env, 'doctor')
      expect(refused.output).toContain(`the proxy ${shown} does not let us through to stripe.test:${port} (403)`)
      expect(refused.output).not.toContain(encodeURIComponent(LOGIN.password))
    } finally {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => tls.close(resolve))
      await simulator.close()
      rmSync(folder, { recursive: true })
    }
  })

  it('reach the shop and its issuer, and never this machine', async () => {
    const proxy = await open()
    const shop = await startAnsweringServer()
    const { publicKey, privateKey } = await generateKeyPair('RS256')
    const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' }
    const told: string[] = []
    shop.answer((request, response, body) => {
      if (request.url === '/keys') return response.end(JSON.stringify({ keys: [jwk] }))
      if (request.url === '/session') return response.end(JSON.stringify({ user: { id: 'eve' } }))
      told.push(JSON.parse(body).type)
      response.end()
    })
    const at = (host: string, path: string) => `${shop.url.replace('127.0.0.1', host)}${path}`
    try {
      await withShop(
        openShop('postgres', {
          ...QUIET,
          HTTP_PROXY: proxy.url,
          ORDER_WEBHOOK_URL: at('shop.test', '/orders'),
          ORDER_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 1).toString('base64')}`,
          AUTH_SESSION_URL: at('shop.test', '/session'),
          AUTH_JWKS_URL: at('issuer.test', '/keys'),
          AUTH_JWT_ISSUER: 'https://issuer.test',
          AUTH_JWT_AUDIENCE: 'tillworks'
        }),
        async ({ stack, simulator }) => {
          const token = await new SignJWT({ sub: 'ada', email: 'ada@shop.example' })
            .setProtectedHeader({ alg: 'RS256', kid: 'one' })
            .setIssuer('https://issuer.test')
            .setAudience('tillworks')
            .setExpirationTime('5m')
            .sign(privateKey)
          const base = { port: stack.api.port, authSecret: stack.config.auth.secret, userId: 'ada', email: null }
          const ada = await createShopper({ ...base, headers: { Authorization: `Bearer ${token}` } })
          const bought = await buy(ada)
          await ada.pay(bought.url)
          await ada.orderBecomes(bought.orderId, 'PAID')
          expect(
            await eventually(
              async () => told,
              seen => seen.includes('order.paid')
            )
          ).toContain('order.paid')
          const origin = `http://127.0.0.1:${stack.api.port}`
          const eve = await createShopper({ ...base, headers: { Cookie: 'sid=1', Origin: origin } })
          expect((await eve.order(bought.orderId)).status).toBe(404)
          expect(simulator.calls()).toBeGreaterThan(0)
          expect(data(await ada.order(bought.orderId)).status).toBe('PAID')
        }
      )
      const hosts = new Set(proxy.forwarded.map(url => `${new URL(url).hostname}${new URL(url).pathname}`))
      expect(hosts).toEqual(new Set(['shop.test/orders', 'shop.test/session', 'issuer.test/keys']))
    } finally {
      await shop.close()
    }
  })

  it('reach Sentry', async () => {
    const proxy = await open()
    const sentry = await startAnsweringServer()
    try {
      const log = createLogger({ level: 'silent', production: true, name: 'test' })
      const call = outgoingFetch(proxiesOf({ HTTP_PROXY: proxy.url }))
      const client = openSentry(sentry.url.replace('127.0.0.1', 'key@sentry.test').concat('/7'), log, call)
      client.send({ message: 'seen', tags: {}, ids: {}, error: undefined })
      await client.close(5_000)
      expect(proxy.forwarded).toEqual([expect.stringMatching(/^http:\/\/sentry\.test:\d+\/api\/7\/envelope\//)])
    } finally {
      await sentry.close()
    }
  })
})

describe('a proxy that is of no use', () => {
  const failureOf = async (url: string, env: Record<string, string>, init?: RequestInit) =>
    await outgoingFetch(proxiesOf(env))(url, init).then(
      response => response.status,
      error => error as Error
    )

  it.each(['http:', 'https:'])('is named without its password, for %s', async scheme => {
    const proxy = await open(LOGIN)
    const url = `${scheme}//shop.test:8443`
    const env = (through: string) => ({ HTTP_PROXY: through, HTTPS_PROXY: through })
    const shown = proxy.url.replace(/\/\/.*@/, '//')
    const wrong = await failureOf(url, env(proxy.url.replace('till:', 'other:')))
    const none = await failureOf(url, env(shown))
    await proxy.close()
    opened.length = 0
    const away = await failureOf(url, env(proxy.url))
    const said = [wrong, none, away].map(error => (error instanceof ProxyError ? error.message : error))
    const variable = scheme === 'http:' ? 'HTTP_PROXY' : 'HTTPS_PROXY'
    expect(said).toEqual([
      `the proxy ${shown} does not take the user and password of ${variable} (407)`,
      `the proxy ${shown} wants a user and a password (407): write them into ${variable} as http://USER:PASSWORD@HOST:PORT`,
      expect.stringMatching(
        /^the proxy http:\/\/127\.0\.0\.1:\d+ cannot be reached \(.*ECONNREFUSED.*\): is HTTPS?_PROXY right\?$/
      )
    ])
  })

  it('is told of in what the stripe package says', async () => {
    const port = await freePort()
    const env = { STRIPE_MAX_RETRIES: '0', HTTPS_PROXY: `http://till:hush-hush@127.0.0.1:${port}` }
    const stripe = createStripe(loadConfig({ ...BASE, ...env }))
    const said = await stripe.events.list({ limit: 1 }).then(() => 'reached', messageOf)
    expect(said).toContain(`the proxy http://127.0.0.1:${port} cannot be reached`)
    expect(said).not.toContain('hush')
  })

  it('costs no more time than is given', async () => {
    const proxy = await open()
    const silent = await startAnsweringServer()
    silent.answer(() => undefined)
    try {
      const url = silent.url.replace('127.0.0.1', 'shop.test')
      const error = await failureOf(url, { HTTP_PROXY: proxy.url }, { signal: AbortSignal.timeout(50) })
      expect(error).toMatchObject({ name: 'TimeoutError' })
    } finally {
      await silent.close()
    }
  })

  it('leads to no other place: a redirect is answered, not followed', async () => {
    const proxy = await open()
    const shop = await startAnsweringServer()
    shop.answer((_request, response) => response.writeHead(302, { Location: 'http://169.254.169.254/' }).end())
    try {
      const url = shop.url.replace('127.0.0.1', 'shop.test')
      expect(await failureOf(url, { HTTP_PROXY: proxy.url }, { redirect: 'manual' })).toBe(302)
      expect(proxy.forwarded).toHaveLength(1)
    } finally {
      await shop.close()
    }
  })
})

function makeCertificate(folder: string): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'key.pem']
  openssl('req', '-x509', ...key, '-out', 'cert.pem', '-subj', '/CN=Test', '-addext', 'subjectAltName=DNS:stripe.test')
}

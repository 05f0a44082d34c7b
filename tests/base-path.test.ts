import fc from 'fast-check'
import { startApi } from '../api/start.js'
import { createTillworks, watch } from '../client/index.js'
import { storefront } from '../demo/storefront/router.js'
import { address, data, lineOf } from '../local/shopper.js'
import { alert } from '../shared/audit/alerts.js'
import { basePath, basePathProblem } from '../shared/config/base-path.js'
import { loadConfig } from '../shared/config/config.js'
import { signSessionToken } from '../shared/identity/session-token.js'
import type { Services } from '../shared/runtime/services.js'
import { crawl } from './support/crawl.js'
import { buy } from './support/purchase.js'
import { ENOUGH, QUIET } from './support/settings.js'
import { openShop, type Shop } from './support/shop.js'

const segment = fc.stringMatching(/^[A-Za-z0-9_~.-]{1,12}$/).filter(text => !/^\.+$/.test(text))
const prefix = fc.array(segment, { minLength: 1, maxLength: 4 }).map(segments => `/${segments.join('/')}`)
/** Names of ours among them: they must not be taken for what they are without the prefix. */
const PREFIXES = ['/api', '/ops', ...fc.sample(prefix, 2)]

const OPERATOR = { authorization: `Basic ${Buffer.from('ops:password of the tests').toString('base64')}` }
/** One of its own, so that a link of the one listener cannot lead to the other. */
const BASE = '/shop.v2/payments'
const OPS_BASE = '/internal/payments'

let shop: Shop
let site: string
let operations: string
let bought: Awaited<ReturnType<typeof buy>>
beforeAll(async () => {
  shop = await openShop(
    'postgres',
    { ...QUIET, BASE_PATH: BASE, OPS_BASE_PATH: OPS_BASE, GUEST_CHECKOUT: 'true' },
    {
      pages: secret =>
        storefront({ authSecret: secret, notificationSecret: 'whsec_AAAA', instance: 'x', basePath: BASE })
    }
  )
  site = `http://127.0.0.1:${shop.stack.api.port}`
  operations = `http://127.0.0.1:${shop.stack.api.opsPort}`
  const ada = await shop.customer('ada')
  bought = await buy(ada)
  await ada.pay(bought.url)
  // The delivery comes under the prefix, too.
  await ada.orderBecomes(bought.orderId, 'PAID')
  const { db, log } = shop.stack.services
  await alert(db.pool, log, 'session_refused', { reason: 'seen', orderId: bought.orderId })
})
afterAll(() => shop.close())

/** The two listeners once more, under other prefixes or with other settings of the operators. */
async function serving(
  { ops, ...given }: { basePath?: string; ops: Partial<Services['config']['ops']> },
  work: (origins: { site: string; operations: string }) => Promise<void>
): Promise<void> {
  const { services } = shop.stack
  const config = { ...services.config, ...given, ops: { ...services.config.ops, ...ops } }
  const api = await startApi({ ...services, config }, 0, { host: '127.0.0.1' })
  try {
    await work({ site: `http://127.0.0.1:${api.port}`, operations: `http://127.0.0.1:${api.opsPort}` })
  } finally {
    await api.stopAccepting()
    await api.close()
  }
}

describe('BASE_PATH and OPS_BASE_PATH', () => {
  const problemOf = (variable: string, text: string) => {
    try {
      loadConfig({ ...ENOUGH, QUEUE_ENGINE: 'postgres', [variable]: text })
      return undefined
    } catch (error) {
      return (error as Error).message
    }
  }

  it.each([
    ['payments', 'does not begin with a slash: write /payments'],
    ['payments/', 'does not begin with a slash: write /payments'],
    ['/payments/', 'has a slash at its end: write /payments'],
    ['//payments', 'has two slashes together'],
    ['/shop//payments', 'has two slashes together'],
    ['/../payments', 'has a segment of dots'],
    ['/payments/.', 'has a segment of dots'],
    ['/payments?x=1', 'has a query'],
    ['/payments#x', 'has a fragment'],
    ['/pay%20ments', 'is percent-encoded'],
    ['/pay ments', 'has a space'],
    ['/payments\t', 'has a space'],
    ['\\payments', 'has a backslash'],
    ['/zahlung/ü', 'has "ü"'],
    ['/pay;ments', 'has ";"'],
    ['/"><script>', 'has """'],
    ['https://shop.example/payments', 'is a whole URL: write its path alone'],
    [`/${'x'.repeat(300)}`, 'has more than 200 characters']
  ])('refuse %j and say what to write', (text, why) => {
    for (const variable of ['BASE_PATH', 'OPS_BASE_PATH']) {
      expect(problemOf(variable, text)).toContain(`${variable}: expected a path such as /payments; this one ${why}`)
    }
  })

  it('take every path of plain segments, and / for none', () => {
    expect(basePath.schema.parse('/')).toBe('')
    fc.assert(
      fc.property(prefix, text => {
        expect(basePath.schema.parse(text)).toBe(text)
      })
    )
  })

  it('take nothing that a URL would read as something else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webPath(), fc.stringMatching(/^[/.%?#\\ a-z]{0,12}$/)), text => {
        if (basePathProblem(text) !== undefined || text === '' || text === '/') return
        expect(new URL(text, 'http://shop.example').href).toBe(`http://shop.example${text}`)
      })
    )
  })
})

describe('operations under a prefix', () => {
  it.each(PREFIXES)('lead to nothing outside %s, and to nothing that is missing', async opsBasePath => {
    await serving({ ops: { basePath: opsBasePath } }, async ({ operations: origin }) => {
      const starts = ['', '/', '/ops', '/ops/board', `/ops/search?q=${bought.orderId}`, '/metrics', '/ops/pulse']
      const from = starts.map(path => `${opsBasePath}${path}`)
      const { answers, astray } = await crawl(origin, opsBasePath, from, OPERATOR)
      expect(astray).toEqual([])
      const seen = [...answers.keys()].map(path => path.slice(opsBasePath.length))
      expect(seen).toEqual(
        expect.arrayContaining([
          '/ops',
          '/ops/money',
          '/ops/products',
          '/ops/products/import',
          '/ops/runbooks/StripeAway',
          '/ops/style.css',
          '/ops/live.js',
          '/ops/maintenance/on',
          `/ops/orders/${bought.orderId}`,
          `/ops/orders/${bought.orderId}/refund`
        ])
      )
      expect(seen.filter(path => /^\/ops\/board\/static\/.*\.(js|css)$/.test(path)).length).toBeGreaterThan(3)
      const board = await (await fetch(`${origin}${opsBasePath}/ops/board`, { headers: OPERATOR })).text()
      expect(board).toContain(`<base href="${opsBasePath}/ops/board/"`)
      const queues = await fetch(`${origin}${opsBasePath}/ops/board/api/queues`, { headers: OPERATOR })
      expect([queues.status, (await queues.json()).queues.length]).toEqual([200, expect.any(Number)])
    })
  })

  it('do what a form asks for and lead back, and keep the cookie to themselves', async () => {
    const change = { ...OPERATOR, origin: operations, 'sec-fetch-site': 'same-origin' }
    const body = new URLSearchParams({ message: 'Back at noon', reason: 'a test of the prefix' })
    const form = `${operations}${OPS_BASE}/ops/maintenance`
    const closed = await fetch(`${form}/on`, { method: 'POST', headers: change, body, redirect: 'manual' })
    expect([closed.status, closed.headers.get('location')]).toEqual([303, `${OPS_BASE}/ops?done=%2Fmaintenance%2Fon`])
    expect(closed.headers.get('set-cookie')).toContain(`Path=${OPS_BASE};`)
    const opened = await fetch(`${form}/off`, { method: 'POST', headers: change, body, redirect: 'manual' })
    expect(opened.status).toBe(303)
    const foreign = { ...change, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    expect((await fetch(`${form}/on`, { method: 'POST', headers: foreign, body })).status).toBe(403)
    expect((await fetch(`${operations}${OPS_BASE}/ops/api/attention`)).status).toBe(401)
  })

  it('hold the login of the catalogue to products, with and without the prefix', async () => {
    await serving({ ops: { cataloguePassword: 'password of a catalogue' } }, async ({ operations: origin }) => {
      const headers = { authorization: `Basic ${Buffer.from('catalogue:password of a catalogue').toString('base64')}` }
      const ask = async (path: string) => (await fetch(`${origin}${path}`, { headers })).status
      const product = '/ops/api/products/ctillworksmug00000000001'
      for (const under of ['', OPS_BASE]) {
        expect([await ask(`${under}${product}`), await ask(`${under}/ops/api/attention`)]).toEqual([200, 403])
      }
    })
  })
})

describe('the ingress under a prefix', () => {
  it.each(PREFIXES)('shows its reference below %s', async own => {
    await serving({ basePath: own, ops: {} }, async ({ site: origin }) => {
      const { answers, astray } = await crawl(origin, own, [`${own}/docs`, `${own}/docs/`, `${own}/openapi.json`], {})
      expect(astray).toEqual([])
      expect([...answers.keys()]).toContain(`${own}/docs/swagger-ui-bundle.js`)
      expect(await (await fetch(`${origin}${own}/docs/start.js`)).text()).toContain(`url: '${own}/openapi.json'`)
      const reference = await (await fetch(`${origin}${own}/openapi.json`)).json()
      expect(reference.servers[0].url).toBe(own)
      const answer = await fetch(`${origin}${reference.servers[0].url}/api/products`)
      expect(answer.status).toBe(200)
    })
  })

  it('names itself by the prefix in Location, Link and cookies, and leads to what it names', async () => {
    const ada = await shop.customer('ada')
    const line = lineOf(await ada.product('linen-notebook'), 1)
    const made = await ada.createOrder({ items: [line], address, subtotal: line.price, shipping: 0 })
    expect(made.headers.get('location')).toBe(`${BASE}/api/orders/${data(made).id}`)
    const later = await ada.checkout({ items: [line], orderId: data(made).id }, { Prefer: 'respond-async' })
    const location = later.headers.get('location')
    expect([later.status, location]).toEqual([202, `${BASE}/api/stripe/checkout/${data(later).checkoutId}`])
    const followed = await fetch(`${site}${location}`, { headers: await session() })
    expect(followed.status).toBe(200)
    const page = await fetch(`${site}${BASE}/api/products?limit=1`)
    const next = /^<([^>]*)>; rel="next"$/.exec(page.headers.get('link') ?? '')?.[1]
    expect(next).toMatch(new RegExp(`^${BASE}/api/products\\?`))
    expect((await fetch(`${site}${next}`)).status).toBe(200)
    const guest = await fetch(`${site}${BASE}/api/guest`, { method: 'POST', headers: { origin: site } })
    expect(guest.headers.get('set-cookie')).toContain(`Path=${BASE};`)
    const missing = await fetch(`${site}${BASE}/api/nothing`)
    expect([missing.status, (await missing.json()).detail]).toEqual([
      404,
      `There is nothing at GET ${BASE}/api/nothing.`
    ])
  })

  const session = async () => {
    const token = await signSessionToken({ userId: 'ada', email: null }, shop.stack.config.auth.secret, 600)
    return { Authorization: `Bearer ${token}` }
  }

  it('is bought from and watched by the client', async () => {
    const tillworks = createTillworks({ baseUrl: `${site}${BASE}/`, headers: await session() })
    const { data: products } = await tillworks.api.GET('/api/products')
    expect(products?.data.length).toBeGreaterThan(0)
    const states: string[] = []
    for await (const { status } of watch(tillworks, bought.checkoutId, { attempts: 1 })) states.push(status)
    expect(states).toEqual(['PAID'])
  })

  it('answers alike behind a proxy that takes the prefix off, with the paths that the proxy shows', async () => {
    for (const path of ['/healthz', '/readyz', '/api/products', '/openapi.json']) {
      const [whole, stripped] = await Promise.all([fetch(`${site}${BASE}${path}`), fetch(`${site}${path}`)])
      expect([path, stripped.status, await stripped.text()]).toEqual([path, 200, await whole.text()])
    }
    const page = await fetch(`${site}/api/products?limit=1`)
    expect(page.headers.get('link')).toContain(`<${BASE}/api/products?`)
    const stripped = await fetch(`${operations}/`, { headers: OPERATOR, redirect: 'manual' })
    expect(stripped.headers.get('location')).toBe(`${OPS_BASE}/ops`)
    expect((await fetch(`${operations}/metrics`, { headers: OPERATOR })).status).toBe(200)
  })

  it('does not take what only begins like the prefix for it', async () => {
    for (const path of [
      `${BASE}x/api/products`,
      `${BASE}-/healthz`,
      `/shopxv2/payments/healthz`,
      `/x${BASE}/healthz`
    ]) {
      expect([path, (await fetch(`${site}${path}`)).status]).toEqual([path, 404])
    }
  })

  it('has the pages of the demo storefront below it', async () => {
    const starts = ['/', '/orders', '/checkout/success', '/checkout/cancelled'].map(path => `${BASE}${path}`)
    const { answers, astray } = await crawl(site, BASE, starts, {})
    expect(astray).toEqual([])
    expect([...answers.keys()]).toEqual(
      expect.arrayContaining([`${BASE}/shop.js`, `${BASE}/success.js`, `${BASE}/shop.css`])
    )
  })
})

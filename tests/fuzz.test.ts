import { readdirSync, readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import Stripe from 'stripe'
import { address, lineOf } from '../local/shopper.js'
import { signSessionToken } from '../shared/identity/session-token.js'
import { openShop, type Shop, WEBHOOK_SECRET, withShop } from './support/shop.js'

const SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
/** Fewer for a person who waits. */
const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? (process.env.CI === 'true' ? 6_000 : 2_500))
const AT_ONCE = 24
/** How often the heap is looked at; the first look is before all is warm. */
const LOOKS = 5
/** Nothing that waits for nothing takes longer; a checkout may wait for its workers. */
const PATIENCE_MS = 1_000
const EVENTS = new URL('./events/', import.meta.url)

interface Shot {
  method: string
  path: string
  headers: Record<string, string>
  body: string | Buffer
}

const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })

function send(port: number, shot: Shot): Promise<{ status: number; ms: number; text: string }> {
  const began = performance.now()
  return new Promise((resolve, reject) => {
    const call = request({ port, agent, method: shot.method, path: shot.path, headers: shot.headers }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', chunk => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, ms: performance.now() - began, text }))
    })
    call.on('error', reject)
    call.end(shot.body)
  })
}

const oddValue = fc.oneof(
  fc.constantFrom(
    null,
    true,
    '',
    0,
    -1,
    -0,
    1e308,
    19.999,
    0.1 + 0.2,
    Number.MAX_SAFE_INTEGER,
    '\0',
    '\ud800',
    '__proto__',
    [],
    {},
    [[]]
  ),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.constantFrom('x'.repeat(5_000), '\'; DROP TABLE "Order"; --', '{{7*7}}', '../../etc/passwd', '4242424242424242')
)

const oddHeader = fc.oneof(
  fc.record({
    name: fc.constantFrom(
      'Idempotency-Key',
      'X-Request-Id',
      'Prefer',
      'Origin',
      'User-Agent',
      'Accept',
      'Content-Encoding',
      'Content-Type',
      'X-Forwarded-For',
      'Cookie'
    ),
    value: fc.string({ maxLength: 200 }).map(text => text.replace(/[^\x20-\x7e]/g, '?'))
  }),
  fc.record({
    name: fc.constantFrom('Content-Encoding', 'Prefer', 'Origin', 'Cookie'),
    value: fc.constantFrom(
      'gzip',
      'br',
      'respond-async',
      'null',
      'https://evil.example',
      'authjs.session-token=a.b.c.d.e; next-auth.session-token.0=x'
    )
  })
)

/** Puts odd values at random places of an object. */
function mutated(base: unknown): fc.Arbitrary<unknown> {
  return fc.array(fc.tuple(fc.nat(1_000), oddValue, fc.boolean()), { minLength: 1, maxLength: 3 }).map(changes => {
    const copy = structuredClone(base)
    for (const [place, value, removes] of changes) {
      const spots = spotsOf(copy)
      const spot = spots[place % Math.max(1, spots.length)]
      if (spot === undefined) return value
      if (removes) delete spot.holder[spot.key]
      else spot.holder[spot.key] = value
    }
    return copy
  })
}

function spotsOf(value: unknown): { holder: Record<string, unknown>; key: string }[] {
  if (typeof value !== 'object' || value === null) return []
  const holder = value as Record<string, unknown>
  return Object.keys(holder).flatMap(key => [{ holder, key }, ...spotsOf(holder[key])])
}

function stringify(value: unknown): string {
  return JSON.stringify(value) ?? 'undefined'
}

async function shots(shop: Shop): Promise<Shot[]> {
  const ada = await shop.customer('ada')
  const token = await signSessionToken(
    { userId: 'ada', email: 'ada@shop.example' },
    shop.stack.config.auth.secret,
    3_600
  )
  const line = lineOf(await ada.product('stoneware-mug'), 1)
  const signedIn = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const order = { items: [line], address, subtotal: line.price, shipping: 0 }
  const events = readdirSync(EVENTS)
    .filter(file => file.endsWith('.json'))
    .map(file => JSON.parse(readFileSync(new URL(file, EVENTS), 'utf8')))
  const withHeaders = (base: Record<string, string>) =>
    fc
      .array(oddHeader, { maxLength: 2 })
      .map(extra => ({ ...base, ...Object.fromEntries(extra.map(each => [each.name.toLowerCase(), each.value])) }))
  const posted = (path: string, base: object) =>
    fc.record({
      method: fc.constant('POST'),
      path: fc.constant(path),
      headers: withHeaders(signedIn),
      body: fc.oneof(
        { weight: 5, arbitrary: mutated(base).map(stringify) },
        fc.string({ unit: 'binary', maxLength: 400 })
      )
    })
  const signed = fc.constantFrom(...events).chain(event =>
    mutated(event).map((value): Shot => {
      const payload = stringify(value)
      const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: WEBHOOK_SECRET })
      return { method: 'POST', path: '/api/stripe/webhook', headers: { 'stripe-signature': signature }, body: payload }
    })
  )
  const unsigned = fc.record({
    method: fc.constant('POST'),
    path: fc.constant('/api/stripe/webhook'),
    headers: fc.string({ maxLength: 200 }).map(text => ({ 'stripe-signature': text.replace(/[^\x20-\x7e]/g, '?') })),
    body: fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes))
  })
  const anything = fc.record({
    method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'),
    path: fc.oneof(
      fc.webPath().map(path => `/api${path || '/'}`),
      fc.constantFrom(
        '/api/orders/%00',
        '/api/orders/%',
        '/api/stripe/checkout/%ff',
        '/api/orders/c'.padEnd(5_000, 'x'),
        '/api/stripe/checkout/../../x',
        '//',
        '/%2e%2e/'
      )
    ),
    headers: withHeaders(signedIn),
    body: fc.constant('')
  })
  const shot = fc.oneof(
    { weight: 4, arbitrary: posted('/api/stripe/checkout', { items: [line] }) },
    { weight: 3, arbitrary: posted('/api/orders', order) },
    { weight: 4, arbitrary: signed },
    { weight: 1, arbitrary: unsigned },
    { weight: 2, arbitrary: anything }
  )
  return fc.sample(shot, { seed: SEED, numRuns: REQUESTS }) as Shot[]
}

it(`answers ${REQUESTS} odd requests without a 5xx, without a hang, without growing, and without a row for a refused one`, async () => {
  await withShop(openShop('postgres', { CHECKOUT_WAIT_MS: '0', STRIPE_TIMEOUT_MS: '2000' }), async shop => {
    try {
      const { port } = shop.stack.api
      const all = await shots(shop)
      const { prisma } = shop.stack.services.db
      const rows = async () => ({
        checkouts: await prisma.checkout.count(),
        orders: await prisma.order.count(),
        events: await prisma.webhookEvent.count()
      })
      const before = await rows()
      const counts = new Map<string, number>()
      const wrong: unknown[] = []
      const slow: Shot[] = []
      const accepted = { checkouts: new Set<string>(), orders: 0, events: 0 }
      let slowest = 0
      let next = 0
      const memory: number[] = []
      const lane = async () => {
        for (let index = next++; index < all.length; index = next++) {
          const shot = all[index] as Shot
          const answer = await send(port, shot).catch((error: NodeJS.ErrnoException) => ({
            status: 0,
            ms: 0,
            text: String(error.code ?? error)
          }))
          const key = `${answer.status}`
          counts.set(key, (counts.get(key) ?? 0) + 1)
          slowest = Math.max(slowest, answer.ms)
          if (answer.status >= 500 || answer.status === 0)
            wrong.push({ shot: { ...shot, body: String(shot.body).slice(0, 500) }, answer })
          if (answer.ms > PATIENCE_MS) slow.push(shot)
          if (answer.status >= 200 && answer.status < 300 && shot.method === 'POST') note(shot, answer.text, accepted)
          if ((index + 1) % Math.floor(REQUESTS / LOOKS) === 0) memory.push(heapInUse())
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, lane))
      expect(wrong.slice(0, 3)).toEqual([])
      const after = await rows()
      expect(after.checkouts - before.checkouts).toBe(accepted.checkouts.size)
      expect(after.events - before.events).toBe(accepted.events)
      // An accepted checkout brings its order with it.
      expect(after.orders - before.orders).toBeLessThanOrEqual(accepted.orders + accepted.checkouts.size)
      // What took long in the crowd may have waited for a busy machine; what hangs does so by itself, too.
      for (const shot of slow) expect([shot, await fastest(port, shot)]).toEqual([shot, expect.any(Number)])
      // What is in use after a collection. Workers and simulator are in this process too and keep what was accepted.
      const [early = 0, late = 0] = [memory[1], memory.at(-1)]
      expect(late - early).toBeLessThan(100 * 2 ** 20)
      const summary = [...counts].sort().map(([status, count]) => `${status}: ${count}`)
      process.stdout.write(
        `\nFuzz, seed ${SEED}: ${all.length} requests, ${summary.join(', ')}; slowest ${Math.round(slowest)} ms, ${slow.length} over a second; heap ${memory.map(bytes => Math.round(bytes / 2 ** 20)).join(' ')} MiB.\n`
      )
    } finally {
      agent.destroy()
    }
  })
})

/** How long a request takes alone, in milliseconds, or why it is a hang: over a second, three times. */
async function fastest(port: number, shot: Shot): Promise<number | string> {
  const times: number[] = []
  for (let time = 0; time < 3; time++) {
    times.push((await send(port, shot)).ms)
    if (Math.min(...times) <= PATIENCE_MS) return Math.min(...times)
  }
  return `hangs: ${times.map(Math.round).join(', ')} ms`
}

/** In bytes, after a garbage collection. */
function heapInUse(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}

function note(shot: Shot, text: string, accepted: { checkouts: Set<string>; orders: number; events: number }): void {
  const answer = JSON.parse(text)
  if (shot.path === '/api/stripe/checkout') accepted.checkouts.add(answer.data.checkoutId)
  if (shot.path === '/api/orders') accepted.orders++
  if (shot.path === '/api/stripe/webhook' && answer.duplicate === undefined) accepted.events++
}

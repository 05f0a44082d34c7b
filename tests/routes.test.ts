import { createApp } from '../api/app.js'
import type { Ingress } from '../api/ingress.js'
import { createOpsApp } from '../api/ops/app.js'
import { BOARD_PATH } from '../api/ops/board.js'
import { address, data, lineOf, type Shopper } from '../local/shopper.js'
import { signSessionToken } from '../shared/identity/session-token.js'
import { routesOf } from './support/routes.js'
import { openShop, type Shop } from './support/shop.js'

/** Who may use a route. A route that is not here fails the walk: decide, then add it. */
const ACCESS: Record<string, 'everybody' | 'newcomer' | 'customer' | 'owner' | 'own' | 'signature'> = {
  'GET /healthz': 'everybody',
  'GET /readyz': 'everybody',
  'GET /openapi.json': 'everybody',
  'GET /docs': 'everybody',
  'GET /docs/start.js': 'everybody',
  'GET /docs/swagger-ui.css': 'everybody',
  'GET /docs/swagger-ui-bundle.js': 'everybody',
  'GET /docs/favicon-32x32.png': 'everybody',
  'GET /api/products': 'everybody',
  'POST /api/stripe/webhook': 'signature',
  'POST /api/stripe/checkout': 'customer',
  'GET /api/stripe/checkout/:id': 'owner',
  'DELETE /api/stripe/checkout/:id': 'owner',
  'GET /api/stripe/checkout/:id/events': 'owner',
  'POST /api/orders': 'customer',
  'POST /api/guest': 'newcomer',
  'POST /api/guest/claim': 'customer',
  'GET /api/orders': 'own',
  'GET /api/orders/:id': 'owner'
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD']

const isOwn = (path: string) => path.startsWith('/ops/') || path === '/' || path === '/metrics'

let shop: Shop
let ada: Shopper
let eve: Shopper
let own: { orderId: string; checkoutId: string }
beforeAll(async () => {
  shop = await openShop('postgres', { OPS_VIEWER_PASSWORD: 'password of a viewer', GUEST_CHECKOUT: 'true' })
  ada = await shop.customer('ada')
  eve = await shop.customer('eve')
  const line = lineOf(await ada.product('stoneware-mug'), 1)
  const order = data(await ada.createOrder({ items: [line], address, subtotal: line.price, shipping: 0 }))
  const checkout = data(await ada.checkout({ items: [line], orderId: order.id }))
  own = { orderId: order.id, checkoutId: checkout.checkoutId }
})
afterAll(() => shop.close())

const pathFor = (path: string) =>
  path.replace(':id', path.includes('checkout') ? own.checkoutId : path.includes('orders') ? own.orderId : 'x')

async function status(
  base: string,
  method: string,
  path: string,
  headers: Record<string, string> = {}
): Promise<number> {
  const body = method === 'POST' || method === 'PUT' || method === 'PATCH' ? '{}' : undefined
  const response = await fetch(`${base}${path}`, {
    method,
    body,
    redirect: 'manual',
    headers: { 'Content-Type': 'application/json', ...headers }
  })
  await response.body?.cancel()
  return response.status
}

it('opens each route of the ingress to whom it is for, and no other method of it', async () => {
  const base = `http://127.0.0.1:${shop.stack.api.port}`
  const ingress = { ...shop.stack.services } as unknown as Ingress
  const table = routesOf(createApp(ingress))
  const named = table.flatMap(({ path, methods }) => methods.map(method => `${method} ${path}`))
  expect(named.sort()).toEqual(Object.keys(ACCESS).sort())

  const strangersToken = await signSessionToken({ userId: 'ada', email: 'ada@shop.example' }, 'z'.repeat(40), 60)
  const wrong = { authorization: `Bearer ${strangersToken}` }
  let asked = 0
  for (const { path } of table) {
    for (const method of METHODS) {
      const access = ACCESS[`${method} ${path}`] ?? (method === 'HEAD' ? ACCESS[`GET ${path}`] : undefined)
      const url = pathFor(path)
      const nobody = await status(base, method, url)
      const forger = await status(base, method, url, wrong)
      const other = (await eve.request(url, { method })).status
      asked += 3
      const seen = { route: `${method} ${path}`, nobody, forger, other }
      if (method === 'OPTIONS') {
        // Tells the methods and nothing else.
        for (const seen of [nobody, forger, other]) expect([200, 204, 405]).toContain(seen)
      } else if (access === undefined) {
        expect(seen).toMatchObject({ route: seen.route, nobody: 405, forger: 405, other: 405 })
      } else if (access === 'everybody') {
        expect(seen).toMatchObject({ nobody: 200, forger: 200, other: 200 })
      } else if (access === 'newcomer') {
        expect(seen).toMatchObject({ nobody: 201, forger: 201, other: 201 })
      } else if (access === 'own') {
        // Each customer is told of their own alone (tests/my-orders.test.ts).
        expect(seen).toMatchObject({ nobody: 401, forger: 401, other: 200 })
      } else if (access === 'signature') {
        expect(seen).toMatchObject({ nobody: 400, forger: 400, other: 400 })
      } else {
        // A customer who may ask, but says nothing that can be understood, is told so; what is another's is missing.
        expect(seen).toMatchObject({ nobody: 401, forger: 401, other: access === 'owner' ? 404 : expect.any(Number) })
        expect([200, 202]).not.toContain(other)
      }
    }
  }
  process.stdout.write(`\nRoute walk of the ingress: ${named.length} routes, ${asked} requests.\n`)
})

it('opens each route of operations to operators, and only its reading to viewers', async () => {
  const base = `http://127.0.0.1:${shop.stack.api.opsPort}`
  // The board is there twice, for viewers and for operators.
  const all = routesOf(createOpsApp(shop.stack.services)).map(route => [JSON.stringify(route), route] as const)
  const table = [...new Map(all).values()]
  expect(table.length).toBeGreaterThan(20)
  const viewer = { authorization: `Basic ${Buffer.from('viewer:password of a viewer').toString('base64')}` }
  let asked = 0
  for (const { path: given, methods } of table) {
    // Bull Board's pages have several paths each.
    const path = String([given].flat()[0])
    const url = `${isOwn(path) ? '' : BOARD_PATH}${String(path)
      .replace(/:(\w+)/g, 'sweep')
      .replace(/\{?\*\w*\}?/g, 'x')}`
    for (const method of METHODS) {
      expect([method, url, await status(base, method, url)]).toEqual([method, url, 401])
      asked++
      if (methods.includes(method) && method !== 'GET') {
        expect([method, url, await status(base, method, url, viewer)]).toEqual([method, url, 403])
        asked++
      }
    }
  }
  // Wrong passwords are counted; the walk gave none.
  const wrong = { authorization: `Basic ${Buffer.from('ops:wrong password').toString('base64')}` }
  for (const { path } of table.slice(0, 5)) expect(await status(base, 'GET', String(path), wrong)).toBe(401)
  process.stdout.write(`\nRoute walk of operations: ${table.length} routes, ${asked} requests.\n`)
})

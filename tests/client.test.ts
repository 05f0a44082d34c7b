import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { checkout, createTillworks, type Tillworks, WatchRefused, watch } from '../client/index.js'
import { verifyNotification } from '../client/notifications.js'
import { lineOf, type Shopper } from '../local/shopper.js'
import { signSessionToken } from '../shared/identity/session-token.js'
import { projectRoot } from '../shared/project-root.js'
import { openShop, type Shop } from './support/shop.js'

let shop: Shop
let ada: Shopper
let headers: Record<string, string>
let tillworks: Tillworks
beforeAll(async () => {
  shop = await openShop('postgres')
  ada = await shop.customer('ada')
  const token = await signSessionToken({ userId: 'ada', email: 'ada@shop.example' }, shop.stack.config.auth.secret, 600)
  headers = { Authorization: `Bearer ${token}` }
  tillworks = createTillworks({ baseUrl: `http://127.0.0.1:${shop.stack.api.port}/`, headers })
})
afterAll(() => shop.close())

/** A way to the server whose connections can be broken off. */
async function breakableProxy(target: number) {
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    const upstream = connect({ port: target, host: '127.0.0.1' })
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    client.pipe(upstream).pipe(client)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const breakAll = () => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  const { port } = server.address() as AddressInfo
  const close = async () => {
    breakAll()
    await new Promise(resolve => server.close(resolve))
  }
  return { port, breakAll, close }
}

const mug = async () => [lineOf(await ada.product('stoneware-mug'), 1)]

it('reads what can be bought, typed', async () => {
  const { data } = await tillworks.api.GET('/api/products', { params: { query: { slug: ['stoneware-mug'] } } })
  expect(data?.data[0]?.price).toBe(19.99)
})

it('checks out, watches until the money is there, and is the same checkout for the same key', async () => {
  const items = await mug()
  const result = await checkout(tillworks, { items }, { idempotencyKey: 'client-1' })
  if (!result.ok) throw new Error(result.problem.title)
  const again = await checkout(tillworks, { items }, { idempotencyKey: 'client-1' })
  expect(again.ok && again.checkout.url).toBe(result.checkout.url)
  const seen: string[] = []
  for await (const state of watch(tillworks, result.checkout.checkoutId)) {
    seen.push(state.status)
    if (state.status === 'OPEN') await ada.pay(state.url ?? '')
  }
  expect([seen[0], seen.at(-1)]).toEqual(['OPEN', 'PAID'])
})

it('gives a typed problem for a cart that is refused', async () => {
  const items = (await mug()).map(line => ({ ...line, price: 1 }))
  const result = await checkout(tillworks, { items })
  if (result.ok || result.problem.type !== 'urn:tillworks:problem:cart_refused') throw new Error('it was not refused')
  expect(result.problem.details?.[0]?.error).toMatch(/Price mismatch/)
})

it('follows a 202 to the page, and to the refusal', async () => {
  const slow = { ...headers, Prefer: 'respond-async' }
  const patient = createTillworks({ baseUrl: `http://127.0.0.1:${shop.stack.api.port}`, headers: slow })
  const items = await mug()
  const page = await checkout(patient, { items }, { idempotencyKey: 'client-202' })
  expect(page.ok && page.checkout.url).toMatch(/^http/)
  const refused = await checkout(patient, { items: items.map(line => ({ ...line, price: 1 })) })
  if (refused.ok || refused.problem.type !== 'urn:tillworks:client:ended') throw new Error('it was not refused')
  expect(refused.problem.details?.[0]?.error).toMatch(/Price mismatch/)
})

it('connects again when the connection is lost, and tells no state twice', async () => {
  const proxy = await breakableProxy(shop.stack.api.port)
  try {
    const through = createTillworks({ baseUrl: `http://127.0.0.1:${proxy.port}`, headers })
    const result = await checkout(tillworks, { items: await mug() }, { idempotencyKey: 'client-lost' })
    if (!result.ok) throw new Error(result.problem.title)
    const seen: string[] = []
    for await (const state of watch(through, result.checkout.checkoutId)) {
      seen.push(state.status)
      if (state.status !== 'OPEN') continue
      proxy.breakAll()
      await ada.pay(state.url ?? '')
    }
    expect(seen.filter(status => status === 'OPEN')).toHaveLength(1)
    expect(seen.at(-1)).toBe('PAID')
  } finally {
    await proxy.close()
  }
})

it('does not try again what stays refused, and ends when it is told to', async () => {
  const read = async (id: string, signal?: AbortSignal) => {
    for await (const _ of watch(tillworks, id, { signal }));
  }
  await expect(read('cdoesnotexist0000000000000')).rejects.toBeInstanceOf(WatchRefused)
  const result = await checkout(tillworks, { items: await mug() }, { idempotencyKey: 'client-abort' })
  if (!result.ok) throw new Error(result.problem.title)
  await expect(read(result.checkout.checkoutId, AbortSignal.timeout(300))).rejects.toThrow()
})

it('verifies a notification, and no forged one', () => {
  const secret = `whsec_${Buffer.alloc(32, 3).toString('base64')}`
  const body = JSON.stringify({ type: 'ping', timestamp: new Date().toISOString(), data: {} })
  const now = new Date()
  const signed = (by: string) =>
    new Headers({
      'webhook-id': 'ping_1',
      'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
      'webhook-signature': new Webhook(by).sign('ping_1', now, body)
    })
  expect(verifyNotification(body, signed(secret), secret).type).toBe('ping')
  const other = `whsec_${Buffer.alloc(32, 4).toString('base64')}`
  expect(() => verifyNotification(body, signed(other), secret)).toThrow()
  expect(() => verifyNotification(`${body} `, signed(secret), secret)).toThrow()
})

it('shows in its README the example whose types are checked', () => {
  const read = (name: string) => readFileSync(join(projectRoot, 'client', name), 'utf8')
  expect(read('README.md')).toContain(`\`\`\`ts\n${read('examples/route.ts')}\`\`\``)
})

import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { eventually } from '../local/eventually.js'
import { address, data, lineOf, type Shopper } from '../local/shopper.js'
import { openShop, type Shop, withShop } from './support/shop.js'

let shop: Shop
let ada: Shopper
let eve: Shopper
let line: ReturnType<typeof lineOf>
beforeAll(async () => {
  shop = await openShop('postgres')
  ada = await shop.customer('ada')
  eve = await shop.customer('eve')
  line = lineOf(await ada.product('stoneware-mug'), 1)
})
afterAll(() => shop.close())

const withItem = (changes: object) => JSON.stringify({ items: [{ ...line, ...changes }] })

describe('a checkout request', () => {
  it.each<[string, () => string, Record<string, string>]>([
    ['nested arrays', () => `${'['.repeat(32_000)}${']'.repeat(32_000)}`, { body: 'The body must be a JSON object' }],
    ['1e400', () => withItem({}).replace('19.99', '1e400'), { 'items.0.price': 'Price must be a number' }],
    ['negative zero', () => withItem({}).replace('19.99', '-0'), { 'items.0.price': 'Price must be positive' }],
    ['a third decimal', () => withItem({ price: 19.999 }), { 'items.0.price': 'Price must have max 2 decimals' }],
    ['half a surrogate pair', () => withItem({ name: '\ud800' }), { 'items.0.name': 'Invalid characters' }],
    ['a NUL character', () => withItem({ name: 'a\0b' }), { 'items.0.name': 'Invalid characters' }],
    ['a NUL in an id', () => withItem({ productId: 'c12345678\0' }), { 'items.0.productId': 'Invalid product ID' }],
    ['an unknown field', () => withItem({ discount: 1 }), { 'items.0.discount': 'Unknown field' }],
    ['__proto__', () => withItem({}).replace('"items"', '"__proto__":{"x":1},"items"'), { __proto__x: '' }],
    ['no items', () => '{"items":[]}', { items: 'At least one item required' }],
    [
      'a fractional quantity',
      () => withItem({ quantity: 1.5 }),
      { 'items.0.quantity': 'Quantity must be whole number' }
    ],
    [
      'a script as an image',
      () => withItem({ image: 'javascript:alert(1)' }),
      { 'items.0.image': 'Invalid image URL or path' }
    ]
  ])('with %s is refused by path', async (what, body, errors) => {
    const answer = await ada.checkout(body())
    expect(answer.status).toBe(400)
    if (what !== '__proto__')
      expect(answer.body).toMatchObject({ success: false, status: 400, error: 'Invalid request', errors })
  })

  it('with the same product on two lines is refused', async () => {
    const answer = await ada.checkout({ items: [line, line] })
    expect(answer.body).toMatchObject({
      status: 400,
      errors: { 'items.1.productId': expect.stringContaining('Duplicate product') }
    })
  })

  it('with NaN is not JSON', async () => {
    expect((await ada.checkout(withItem({}).replace('19.99', 'NaN'))).body).toMatchObject({
      status: 400,
      error: 'Invalid JSON'
    })
  })

  it('of another type is 415, too large is 413, of nobody is 401, from another origin is 403', async () => {
    const text = await ada.checkout(withItem({}), { 'Content-Type': 'text/plain' })
    const large = await ada.checkout(JSON.stringify({ items: [{ ...line, name: 'x'.repeat(300_000) }] }))
    const nobody = await fetch(`http://127.0.0.1:${shop.stack.api.port}/api/stripe/checkout`, {
      method: 'POST',
      body: withItem({}),
      headers: { 'Content-Type': 'application/json' }
    })
    const elsewhere = await ada.checkout(withItem({}), { Origin: 'https://evil.example' })
    expect([text.status, large.status, nobody.status, elsewhere.status]).toEqual([415, 413, 401, 403])
    expect(nobody.headers.get('content-type')).toContain('application/problem+json')
  })

  it('for a missing order is 404, for another customer’s 403, for a paid one 409', async () => {
    const order = data(await ada.createOrder({ items: [line], address, subtotal: 19.99, shipping: 0 }))
    expect((await ada.checkout({ items: [line], orderId: 'cdoesnotexist0000000000000' })).status).toBe(404)
    expect((await eve.checkout({ items: [line], orderId: order.id })).status).toBe(403)
    const checkout = data(await ada.checkout({ items: [line], orderId: order.id }))
    await ada.pay(checkout.url ?? '')
    await ada.orderBecomes(order.id, 'PAID')
    expect((await ada.checkout({ items: [line], orderId: order.id })).status).toBe(409)
  })
})

describe('an order request', () => {
  it('with totals that are not the shop’s is refused', async () => {
    const answer = await ada.createOrder({ items: [line], address, subtotal: 1, shipping: 3 })
    expect(answer.body).toMatchObject({
      status: 400,
      errors: { subtotal: 'Subtotal mismatch: expected 19.99, got 1', shipping: 'Shipping mismatch: expected 0, got 3' }
    })
  })

  it('is shown to its owner only', async () => {
    const order = data(await ada.createOrder({ items: [line], address, subtotal: 19.99, shipping: 0 }))
    expect(data(await ada.order(order.id))).toMatchObject({ status: 'PENDING', total: 19.99, checkout: null })
    expect((await eve.order(order.id)).status).toBe(404)
  })
})

it('makes one order for one Idempotency-Key, also of requests at once, and refuses another request under it', async () => {
  const wanted = { items: [line], address, subtotal: 19.99, shipping: 0 }
  const keyed = { 'Idempotency-Key': 'one-order' }
  const made = await Promise.all(Array.from({ length: 5 }, () => ada.createOrder(wanted, keyed)))
  expect(new Set(made.map(answer => data(answer).id)).size).toBe(1)
  expect(made.map(answer => answer.status)).toEqual(Array(5).fill(201))
  expect(made.filter(answer => answer.headers.get('idempotent-replayed') === 'true')).toHaveLength(4)
  const other = await ada.createOrder({ ...wanted, address: { ...address, city: 'Lyon' } }, keyed)
  expect([other.status, other.body]).toMatchObject([422, { detail: 'Send a new Idempotency-Key with a new request.' }])
  expect(data(await eve.createOrder(wanted, keyed)).id).not.toBe(data(made[0] as (typeof made)[0]).id)
  expect((await ada.createOrder(wanted, { 'Idempotency-Key': 'x'.repeat(256) })).status).toBe(400)
  expect(data(await ada.createOrder(wanted)).id).not.toBe(data(await ada.createOrder(wanted)).id)
})

it('streams the status of a checkout until it is paid', async () => {
  const checkout = data(await ada.checkout({ items: [line] }))
  const stream = ada.request(`/api/stripe/checkout/${checkout.checkoutId}/events`).then(response => response.text())
  await ada.pay(checkout.url ?? '')
  const text = await stream
  expect(text).toContain('"status":"OPEN"')
  expect(text.trimEnd()).toMatch(/"status":"PAID".*"orderStatus":"PAID"\}$/)
})

it('streams ten checkouts of a customer at once, and more of them once one has ended', async () => {
  const { checkoutId } = data(await ada.checkout({ items: [line] }, { 'Idempotency-Key': 'streams' }))
  const path = `/api/stripe/checkout/${checkoutId}/events`
  const open = Array.from({ length: 10 }, () => new AbortController())
  const streams = await Promise.all(open.map(({ signal }) => ada.request(path, { signal })))
  expect(streams.map(stream => stream.status)).toEqual(Array(10).fill(200))
  expect((await ada.request(path)).status).toBe(429)
  for (const stream of open) stream.abort()
  const again = new AbortController()
  const freed = await eventually(
    () => ada.request(path, { signal: again.signal }),
    answer => answer.status === 200
  )
  expect(freed.status).toBe(200)
  again.abort()
})

it('limits the checkouts of a customer in an hour, without counting replays', async () => {
  await withShop(
    openShop('postgres', { FRAUD_CHECK_ENABLED: 'true', FRAUD_MAX_ATTEMPTS_PER_HOUR: '2' }),
    async limited => {
      const customer = await limited.customer('hasty')
      const cart = (quantity: number) => ({ items: [{ ...line, quantity }] })
      const statuses = []
      for (const quantity of [1, 1, 2, 2, 3]) statuses.push((await customer.checkout(cart(quantity))).status)
      expect(statuses).toEqual([200, 200, 200, 200, 429])
      const refused = await customer.checkout(cart(3))
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3_000)
      const crowd = await limited.customer('crowd')
      const answers = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(quantity => crowd.checkout(cart(quantity))))
      expect(answers.filter(answer => answer.status === 200)).toHaveLength(2)
      expect(answers.filter(answer => answer.status === 429)).toHaveLength(6)
    }
  )
})

it('answers the methods that a path does not have with 405 and what it has', async () => {
  const response = await ada.request('/api/stripe/webhook', { method: 'DELETE' })
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
})

it('asks for a password at the board and lists the queues behind it', async () => {
  const authorization = `Basic ${Buffer.from('ops:password of the tests').toString('base64')}`
  const url = `http://127.0.0.1:${shop.stack.api.opsPort}/ops/board/api/queues`
  expect((await fetch(url)).status).toBe(401)
  const board = (await (await fetch(url, { headers: { authorization } })).json()) as { queues: { name: string }[] }
  expect(board.queues.map(queue => queue.name).sort()).toEqual([
    'key-cleanup',
    'order-notification',
    'price-verification',
    'reconcile',
    'refund-creation',
    'reports',
    'retention',
    'session-creation',
    'session-expiry',
    'sweep',
    'verification',
    'webhook-processing'
  ])
})

it('survives a request that never ends its headers', async () => {
  const request = httpRequest({
    port: shop.stack.api.port,
    host: '127.0.0.1',
    path: '/healthz',
    headers: { 'X-Big': 'x'.repeat(20_000) }
  })
  const status = await new Promise(resolve => {
    request.on('response', response => resolve(response.statusCode))
    request.on('error', () => resolve('closed'))
    request.end()
  })
  expect([431, 'closed']).toContain(status)
  expect((await ada.request('/healthz')).status).toBe(200)
})

it('serves others while two hundred connections send their headers a byte at a time', async () => {
  const slow = Array.from({ length: 200 }, () => connect(shop.stack.api.port, '127.0.0.1'))
  try {
    await Promise.all(slow.map(socket => new Promise(resolve => socket.once('connect', resolve))))
    for (const socket of slow)
      socket.on('error', () => undefined).write('POST /api/stripe/webhook HTTP/1.1\r\nHost: a\r\nX')
    for (const socket of slow) socket.write('-')
    expect((await ada.request('/readyz')).status).toBe(200)
    expect((await ada.checkout({ items: [line] })).status).toBe(200)
  } finally {
    for (const socket of slow) socket.destroy()
  }
})

import fc from 'fast-check'
import { address, data, lineOf, type OrderData, type Shopper } from '../local/shopper.js'
import { newId } from '../shared/ids.js'
import { openShop, type Shop } from './support/shop.js'

let shop: Shop
let ada: Shopper
beforeAll(async () => {
  shop = await openShop('postgres')
  ada = await shop.customer('ada')
})
afterAll(() => shop.close())

interface Listed {
  data: OrderData[]
  next: string | null
}

async function read(customer: Shopper, query = ''): Promise<Listed> {
  const response = await customer.request(`/api/orders${query}`)
  expect(response.status).toBe(200)
  expect(response.headers.get('cache-control')).toBe('no-store')
  return (await response.json()) as Listed
}

async function walk(customer: Shopper, limit: number, between: () => Promise<unknown> = async () => undefined) {
  const pages: OrderData[][] = []
  for (let cursor = ''; ; ) {
    const { data, next } = await read(customer, `?limit=${limit}&cursor=${cursor}`)
    pages.push(data)
    if (next === null) return pages
    cursor = next
    await between()
  }
}

async function ordered(userId: string, times: Date[]): Promise<string[]> {
  const rows = times.map(createdAt => ({ id: newId(), userId, currency: 'EUR', createdAt }))
  await shop.stack.services.db.prisma.order.createMany({ data: rows })
  const newestFirst = [...rows].sort(
    (a, b) => b.createdAt.getTime() - a.createdAt.getTime() || Buffer.compare(Buffer.from(b.id), Buffer.from(a.id))
  )
  return newestFirst.map(({ id }) => id)
}

let customers = 0

it('lists each of a customer’s own orders once, newest first, whatever the page and whoever else orders', async () => {
  const seconds = fc.integer({ min: 0, max: 6 })
  await fc.assert(
    fc.asyncProperty(fc.array(seconds, { maxLength: 15 }), fc.integer({ min: 1, max: 5 }), async (at, limit) => {
      const times = at.map(second => new Date(Date.UTC(2026, 0, 1, 0, 0, second)))
      const name = `customer-${customers++}`
      const ids = await ordered(name, times)
      await ordered(`${name}-else`, times)
      const pages = await walk(await shop.customer(name), limit)
      expect(pages.slice(0, -1).every(page => page.length === limit)).toBe(true)
      expect(pages.flat().map(({ id }) => id)).toEqual(ids)
    }),
    { numRuns: 25 }
  )
})

it('leaves nothing out and repeats nothing while the customer goes on ordering', async () => {
  const eve = await shop.customer('eve')
  const ids = await ordered(
    'eve',
    Array.from({ length: 11 }, (_, day) => new Date(Date.UTC(2026, 0, 1 + day)))
  )
  const pages = await walk(eve, 3, () => ordered('eve', [new Date()]))
  expect(pages.flat().map(({ id }) => id)).toEqual(ids)
  expect((await read(eve)).data).toHaveLength(14)
})

it('shows each order as GET /api/orders/:id does, with its lines and its newest checkout', async () => {
  const [mug, lamp] = [await ada.product('stoneware-mug'), await ada.product('desk-lamp')]
  const items = [lineOf(mug, 2), lineOf(lamp, 1)]
  const subtotal = Math.round((2 * mug.price + lamp.price) * 100) / 100
  const { id } = data(await ada.createOrder({ items, address, subtotal, shipping: 0 }))
  const first = data(await ada.checkout({ items, orderId: id }, { 'Idempotency-Key': 'first' }))
  const second = data(await ada.checkout({ items, orderId: id }, { 'Idempotency-Key': 'second' }))
  const paid = data(await ada.checkout({ items: [lineOf(mug, 1)] }))
  await ada.pay(paid.url ?? '')
  await ada.orderBecomes(paid.orderId ?? '', 'PAID')

  const { data: orders, next } = await read(ada)
  expect(next).toBeNull()
  expect(orders.map(order => [order.id, order.status, order.checkout?.checkoutId])).toEqual([
    [paid.orderId, 'PAID', paid.checkoutId],
    [id, 'PENDING', second.checkoutId]
  ])
  expect(second.checkoutId).not.toBe(first.checkoutId)
  for (const order of orders) expect(order).toEqual(data(await ada.order(order.id)))
  expect(orders[1]).toMatchObject({ total: subtotal, createdAt: expect.stringMatching(/^\d{4}-.*Z$/) })
  expect(orders[1]?.items).toHaveLength(2)

  expect((await read(ada, '?status=PAID')).data.map(order => order.id)).toEqual([paid.orderId])
  expect((await read(ada, '?status=PAID&status=PENDING')).data).toHaveLength(2)
  expect((await read(ada, '?status=REFUNDED')).data).toEqual([])
})

it('gives another customer’s cursor no sight of their orders', async () => {
  await ordered('bob', [new Date(), new Date()])
  const { next } = await read(await shop.customer('bob'), '?limit=1')
  expect((await read(await shop.customer('mallory'), `?cursor=${next}`)).data).toEqual([])
})

it.each([
  ['limit', 'limit=101'],
  ['cursor', 'cursor=abc'],
  ['cursor', `cursor=${Buffer.from('["yesterday","cabcdefghijk"]').toString('base64url')}`],
  ['cursor', `cursor=${Buffer.from('["2026-01-01T00:00:00.000Z","1"]').toString('base64url')}`],
  ['status.0', 'status=paid'],
  ['userId', 'userId=bob']
])('refuses a bad %s and names it', async (path, query) => {
  const response = await ada.request(`/api/orders?${query}`)
  expect(response.status).toBe(400)
  expect(Object.keys(((await response.json()) as { errors: object }).errors)).toEqual([path])
})

it('tells nobody without a session', async () => {
  expect((await fetch(`http://127.0.0.1:${shop.stack.api.port}/api/orders`)).status).toBe(401)
})

import { eventually } from '../local/eventually.js'
import { address, data, type Line, type Shopper } from '../local/shopper.js'
import type { ProblemBody } from '../shared/errors.js'
import { newId } from '../shared/ids.js'
import { openShop, type Shop } from './support/shop.js'

let shop: Shop
let ada: Shopper
let bob: Shopper
beforeAll(async () => {
  shop = await openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *' })
  ada = await shop.customer('ada')
  bob = await shop.customer('bob')
})
afterAll(() => shop.close())

async function stocked(stock: number): Promise<(quantity: number) => Line> {
  const id = newId()
  const product = { id, slug: id, name: `Product ${id}`, price: 1_000n, currency: 'EUR', stock }
  await shop.stack.services.db.prisma.product.create({ data: product })
  return quantity => ({ productId: id, name: product.name, price: 10, quantity })
}

let keys = 0
const buy = (customer: Shopper, items: Line[], orderId?: string) =>
  customer.checkout({ items, orderId }, { 'Idempotency-Key': `own ${keys++}` })

const statusOf = async (id: string) =>
  (await shop.stack.services.db.prisma.checkout.findUniqueOrThrow({ where: { id } })).status

const reservedOf = async ({ productId }: Line) =>
  (await shop.stack.services.db.prisma.product.findUniqueOrThrow({ where: { id: productId } })).reserved

it('never keeps the last unit from the same customer: it ends at Stripe first, then the new one opens', async () => {
  const last = await stocked(1)
  const other = await stocked(5)
  const first = data(await buy(ada, [last(1)]))
  const second = data(await buy(ada, [last(1), other(2)]))
  expect(second.status).toBe('OPEN')
  expect(await statusOf(first.checkoutId)).toBe('EXPIRED')
  expect(shop.simulator.record.session(first.sessionId ?? '')?.status).toBe('expired')
  expect(await reservedOf(last(1))).toBe(1)
  await ada.pay(second.url ?? '')
  await ada.orderBecomes(second.orderId ?? '', 'PAID')
})

it('gives way to an order of its own, and the other way round', async () => {
  const last = await stocked(1)
  const order = data(await ada.createOrder({ items: [last(1)], address, subtotal: 10, shipping: 0 }))
  const first = data(await buy(ada, [last(1)]))
  const second = data(await buy(ada, [last(1)], order.id))
  expect(await statusOf(first.checkoutId)).toBe('EXPIRED')
  const third = data(await buy(ada, [last(1)]))
  expect([await statusOf(second.checkoutId), third.status]).toEqual(['EXPIRED', 'OPEN'])
  expect(data(await ada.order(order.id)).status).toBe('PENDING')
})

it('ends only as many as are needed, the oldest first, and none that holds other goods', async () => {
  const few = await stocked(4)
  const other = await stocked(1)
  const unrelated = data(await buy(ada, [other(1)]))
  const earlier = []
  for (let made = 0; made < 4; made++) earlier.push(data(await buy(ada, [few(1)])))
  expect(data(await buy(ada, [few(2)])).status).toBe('OPEN')
  expect(await Promise.all(earlier.map(({ checkoutId }) => statusOf(checkoutId)))).toEqual([
    'EXPIRED',
    'EXPIRED',
    'OPEN',
    'OPEN'
  ])
  expect(await statusOf(unrelated.checkoutId)).toBe('OPEN')
})

it('stays open when ending it would not be enough, or when something else is wrong with the cart', async () => {
  const last = await stocked(2)
  const mine = data(await buy(ada, [last(1)]))
  const theirs = data(await buy(bob, [last(1)]))
  for (const cart of [[last(2)], [last(3)], [{ ...last(1), price: 11 }]]) {
    const refused = await buy(ada, cart)
    expect([refused.status, (refused.body as ProblemBody).type]).toEqual([400, 'urn:tillworks:problem:cart_refused'])
  }
  expect([await statusOf(mine.checkoutId), await statusOf(theirs.checkoutId)]).toEqual(['OPEN', 'OPEN'])
})

it('of another customer, who may be paying, is left alone', async () => {
  const last = await stocked(1)
  const theirs = data(await buy(bob, [last(1)]))
  expect((await buy(ada, [last(1)])).status).toBe(400)
  expect(await statusOf(theirs.checkoutId)).toBe('OPEN')
})

it('stays when Stripe says that it is paid, and the answer is that there is no stock', async () => {
  const last = await stocked(1)
  const first = data(await buy(ada, [last(1)]))
  shop.simulator.faults.set({ dropDeliveries: 1 })
  await ada.pay(first.url ?? '')
  const refused = await buy(ada, [last(1)])
  shop.simulator.faults.set({})
  expect(refused.status).toBe(400)
  expect((refused.body as ProblemBody).details?.[0]?.error).toMatch(/stock/i)
  expect(await statusOf(first.checkoutId)).toBe('PAID')
})

it('stays while its bank debit is on its way', async () => {
  const last = await stocked(1)
  const first = data(await buy(ada, [last(1)]))
  await ada.pay(first.url ?? '', 'DE89370400440532013000')
  await ada.checkoutBecomes(first.checkoutId, 'PROCESSING')
  expect((await buy(ada, [last(1)])).status).toBe(400)
  expect(await statusOf(first.checkoutId)).toBe('PROCESSING')
})

it('of two at once leaves one open, whichever comes last', async () => {
  const last = await stocked(1)
  const carts = await Promise.all([1, 2, 3].map(() => buy(ada, [last(1)])))
  const ids = carts.map(cart => data(cart).checkoutId)
  const statuses = await eventually(
    () => Promise.all(ids.map(statusOf)),
    all =>
      all.filter(status => status === 'OPEN').length === 1 &&
      all.every(status => status !== 'VERIFIED' && status !== 'RECEIVED')
  )
  expect(statuses.sort()).toEqual(['EXPIRED', 'EXPIRED', 'OPEN'])
  expect(await reservedOf(last(1))).toBe(1)
})

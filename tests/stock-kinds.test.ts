// What is not counted never runs out, and what may be ordered in advance runs out at its limit.
import { data, type Line } from '../local/shopper.js'
import { newId } from '../shared/ids.js'
import { requestRefunds } from '../shared/orders/refund.js'
import { countProducts } from '../shared/statements/shop-state.js'
import { commitReleased, couldCommitReleased, moveReservations, reserveStock } from '../shared/statements/stock.js'
import { openShop, type Shop } from './support/shop.js'

let shop: Shop
beforeAll(async () => {
  shop = await openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *' })
})
afterAll(() => shop.close())

interface Kind {
  stock: number
  trackStock?: boolean
  backorderLimit?: number
}

async function product(kind: Kind): Promise<Line> {
  const id = newId()
  const sold = { id, slug: id, name: `Product ${id}`, price: 1_000n, currency: 'EUR', ...kind }
  await shop.stack.services.db.prisma.product.create({ data: sold })
  return { productId: id, name: sold.name, price: 10, quantity: 1 }
}

const change = ({ productId }: Line, kind: Partial<Kind>) =>
  shop.stack.services.db.prisma.product.update({ where: { id: productId }, data: kind })

async function shelf({ productId }: Line) {
  const { stock, reserved } = await shop.stack.services.db.prisma.product.findUniqueOrThrow({
    where: { id: productId }
  })
  return [stock, reserved]
}

async function shown({ productId }: Line) {
  const response = await fetch(`http://127.0.0.1:${shop.stack.api.port}/api/products?slug=${productId}`)
  return ((await response.json()) as { data: { stock: number | null }[] }).data[0]?.stock
}

async function buy(userId: string, line: Line, quantity: number) {
  const customer = await shop.customer(userId)
  return await customer.checkout({ items: [{ ...line, quantity }] }, { 'Idempotency-Key': newId() })
}

async function buyAndPay(line: Line, quantity: number): Promise<string> {
  const customer = await shop.customer('payer')
  const opened = data(await buy('payer', line, quantity))
  await customer.pay(opened.url ?? '')
  return (await customer.orderBecomes(opened.orderId ?? '', 'PAID')).id
}

async function refundAll(orderId: string): Promise<void> {
  const input = { orderId, reason: 'sent back', operator: 'tester', restock: 'all' as const }
  await requestRefunds(shop.stack.services, input)
  await (await shop.customer('payer')).orderBecomes(orderId, 'REFUNDED')
}

async function expire(sessionId: string | undefined, checkoutId: string, userId: string): Promise<void> {
  await shop.stack.services.stripe.checkout.sessions.expire(sessionId ?? '')
  await (await shop.customer(userId)).checkoutBecomes(checkoutId, 'EXPIRED')
}

describe('what is not counted', () => {
  it.each([0, 3, -2])('is sold in any number with a stock of %s, which stays as it is', async stock => {
    const line = await product({ stock, trackStock: false })
    expect(await shown(line)).toBeNull()
    const order = await buyAndPay(line, 1_000)
    expect(await shelf(line)).toEqual([stock, 0])
    await refundAll(order)
    expect(await shelf(line)).toEqual([stock, 0])
    const open = data(await buy('idler', line, 7))
    expect(await shelf(line)).toEqual([stock, 7])
    await expire(open.sessionId, open.checkoutId, 'idler')
    expect(await shelf(line)).toEqual([stock, 0])
  })
})

describe('a backorder', () => {
  it('goes as far as its limit, and its goods go back to the shelf', async () => {
    const line = await product({ stock: 2, backorderLimit: 3 })
    expect(await shown(line)).toBe(5)
    const { body } = await buy('greedy', line, 6)
    expect(body).toMatchObject({ details: [{ error: 'Insufficient stock: 5 available, 6 requested' }] })
    const order = await buyAndPay(line, 5)
    expect([await shelf(line), await shown(line)]).toEqual([[-3, 0], 0])
    expect((await buy('late', line, 1)).status).toBe(400)
    await refundAll(order)
    expect(await shelf(line)).toEqual([2, 0])
  })

  it.each([
    { stock: 0, backorderLimit: 7 },
    { stock: 4, backorderLimit: 3 },
    { stock: -2, backorderLimit: 9 },
    { stock: 7, backorderLimit: 0 }
  ])('is never sold beyond it by carts at once: $stock and $backorderLimit', async kind => {
    const line = await product(kind)
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => buy(`crowd ${i}`.replace(' ', '-'), line, 1))
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(7)
    expect(await shelf(line)).toEqual([kind.stock, 7])
  })

  it('is held by the database as well', async () => {
    const line = await product({ stock: 1, backorderLimit: 1 })
    const { prisma } = shop.stack.services.db
    const reserve = (reserved: number) => prisma.product.update({ where: { id: line.productId }, data: { reserved } })
    await reserve(2)
    await expect(reserve(3)).rejects.toThrow()
    await expect(change(line, { backorderLimit: 0 })).rejects.toThrow()
  })

  it('takes goods of a late payment out again as far as the limit lets it', async () => {
    const line = await product({ stock: 1, backorderLimit: 1 })
    const { pool } = shop.stack.services.db
    const open = data(await buy('idler', line, 2))
    await expire(open.sessionId, open.checkoutId, 'idler')
    expect(await couldCommitReleased(pool, open.checkoutId)).toBe(true)
    await change(line, { backorderLimit: 0 })
    expect(await couldCommitReleased(pool, open.checkoutId)).toBe(false)
    expect(await commitReleased(pool, open.checkoutId, new Date())).toBe(false)
    await change(line, { trackStock: false })
    expect(await commitReleased(pool, open.checkoutId, new Date())).toBe(true)
    expect(await shelf(line)).toEqual([1, 0])
  })
})

describe('as many as can be counted', () => {
  const MOST = 2_147_483_647

  it('may be on the shelf and be sold beyond it: the catalogue and the doctor count on', async () => {
    const line = await product({ stock: MOST, backorderLimit: MOST })
    expect(await shown(line)).toBe(2 * MOST)
    await expect(countProducts(shop.stack.services.db.pool)).resolves.toBeDefined()
    expect((await buy('modest', line, 1)).status).toBe(200)
    expect(await shown(line)).toBe(2 * MOST - 1)
  })

  it('are not more once goods come back to a shelf that was filled again', async () => {
    const line = await product({ stock: MOST })
    const order = await buyAndPay(line, 3)
    await change(line, { stock: MOST - 1 })
    await refundAll(order)
    expect(await shelf(line)).toEqual([MOST, 0])
  })
})

describe('switching trackStock while a checkout holds goods', () => {
  it.each([
    [true, 'COMMITTED', 10],
    [true, 'RELEASED', 10],
    [false, 'COMMITTED', 6],
    [false, 'RELEASED', 10]
  ] as const)('from %s leaves nothing reserved once they are %s', async (trackStock, to, stock) => {
    const line = await product({ stock: 10, trackStock })
    const { pool } = shop.stack.services.db
    const open = data(await buy('switched', line, 4))
    await change(line, { trackStock: !trackStock })
    expect(await shelf(line)).toEqual([10, 4])
    await moveReservations(pool, open.checkoutId, to, new Date())
    // What is counted by then is taken from the shelf.
    expect(await shelf(line)).toEqual([stock, 0])
  })

  it('to counting waits until there are as many as are held', async () => {
    const line = await product({ stock: 0, trackStock: false })
    await buy('switched', line, 4)
    await expect(change(line, { trackStock: true })).rejects.toThrow()
    await change(line, { trackStock: true, stock: 5 })
    expect(await shown(line)).toBe(1)
  })

  it('reserves by what the product is at that moment', async () => {
    const line = await product({ stock: 0 })
    const { pool } = shop.stack.services.db
    const open = data(await buy('holder', await product({ stock: 1 }), 1))
    const wanted = [{ productId: line.productId, quantity: 2 }]
    expect(await reserveStock(pool, open.checkoutId, wanted, new Date())).toBe(false)
    await change(line, { trackStock: false })
    expect(await reserveStock(pool, open.checkoutId, wanted, new Date())).toBe(true)
    expect(await shelf(line)).toEqual([0, 2])
  })
})

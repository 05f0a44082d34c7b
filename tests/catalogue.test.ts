import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type Stripe from 'stripe'
import { data, lineOf, type Shopper } from '../local/shopper.js'
import { importProducts } from '../shared/catalogue/import-products.js'
import { readProductFile } from '../shared/catalogue/product-file.js'
import { productIdFormats } from '../shared/rules/product-id.js'
import { parseRestock, restockMetadata, restockOf } from '../shared/rules/restock.js'
import { open } from './support/fresh-shop.js'
import { runOps } from './support/ops.js'
import type { Shop } from './support/shop.js'

const MUG = 'ctillworksmug00000000001'
const PRINT = 'ctillworksprint000000006'

async function take(shop: Shop, file: string, deactivateMissing = false) {
  const given = readProductFile(Buffer.from(file), 'csv')
  return await importProducts(shop.stack.services, given, { operator: 'olga', deactivateMissing })
}

async function stored(shop: Shop, id: string) {
  const { rows } = await shop.stack.services.db.pool.query('SELECT * FROM "Product" WHERE "id" = $1', [id])
  return rows[0]
}

it('keeps the price at which an open checkout was verified; the next one gets the new price', async () => {
  const { shop, customer } = await open()
  const old = await customer.product('stoneware-mug')
  const first = data(await customer.checkout({ items: [lineOf(old, 1)] }))
  await take(shop, `id,price\n${MUG},25.00\n`)
  await customer.pay(first.url as string)
  expect(await customer.orderBecomes(first.orderId as string, 'PAID')).toMatchObject({
    items: [{ price: 19.99 }]
  })
  expect((await customer.checkout({ items: [lineOf(old, 1)] })).status).toBe(400)
  const next = await customer.product('stoneware-mug')
  expect(next.price).toBe(25)
  const second = data(await customer.checkout({ items: [lineOf(next, 1)] }))
  expect(await customer.order(second.orderId as string)).toMatchObject({ body: { data: { items: [{ price: 25 }] } } })
})

it('keeps stock at what open checkouts have reserved, by file and by command, and says so', async () => {
  const { shop, customer } = await open()
  data(await customer.checkout({ items: [lineOf(await customer.product('signed-print'), 2)] }))
  const refusal = /stock: 1 is too low: open checkouts have reserved 2, so that 2 is the least/
  await expect(take(shop, `id,stock\n${PRINT},1\n`)).rejects.toThrow(refusal)
  await expect(take(shop, `id,stock\n${PRINT},1\n`)).rejects.toThrow(/line 2/)
  const command = async (...args: string[]) => await runOps(shop, 'product', 'stock', 'signed-print', ...args)
  expect(await command('--set', '1')).toMatchObject({ code: 1, output: expect.stringContaining('--set: 1 is too low') })
  expect(await command('--add', '-2')).toMatchObject({
    code: 1,
    output: expect.stringContaining('--add: 1 is too low')
  })
  expect(await stored(shop, PRINT)).toMatchObject({ stock: 3, reserved: 2 })
  expect(await command('--add', '-1')).toMatchObject({ code: 0, output: expect.stringContaining('stock 3 → 2') })
  expect(await command('--add', '5')).toMatchObject({ code: 0, output: expect.stringContaining('stock 2 → 7') })
  expect(await command('--set', '2')).toMatchObject({ code: 0 })
  expect(await stored(shop, PRINT)).toMatchObject({ stock: 2, reserved: 2 })
  expect(await command('--add', '1.5')).toMatchObject({
    code: 1,
    output: expect.stringContaining('not a whole number')
  })
  expect(await command()).toMatchObject({ code: 2 })
})

it('lets backorders go below zero as far as the limit says, and what is not counted as far as it likes', async () => {
  const { shop, customer } = await open()
  data(await customer.checkout({ items: [lineOf(await customer.product('signed-print'), 3)] }))
  await take(shop, `id,stock,backorderLimit\n${PRINT},1,2\n`)
  await expect(take(shop, `id,backorderLimit\n${PRINT},1\n`)).rejects.toThrow(
    /backorderLimit: cannot be so now: the stock is 1/
  )
  await take(shop, `id,stock,trackStock\n${PRINT},0,false\n`)
  await expect(take(shop, `id,trackStock\n${PRINT},true\n`)).rejects.toThrow(/trackStock: cannot be so now/)
  await expect(
    shop.stack.services.db.pool.query('UPDATE "Product" SET "trackStock" = true WHERE "id" = $1', [PRINT])
  ).rejects.toThrow('Product_available_check')
})

it('changes the catalogue beside checkouts that are paid, without a deadlock and without touching what is reserved', async () => {
  const { shop } = await open()
  const slugs = ['stoneware-mug', 'desk-lamp', 'linen-notebook', 'olive-tree']
  const { pool } = shop.stack.services.db
  await pool.query('UPDATE "Product" SET "stock" = 1000')
  const buyers = await Promise.all(Array.from({ length: 12 }, (_, index) => shop.customer(`buyer-${index}`)))
  const buy = async (index: number) => {
    const customer = buyers[index] as Shopper
    const lines = await Promise.all(slugs.map(async slug => lineOf(await customer.product(slug), 1)))
    const answer = data(await customer.checkout({ items: index % 2 === 0 ? lines : lines.reverse() }))
    if (index % 3 !== 0) return
    await customer.pay(answer.url as string)
    await customer.orderBecomes(answer.orderId as string, 'PAID')
  }
  const describeAll = async () => {
    for (let index = 0; index < 10; index++)
      await take(shop, `slug,description\n${slugs.map(slug => `${slug},Text ${index}\n`).join('')}`)
  }
  await Promise.all([...buyers.map((_, index) => buy(index)), describeAll(), describeAll()])
  const { rows } = await pool.query(
    `SELECT p."stock", p."reserved", p."description", (SELECT sum("quantity")::int FROM "Reservation" WHERE "productId" = p."id"
       AND "status" = 'HELD') AS held FROM "Product" p WHERE "slug" = ANY($1)`,
    [slugs]
  )
  expect(rows).toEqual(Array(4).fill({ stock: 996, reserved: 8, held: 8, description: 'Text 9' }))
})

it('keeps a deactivated product for the orders that have it', async () => {
  const { shop, customer } = await open()
  const open1 = data(await customer.checkout({ items: [lineOf(await customer.product('desk-lamp'), 1)] }))
  expect(await runOps(shop, 'product', 'deactivate', 'desk-lamp', '--reason', 'no more')).toMatchObject({
    code: 0,
    output: expect.stringContaining('active true → false')
  })
  expect((await customer.products()).map(({ slug }) => slug)).not.toContain('desk-lamp')
  await customer.pay(open1.url as string)
  expect(await customer.orderBecomes(open1.orderId as string, 'PAID')).toMatchObject({ items: [{ name: 'Desk lamp' }] })
})

describe('the command', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tillworks-catalogue-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('imports a file, shows what would change, and exports what it takes back', async () => {
    const { shop } = await open()
    const file = join(folder, 'products.csv')
    writeFileSync(file, `id,name,price,price_CHF,stock\ncnewproduct01,Teapot,39.00,38.00,5\n${MUG},Mug,21,,40\n`)
    const draft = join(folder, 'draft.csv')
    writeFileSync(draft, 'slug,name,price,stock,trackStock,backorderLimit,active\nebook,Ebook,5,,false,2,false\n')
    expect((await runOps(shop, 'product', 'import', draft, '--dry-run')).output).toContain(
      'line 2: new ebook "Ebook", 5.00 EUR, stock not counted, backorderLimit 2, not active\n'
    )
    const dry = await runOps(shop, 'product', 'import', file, '--dry-run')
    expect(dry).toMatchObject({ code: 0 })
    expect(dry.output).toContain('line 2: new cnewproduct01 (cnewproduct01) "Teapot", 39.00 EUR, 38.00 CHF, stock 5\n')
    expect(dry.output).toContain(
      `line 3: ${MUG} (stoneware-mug): name "Stoneware mug" → "Mug", price 19.99 EUR → 21.00 EUR`
    )
    expect(dry.output).toContain('1 new, 1 changed (0 of them deactivated), 0 as they were.')
    expect(await stored(shop, 'cnewproduct01')).toBeUndefined()

    expect(await runOps(shop, 'product', 'import', file, '--deactivate-missing')).toMatchObject({
      code: 0,
      output: '1 new, 6 changed (5 of them deactivated), 0 as they were.\n'
    })
    const exported = join(folder, 'export.jsonl')
    expect(await runOps(shop, 'product', 'export', exported)).toMatchObject({ code: 0 })
    expect(await runOps(shop, 'product', 'import', exported, '--dry-run')).toMatchObject({
      output: expect.stringContaining('0 new, 0 changed (0 of them deactivated), 7 as they were.')
    })
    const csv = (await runOps(shop, 'product', 'export', '--format', 'csv')).output
    expect(csv.split('\r\n')[0]).toBe(
      '"id","slug","name","description","image","price","currency","price_CHF","stock","trackStock","backorderLimit","active"'
    )
    expect(JSON.parse((await runOps(shop, 'product', 'show', MUG, '--json')).output)).toMatchObject({
      price: '21.00',
      reserved: 0,
      trail: [{ action: 'product_changed', before: { price: 1999 }, metadata: { operator: 'olga' } }]
    })
    expect((await runOps(shop, 'product', 'list')).output).toMatch(
      /cnewproduct01 +cnewproduct01 +Teapot +39\.00 EUR, 38\.00 CHF +5 +0/
    )
  })

  it('says what is wrong with a file and with a command line', async () => {
    const { shop } = await open()
    const file = join(folder, 'wrong.csv')
    writeFileSync(file, 'id,name,price,stock\ncnewproduct01,,x,1\n')
    const wrong = await runOps(shop, 'product', 'import', file)
    expect(wrong).toMatchObject({ code: 1, output: expect.stringContaining('line 2, price: "x" is no price') })
    expect(await runOps(shop, 'product', 'import', join(folder, 'none.csv'))).toMatchObject({ code: 1 })
    expect(await runOps(shop, 'product', 'import')).toMatchObject({ code: 2 })
    expect(await runOps(shop, 'product', 'set', MUG, 'colour=red')).toMatchObject({ code: 2 })
    expect(await runOps(shop, 'product', 'set', MUG, 'price=21.00', 'price_CHF=20', 'name=Mug')).toMatchObject({
      code: 0,
      output: expect.stringContaining(
        'name "Stoneware mug" → "Mug", price 19.99 EUR → 21.00 EUR, CHF nothing → 20.00 CHF'
      )
    })
    expect(await runOps(shop, 'product', 'set', 'nobody', 'price=21.00')).toMatchObject({ code: 1 })
  })
})

it('reads the Stripe account: one-time prices, the default first, with their currencies', async () => {
  const { shop } = await open({ PRODUCT_ID_FORMAT: 'any' })
  const put = (id: string, product: object, prices: object[]) => {
    const blank = { object: 'product', active: true, created: 1, name: id, description: null, images: [], metadata: {} }
    const price = { object: 'price', active: true, created: 1, type: 'one_time', product: id }
    shop.simulator.record.addProduct(
      { ...blank, id, default_price: null, ...product } as unknown as Stripe.Product,
      prices.map((each, index) => ({ ...price, id: `price_${id}_${index}`, ...each }) as unknown as Stripe.Price)
    )
  }
  put(
    'prod_mug',
    { name: 'Mug', description: 'A mug', images: ['https://shop.example/mug.jpg'], default_price: 'price_prod_mug_1' },
    [
      { currency: 'eur', unit_amount: 500 },
      { currency: 'eur', unit_amount: 700, currency_options: { chf: { unit_amount: 650 }, jpy: { unit_amount: 1000 } } }
    ]
  )
  put('prod_sku', { name: 'Tea', metadata: { productId: 'SKU-1', slug: 'tea' } }, [
    { currency: 'chf', unit_amount: 300 }
  ])
  put('prod_sub', { name: 'Club' }, [{ currency: 'eur', unit_amount: 900, type: 'recurring' }])
  put('prod_gone', { name: 'Gone', active: false }, [{ currency: 'eur', unit_amount: 900 }])
  for (let index = 0; index < 120; index++)
    put(`prod_many_${index}`, {}, [{ currency: 'eur', unit_amount: 100 + index }])

  const { code, output } = await runOps(shop, 'product', 'import', '--from', 'stripe')
  expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining('122 new, 0 changed') })
  expect(output).toContain('prod_mug (Mug): price_prod_mug_0 is left out in EUR: another of its prices is in EUR, too')
  expect(output).toContain('prod_sub (Club) is left out: it has no one-time price')
  const { db } = shop.stack.services
  const products = await db.prisma.product.findMany({
    where: { id: { in: ['prod_mug', 'SKU-1'] } },
    include: { prices: true }
  })
  expect(products).toMatchObject([
    { id: 'SKU-1', slug: 'tea', name: 'Tea', price: 300n, currency: 'CHF', prices: [], trackStock: false },
    {
      id: 'prod_mug',
      slug: 'prod_mug',
      description: 'A mug',
      image: 'https://shop.example/mug.jpg',
      price: 700n,
      currency: 'EUR',
      prices: [
        { currency: 'CHF', amount: 650n },
        { currency: 'JPY', amount: 1000n }
      ]
    }
  ])
  expect(await db.prisma.product.count({ where: { id: { in: ['prod_sub', 'prod_gone'] } } })).toBe(0)
  expect((await runOps(shop, 'product', 'import', '--from', 'stripe', '--dry-run')).output).toContain(
    '0 new, 0 changed'
  )
})

describe.each([
  ['uuid', '0190F2C4-5E0B-7CC3-98C4-DC0C0C07398F', '0190f2c4-5e0b-7cc3-98c4-dc0c0c07398f'],
  ['any', 'SKU_1.a-b', 'SKU_1.a-b'],
  ['any', '__proto__', '__proto__']
])('with PRODUCT_ID_FORMAT=%s, a product %s', (format, given, kept) => {
  it('is imported, bought, refunded and put back', async () => {
    const { shop, customer } = await open({ PRODUCT_ID_FORMAT: format })
    await take(shop, `id,slug,name,price,stock\n${given},thing,Thing,10,5\n`)
    const thing = await customer.product('thing')
    expect(thing.id).toBe(kept)
    const bought = data(await customer.checkout({ items: [{ ...lineOf(thing, 2), productId: given }] }))
    await customer.pay(bought.url as string)
    const orderId = bought.orderId as string
    expect(await customer.orderBecomes(orderId, 'PAID')).toMatchObject({ items: [{ productId: kept }] })
    expect(await stored(shop, kept)).toMatchObject({ stock: 3 })
    const refund = await runOps(shop, 'order', 'refund', orderId, '--amount', '10.00', '--restock', `${given}=1`)
    expect(refund).toMatchObject({ code: 0 })
    expect(await stored(shop, kept)).toMatchObject({ stock: 4 })
  })
})

it.each(productIdFormats)('sells the demo products of npm start with PRODUCT_ID_FORMAT=%s', async format => {
  const { customer } = await open({ PRODUCT_ID_FORMAT: format })
  for (const slug of ['stoneware-mug', 'signed-print']) {
    const bought = data(await customer.checkout({ items: [lineOf(await customer.product(slug), 1)] }))
    expect(bought.status).toBe('OPEN')
  }
})

it('refuses ids of another format at the door', async () => {
  const { customer } = await open()
  const mug = await customer.product('stoneware-mug')
  const answer = await customer.checkout({ items: [{ ...lineOf(mug, 1), productId: 'SKU-1' }] })
  expect(answer).toMatchObject({ status: 400, body: { errors: { 'items.0.productId': 'Invalid product ID' } } })
})

it.each(['a.b', '__proto__', 'all', 'A-1_2'])(
  'writes and reads which goods go back, also of a product called %s',
  id => {
    const restock = parseRestock(`${id}=2`, 'any')
    expect(Object.entries(restock ?? {})).toEqual([[id, 2]])
    expect(restockOf(restockMetadata(restock), 'any')).toEqual(restock)
  }
)

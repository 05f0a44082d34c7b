import pg from 'pg'
import { countStatements, MOST_STATEMENTS } from '../bench/measures/statements.js'
import { eventually } from '../local/eventually.js'
import type { Shopper } from '../local/shopper.js'
import { buy } from './support/purchase.js'
import { NO_SCHEDULES } from './support/settings.js'
import { engines, openShop, type Shop } from './support/shop.js'

const PURCHASES = 8

let shop: Shop
let ada: Shopper
let owner: pg.Client
const opened: string[] = []

beforeAll(async () => {
  shop = await openShop(engines.at(-1) ?? 'postgres', NO_SCHEDULES)
  ada = await shop.customer('ada')
  owner = new pg.Client(shop.stack.config.database.url)
  await owner.connect()
  await buy(ada)
})
afterAll(async () => {
  await owner.end()
  await shop.close()
})

it('a checkout, from the request to its page at Stripe, is a bounded number of statements', async () => {
  const products = await ada.products()
  const product = products.find(each => each.stock > PURCHASES)
  const each = await countStatements(owner, async () => {
    for (let made = 0; made < PURCHASES; made++) {
      const item = { productId: product?.id, name: product?.name, price: product?.price, quantity: 1 }
      const { body } = await ada.checkout({ items: [item] }, { 'Idempotency-Key': `counted-${made}` })
      if (!body.success) throw new Error(body.error)
      opened.push(body.data.url ?? '')
    }
    return PURCHASES
  })
  expect(each).toBeGreaterThan(5)
  expect(each).toBeLessThanOrEqual(MOST_STATEMENTS.checkout)
})

it('an event of a payment is a bounded number of statements, from its delivery to what follows from it', async () => {
  const events = async (condition = 'true') => {
    const { rows } = await owner.query(`SELECT count(*)::int AS count FROM "WebhookEvent" WHERE ${condition}`)
    return Number(rows[0].count)
  }
  const before = await events()
  const each = await countStatements(owner, async () => {
    for (const url of opened) await ada.pay(url)
    await shop.simulator.idle()
    await eventually(
      () => events(`"status" = 'RECEIVED'`),
      count => count === 0
    )
    return (await events()) - before
  })
  expect(each).toBeGreaterThan(2)
  expect(each).toBeLessThanOrEqual(MOST_STATEMENTS.event)
})

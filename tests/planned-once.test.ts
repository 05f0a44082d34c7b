import { data, lineOf } from '../local/shopper.js'
import { allApplied } from './support/purchase.js'
import { openShop, withShop } from './support/shop.js'

/** PostgreSQL plans a statement for its values so often before it asks whether one plan for any would do. */
const FIRST_PLANS = 5

/** Those of every checkout and every payment. */
const HOT = [
  'claim-checkout',
  'lock-with-customer',
  'find-open-of',
  'lock-products',
  'reserve-stock',
  'move-checkout',
  'lock-events-together',
  'read-order-facts',
  'settle-reservations',
  'finish-events',
  'move-order'
]

interface Prepared {
  name: string
  generic: number
  custom: number
}

it('plans no statement of a purchase anew each time', async () => {
  await withShop(openShop('postgres', { DATABASE_POOL_SIZE: '2' }), async shop => {
    const { pool } = shop.stack.services.db
    const customer = await shop.customer('ada')
    const items = [lineOf(await customer.product('stoneware-mug'), 1)]
    for (let number = 0; number < 20; number++) {
      const { orderId = '', url = '' } = data(
        await customer.checkout({ items }, { 'Idempotency-Key': `purchase ${number}` })
      )
      await customer.pay(url)
      await customer.orderBecomes(orderId, 'PAID')
    }
    await allApplied(shop)
    const clients = await Promise.all(Array.from({ length: pool.totalCount }, () => pool.connect()))
    const prepared: Prepared[] = []
    try {
      for (const client of clients) {
        const { rows } = await client.query<Prepared>(
          'SELECT name, generic_plans::int AS generic, custom_plans::int AS custom FROM pg_prepared_statements'
        )
        prepared.push(...rows)
      }
    } finally {
      for (const client of clients) client.release()
    }
    const often = prepared.filter(({ generic, custom }) => generic + custom > FIRST_PLANS)
    const names = new Set(often.map(({ name }) => name))
    for (const name of HOT) expect(names).toContain(name)
    expect(often.filter(({ name, generic }) => HOT.includes(name) && generic === 0)).toEqual([])
  })
})

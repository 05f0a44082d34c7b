import { address, data, lineOf } from '../local/shopper.js'
import { findAuditProblems } from '../shared/statements/audit-trail.js'
import { retention } from '../workers/retention.js'
import { ageTrail } from './support/audit-chain.js'
import { runOps } from './support/ops.js'
import { asOwner, openShop, type Shop } from './support/shop.js'

let shop: Shop
let orderId: string
beforeAll(async () => {
  shop = await openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *' })
  orderId = await buy('ada')
})
afterAll(() => shop.close())

async function buy(userId: string): Promise<string> {
  const customer = await shop.customer(userId)
  const checkout = data(await customer.checkout({ items: [lineOf(await customer.product('stoneware-mug'), 1)] }))
  await customer.pay(checkout.url ?? '')
  await customer.orderBecomes(checkout.orderId ?? '', 'PAID')
  return checkout.orderId ?? ''
}

const pool = () => shop.stack.services.db.pool
const problems = () => findAuditProblems(pool())

/** Does what no application can, tells what the trail says of it, and undoes it. */
async function tamper(statement: string): Promise<string[]> {
  await asOwner(
    shop,
    'CREATE TABLE kept AS SELECT * FROM "PaymentAuditLog"; CREATE TABLE kept_chain AS SELECT * FROM "AuditChain"'
  )
  const without = 'SET session_replication_role = replica'
  await asOwner(shop, `${without}; ${statement}`)
  const found = (await problems()).map(({ chain, problem }) => `${chain === orderId ? 'the order' : chain}: ${problem}`)
  await asOwner(
    shop,
    `${without}; DELETE FROM "PaymentAuditLog"; INSERT INTO "PaymentAuditLog" SELECT * FROM kept; DELETE FROM "AuditChain";
     INSERT INTO "AuditChain" SELECT * FROM kept_chain; DROP TABLE kept, kept_chain`
  )
  return found
}

it('refuses every change of the trail and of the ledger, from the application and from its owner', async () => {
  for (const table of ['"PaymentAuditLog"', '"LedgerPosting"']) {
    await expect(pool().query(`DELETE FROM ${table}`)).rejects.toThrow('permission denied')
    await expect(asOwner(shop, `DELETE FROM ${table}`)).rejects.toThrow(/append-only|never changed/)
  }
  await expect(pool().query(`UPDATE "PaymentAuditLog" SET "amount" = 1`)).rejects.toThrow('permission denied')
  await expect(pool().query(`UPDATE "AuditChain" SET "length" = 1`)).rejects.toThrow('permission denied')
  await expect(asOwner(shop, `UPDATE "PaymentAuditLog" SET "amount" = 1`)).rejects.toThrow('append-only')
  await expect(asOwner(shop, 'TRUNCATE "PaymentAuditLog"')).rejects.toThrow('append-only')
  expect(await problems()).toEqual([])
})

it('names a row that was changed, removed, moved or cut off behind its back', async () => {
  const third = `"chain" = '${orderId}' AND "sequence" = 3`
  const last = `"id" = (SELECT max("id") FROM "PaymentAuditLog" WHERE "chain" = '${orderId}')`
  expect(await tamper(`UPDATE "PaymentAuditLog" SET "amount" = 1 WHERE ${third}`)).toEqual([
    'the order: the row was changed'
  ])
  expect(await tamper(`UPDATE "PaymentAuditLog" SET "ipAddress" = '6.6.6.6' WHERE ${third}`)).toEqual([
    'the order: the address or the browser was changed'
  ])
  expect(await tamper(`DELETE FROM "PaymentAuditLog" WHERE ${third}`)).toEqual([
    'the order: rows before this one were removed'
  ])
  expect(await tamper(`DELETE FROM "PaymentAuditLog" WHERE ${last}`)).toEqual([
    'the order: rows after this one were removed'
  ])
  expect(await tamper(`DELETE FROM "PaymentAuditLog" WHERE "chain" = '${orderId}'`)).toEqual([
    'the order: all rows were removed'
  ])
  const swapped =
    await tamper(`UPDATE "PaymentAuditLog" SET "sequence" = -"sequence" WHERE "chain" = '${orderId}' AND "sequence" IN (2, 3);
    UPDATE "PaymentAuditLog" SET "sequence" = 5 + "sequence" WHERE "chain" = '${orderId}' AND "sequence" < 0`)
  expect(swapped).toEqual(
    expect.arrayContaining(['the order: the row was changed', 'the order: the row does not follow the one before it'])
  )
  expect(await problems()).toEqual([])
})

it('is verified, listed and exported by an operator', async () => {
  expect((await runOps(shop, 'audit', 'verify')).output).toContain('sound')
  expect((await runOps(shop, 'audit', 'order', orderId)).output).toContain('order_paid')
  expect((await runOps(shop, 'audit', 'user', 'ada')).output).toContain('checkout_received')
  expect((await runOps(shop, 'audit', 'suspicious')).output).toContain('Nobody')
  const lines = (await runOps(shop, 'audit', 'export')).output
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(lines.length).toBe(await shop.stack.services.db.prisma.paymentAuditLog.count())
  const csv = (await runOps(shop, 'audit', 'export', '--format', 'csv')).output.trim().split('\n')
  expect(csv.length).toBe(lines.length + 1)
})

it('forgets a user and stays sound', async () => {
  await buy('forgotten')
  const { prisma } = shop.stack.services.db
  expect((await runOps(shop, 'privacy', 'erase', '--user', 'forgotten')).code).toBe(2)
  expect(await runOps(shop, 'privacy', 'erase', '--user', 'forgotten', '--reason', 'GDPR 17')).toMatchObject({
    code: 0
  })
  const left = JSON.stringify(
    [
      await prisma.checkout.findMany({ where: { userId: 'forgotten' } }),
      await prisma.order.findMany({ where: { userId: 'forgotten' } }),
      await prisma.paymentAuditLog.findMany({ where: { userId: 'forgotten' } }),
      await prisma.webhookEvent.findMany({
        where: {
          checkoutId: { in: (await prisma.checkout.findMany({ where: { userId: 'forgotten' } })).map(row => row.id) }
        }
      })
    ],
    (_key, value) => (typeof value === 'bigint' ? Number(value) : value)
  )
  expect(left).not.toContain('forgotten@shop.example')
  expect(left).not.toContain('127.0.0.1')
  expect(left).toContain('PAID')
  expect(await problems()).toEqual([])
})

it('forgets who has left an order behind', async () => {
  const { services } = shop.stack
  const { prisma, pool } = services.db
  const customer = await shop.customer('abandons')
  const line = lineOf(await customer.product('stoneware-mug'), 1)
  const left = data(await customer.createOrder({ items: [line], address, subtotal: line.price, shipping: 0 }))
  const open = data(await customer.checkout({ items: [line] }))
  await pool.query(`UPDATE "Order" SET "updatedAt" = now() - interval '91 days' WHERE "userId" = 'abandons'`)
  await retention.handle(services, {}, { id: 'test', attempt: 1, isLastAttempt: true })
  const email = async (id?: string) => (await prisma.order.findUniqueOrThrow({ where: { id } })).email
  expect([await email(left.id), await email(open.orderId)]).toEqual([null, 'abandons@shop.example'])
})

it('removes whole chains once they are old, and leaves signed tombstones', async () => {
  const { services } = shop.stack
  await ageTrail(shop, 366, `"chain" <> 'system'`)
  await retention.handle(services, {}, { id: 'test', attempt: 1, isLastAttempt: true })
  expect(await services.db.prisma.paymentAuditLog.count({ where: { orderId } })).toBe(0)
  expect(await services.db.prisma.auditTombstone.count({ where: { chain: orderId } })).toBe(1)
  const verified = await runOps(shop, 'audit', 'verify')
  expect(verified).toMatchObject({ code: 0 })
  await asOwner(shop, `UPDATE "AuditTombstone" SET "rows" = 99 WHERE "chain" = '${orderId}'`)
  expect(await runOps(shop, 'audit', 'verify')).toMatchObject({
    code: 1,
    output: expect.stringContaining('not signed')
  })
})

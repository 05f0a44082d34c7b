import type pg from 'pg'
import { DAY } from '../shared/duration.js'
import {
  findLedgerDifferences,
  readCheckouts,
  readDeclines,
  readDeliveries,
  readFraud,
  readMoney,
  readNotified,
  readRefusals
} from '../shared/statements/report-figures.js'
import { createTestDatabase, type TestDatabase } from './support/test-database.js'

const ROWS = Number(process.env.REPORT_ROWS ?? 10_000)
const DAYS = 100
let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  database = await createTestDatabase('template_tillworks')
  client = database.client
  await fill()
})
afterAll(() => database?.drop())

/** A hundred days of business in the order in which it was written, each checkout updated three times, as they are. */
async function fill(): Promise<void> {
  const at = `now() - interval '${DAYS} days' + n * (interval '${DAYS} days' / ${ROWS})`
  const rows = `generate_series(1, ${ROWS}) AS n`
  const insert = (table: string, columns: string, values: string) =>
    client.query(`INSERT INTO "${table}" (${columns}) SELECT ${values} FROM ${rows}`)
  // The triggers that chain and check are not what is looked at.
  await client.query('SET session_replication_role = replica')
  await insert('Order', `"id", "userId", "currency", "createdAt"`, `'o' || n, 'u' || n / 5, 'EUR', ${at}`)
  await insert(
    'Checkout',
    `"id", "userId", "email", "orderId", "cart", "currency", "requestId", "userAgent", "createdAt"`,
    `'c' || n, 'u' || n / 5, n || '@shop.example', 'o' || n, '{"items": []}', 'EUR', md5(n::text), repeat('Mozilla ', 12), ${at}`
  )
  for (const status of ['VERIFIED', 'OPEN', 'PAID']) {
    await client.query(
      `UPDATE "Checkout" SET "status" = '${status}', "updatedAt" = "createdAt" WHERE "createdAt" > now() - interval '5 days'`
    )
  }
  await insert(
    'Payment',
    `"paymentIntentId", "orderId", "checkoutId", "status", "amount", "captured", "currency", "createdAt"`,
    `'pi_' || n, 'o' || n, 'c' || n, 'SUCCEEDED', 1999, 1999, 'EUR', ${at}`
  )
  await insert(
    'PaymentSignal',
    `"id", "kind", "orderId", "checkoutId", "paymentIntentId", "code", "open", "detail", "createdAt"`,
    `'s' || n, (ARRAY['DECLINE', 'EARLY_FRAUD_WARNING', 'REVIEW'])[1 + n % 3]::"SignalKind", 'o' || n, 'c' || n, 'pi_' || n, 'insufficient_funds', false, '{}', ${at}`
  )
  await insert(
    'Dispute',
    `"id", "paymentIntentId", "orderId", "status", "reason", "amount", "currency", "toldAt", "toldRank", "createdAt"`,
    `'dp_' || n, 'pi_' || n, 'o' || n, 'lost', 'fraudulent', 1999, 'EUR', ${at}, 0, ${at}`
  )
  await client.query(
    `INSERT INTO "LedgerPosting" ("entry", "account", "currency", "orderId", "amount", "source", "createdAt")
     SELECT 'capture:pi_' || n, account, 'EUR', 'o' || n, amount, 'pi_' || n, ${at}
     FROM ${rows}, (VALUES ('STRIPE'::"LedgerAccount", 1999), ('SALES'::"LedgerAccount", -1999)) AS posting(account, amount)`
  )
  await insert(
    'PaymentAuditLog',
    `"createdAt", "action", "status", "userId", "orderId", "checkoutId", "metadata", "chain", "sequence", "previousHash", "hash", "personalHash"`,
    `${at}, 'checkout_verified', 'SUCCESS', 'u', 'o' || n, 'c' || n, '{}', 'o' || n, 1, repeat('0', 64), repeat('0', 64), repeat('0', 64)`
  )
  await insert(
    'WebhookEvent',
    `"id", "type", "livemode", "created", "payload", "status", "requestId", "receivedAt", "processedAt"`,
    `'evt_' || n, 'charge.succeeded', true, ${at}, '{}', 'PROCESSED', md5(n::text), ${at}, ${at}`
  )
  await insert(
    'Notification',
    `"id", "orderId", "sequence", "type", "data", "status", "createdAt", "deliveredAt"`,
    `'n' || n, 'o' || n, 1, 'order.paid', '{}', 'DELIVERED', ${at}, ${at}`
  )
  await client.query('SET session_replication_role = origin')
  await client.query('VACUUM ANALYZE')
}

/** Tables that statements read as a whole, by the planner's word. */
async function readWhole(run: (db: Pick<pg.PoolClient, 'query'>) => Promise<unknown>): Promise<string[]> {
  const plans: string[] = []
  const explaining = {
    async query(text: string, values: unknown[]) {
      const { rows } = await client.query(`EXPLAIN ${text}`, values)
      plans.push(...rows.map(row => row['QUERY PLAN']))
      return await client.query(text, values)
    }
  } as unknown as Pick<pg.PoolClient, 'query'>
  await run(explaining)
  return plans.flatMap(line => /Seq Scan on "?(\w+)/.exec(line)?.[1] ?? [])
}

const middle = Date.now() - (DAYS / 2) * DAY
const day = (currency?: string) => ({ since: new Date(middle), until: new Date(middle + DAY), currency })

it.each([
  ['money', readMoney],
  ['ledger differences', (db, of) => findLedgerDifferences(db, of, 20)],
  ['checkouts', readCheckouts],
  ['declines', (db, of) => readDeclines(db, of, 20)],
  ['refusals', readRefusals],
  ['fraud', readFraud],
  ['deliveries', readDeliveries],
  ['notifications', readNotified]
] as [string, (db: Pick<pg.PoolClient, 'query'>, of: ReturnType<typeof day>) => Promise<unknown>][])(
  'the %s of a day are read without reading a whole table, of all currencies or one',
  async (_what, read) => {
    expect(await readWhole(db => read(db, day()))).toEqual([])
    expect(await readWhole(db => read(db, day('EUR')))).toEqual([])
  }
)

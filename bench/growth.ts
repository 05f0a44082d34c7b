// npx tsx bench/growth.ts [EVENTS]: fills a private PostgreSQL with so many events (5,000,000) and what goes with them, and
// measures sizes, plans and what retention costs. The data is gone at the end. The figures stand in docs/scaling.md.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbeddedPostgres } from '../local/embedded-postgres.js'
import { applyMigrations } from '../prisma/schema-engine.js'
import { deleteExpiredKeys, findDueRows, measureDueRows } from '../shared/statements/due-rows.js'
import { prunings } from '../shared/statements/personal-data.js'
import { countRows } from '../shared/statements/row-counts.js'
import { type NewWebhookEvent, storeEvents } from '../shared/statements/webhook-events.js'
import { DAYS, fill, KEYS_EXPIRED, payload } from './fill.js'

const events = Number(process.argv[2] ?? 5_000_000)
const BATCH = 500

const server = await startEmbeddedPostgres({
  dataDir: join(tmpdir(), `tillworks-growth-${process.pid}`),
  password: 'growth',
  throwAway: true
})
let client: pg.Client | undefined
try {
  const url = server.url('postgres')
  await applyMigrations(url)
  client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`SET TimeZone = 'UTC'; SET max_parallel_workers_per_gather = 0; SET maintenance_work_mem = '1GB'`)
  await fill(client, { events, orders: Math.floor(events / 5), expiredKeys: Math.floor(events / 5) }, timed)
  await tellSizes(client)
  await tellPlans(client)
  await tellInserts(client)
  await tellRetention(client)
  await tellPartitions(client)
} finally {
  await client?.end()
  await server.stop()
}

async function tellSizes(db: pg.Client): Promise<void> {
  const { rows } = await db.query(
    `SELECT c.relname AS "table", c.reltuples::bigint AS rows, pg_size_pretty(pg_table_size(c.oid)) AS heap, pg_size_pretty(pg_indexes_size(c.oid)) AS indexes
     FROM pg_class c WHERE c.relname IN ('WebhookEvent', 'PaymentAuditLog', 'LedgerPosting', 'IdempotencyKey') ORDER BY 1`
  )
  table(rows)
  const indexes = await db.query(
    `SELECT relname AS "table", indexrelname AS index, pg_size_pretty(pg_relation_size(indexrelid)) AS size FROM pg_stat_user_indexes
     WHERE relname IN ('WebhookEvent', 'PaymentAuditLog', 'LedgerPosting', 'IdempotencyKey') ORDER BY 1, pg_relation_size(indexrelid) DESC`
  )
  table(indexes.rows)
}

async function tellPlans(db: pg.Client): Promise<void> {
  const before = new Date(Date.now() - 1_000)
  for (const round of [1, 2]) {
    await timed(`sweep reads what is due (${round})`, () => findDueRows(db, before, 5_000))
    await timed(`metrics measure what is due (${round})`, () => measureDueRows(db, new Date()))
    await timed(`metrics count rows (${round})`, () => countRows(db))
  }
}

async function tellInserts(db: pg.Client): Promise<void> {
  const ROUNDS = 40
  let made = 0
  const batch = (): NewWebhookEvent[] =>
    Array.from({ length: 50 }, () => ({
      id: `evt_new_${++made}_${Math.random().toString(36)}`,
      type: 'checkout.session.completed',
      apiVersion: null,
      livemode: true,
      created: new Date(),
      payload,
      requestId: 'growth',
      receivedAt: new Date()
    }))
  await timed(`store ${ROUNDS} batches of 50 events`, async () => {
    for (let round = 0; round < ROUNDS; round++) await storeEvents(db, batch())
  })
  await timed('move 2,000 of them on', () =>
    db.query(
      `UPDATE "WebhookEvent" SET "status" = 'PROCESSED', "processedAt" = now() WHERE "requestId" = 'growth' AND "status" = 'RECEIVED'`
    )
  )
}

async function tellRetention(db: pg.Client): Promise<void> {
  const [payloads] = prunings
  const before = new Date(Date.now() - 90 * 86_400_000)
  await timed('retention empties payloads of 20 batches of 500', async () => {
    for (let round = 0; round < 20; round++) await payloads?.prune(db, before, BATCH)
  })
  await timed('key-cleanup deletes 100 batches of 1,000', async () => {
    for (let round = 0; round < 100; round++) await deleteExpiredKeys(db, KEYS_EXPIRED, 1_000)
  })
  const month = `"receivedAt" < now() - interval '${DAYS - 30} days'`
  await db.query('BEGIN')
  const deleted = await timed('DELETE the oldest month of events in one statement', () =>
    db.query(`DELETE FROM "WebhookEvent" WHERE ${month}`)
  )
  say(`${deleted.rowCount} events were deleted`)
  await timed('and roll it back', () => db.query('ROLLBACK'))
}

/** What partitions by month would give: the same oldest month as a partition, dropped. */
async function tellPartitions(db: pg.Client): Promise<void> {
  const month = `"receivedAt" < now() - interval '${DAYS - 30} days'`
  await db.query(`CREATE TABLE "EventByMonth" (LIKE "WebhookEvent" INCLUDING DEFAULTS) PARTITION BY RANGE ("receivedAt");
    ALTER TABLE "EventByMonth" ADD PRIMARY KEY ("id", "receivedAt");
    CREATE TABLE "EventOldest" PARTITION OF "EventByMonth" FOR VALUES FROM (MINVALUE) TO ('2000-01-01');
    CREATE TABLE "EventMonth" PARTITION OF "EventByMonth" DEFAULT`)
  await timed('copy the oldest month', () =>
    db.query(`INSERT INTO "EventByMonth" SELECT * FROM "WebhookEvent" WHERE ${month}`)
  )
  await timed('DROP the month as a partition', () => db.query('DROP TABLE "EventMonth"'))
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const begun = performance.now()
  const result = await work()
  say(`${what}: ${(performance.now() - begun).toFixed(1)} ms`)
  return result
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function table(rows: object[]): void {
  for (const row of rows) say(`  ${Object.values(row).join(' · ')}`)
}

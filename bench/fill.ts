import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Client } from 'pg'
import { DAY } from '../shared/duration.js'
import { projectRoot } from '../shared/project-root.js'

export const DAYS = 360
/** By then all of its keys are expired; not before, so that no job of the workers deletes them first. */
export const KEYS_EXPIRED = new Date(Date.now() + 2 * DAY)
export const payload = readFileSync(
  join(projectRoot, 'tests/events/checkout.session.completed__stripe-sync-engine.json'),
  'utf8'
)

type Timed = <T>(what: string, work: () => Promise<T>) => Promise<T>

interface Filling {
  /** Over a year, with as many rows of the trail, and a fifth as many payments in the ledger. */
  events: number
  /** At least a fifth as many as events: the payments in the ledger are theirs. */
  orders: number
  /** Expired at KEYS_EXPIRED. */
  expiredKeys: number
  /** Not expired then. */
  keys?: number
}

/** Fills a database. For a login that may switch triggers off. */
export async function fill(
  db: Pick<Client, 'query'>,
  { events, orders, expiredKeys, keys = 0 }: Filling,
  timed: Timed = (_what, work) => work()
): Promise<void> {
  const at = `now() - ((${DAYS}.0 * n / ${events}) * interval '1 day')`
  const some = (count: number, every: number) =>
    `generate_series(1, ${Math.floor(count / every)}) AS n0, LATERAL (SELECT n0 * ${every} AS n) each`
  // The triggers that chain and check are not what is measured, and fake chains do not pass them.
  await db.query('SET session_replication_role = replica')
  await timed('fill events', () =>
    db.query(
      `INSERT INTO "WebhookEvent" ("id", "type", "livemode", "created", "payload", "status", "requestId", "receivedAt", "processedAt")
       SELECT 'evt_' || md5(n::text), 'checkout.session.completed', true, ${at}, overlay($1::text placing md5(n::text) from 12),
         (CASE WHEN n <= 200 THEN 'RECEIVED' WHEN n % 50000 = 0 THEN 'DEAD' WHEN n % 10 < 3 THEN 'IGNORED' ELSE 'PROCESSED' END)::"WebhookEventStatus",
         md5(n::text), ${at}, ${at} FROM ${some(events, 1)}`,
      [payload]
    )
  )
  await timed('fill audit trail', () =>
    db.query(
      `INSERT INTO "PaymentAuditLog" ("createdAt", "action", "status", "userId", "orderId", "checkoutId", "eventId", "amount", "currency", "after", "requestId",
         "metadata", "chain", "sequence", "previousHash", "hash", "personalHash")
       SELECT ${at}, 'webhook_applied', 'SUCCESS', 'user-' || n / 20, 'order-' || n / 5, 'checkout-' || n / 5, 'evt_' || md5(n::text), 1999, 'EUR', 'PAID',
         md5(n::text), '{"type": "checkout.session.completed"}', 'order-' || n / 5, n % 5, repeat(md5(n::text), 2), repeat(md5(n::text), 2), repeat(md5(n::text), 2)
       FROM ${some(events, 1)}`
    )
  )
  await timed('fill orders', () =>
    db.query(
      `INSERT INTO "Order" ("id", "userId", "status", "currency", "subtotal", "shipping", "total", "captured", "createdAt", "updatedAt")
       SELECT 'order-' || n, 'user-' || n / 4, 'PAID', 'EUR', 1999, 0, 1999, 1999, at, at
       FROM generate_series(1, ${orders}) AS n, LATERAL (SELECT now() - ((${DAYS}.0 * n / ${orders}) * interval '1 day') AS at) each`
    )
  )
  await timed('fill ledger', () =>
    db.query(
      `INSERT INTO "LedgerPosting" ("entry", "account", "currency", "orderId", "amount", "source", "createdAt")
       SELECT 'capture:pi_' || md5(n::text), account, 'EUR', 'order-' || n / 5, amount, 'pi_' || md5(n::text), ${at}
       FROM ${some(events, 5)}, (VALUES ('STRIPE'::"LedgerAccount", 1999), ('SALES'::"LedgerAccount", -1999)) AS posting(account, amount)`
    )
  )
  await timed('fill keys', () => fillKeys(db, 'expired', expiredKeys, '1 day'))
  if (keys > 0) await timed('fill kept keys', () => fillKeys(db, 'kept', keys, '30 days'))
  await db.query('SET session_replication_role = origin')
  await timed('vacuum and analyse', () => db.query('VACUUM ANALYZE'))
}

/** Keys that expire in so long. Each call on one database needs a name of its own. */
export async function fillKeys(
  db: Pick<Client, 'query'>,
  name: string,
  count: number,
  expireIn: string
): Promise<void> {
  await db.query(
    `INSERT INTO "IdempotencyKey" ("key", "userId", "action", "fingerprint", "derived", "checkoutId", "request", "response", "status", "expiresAt")
     SELECT $1 || md5(n::text), 'user-' || n / 4, 'checkout', md5(n::text), true, 'checkout-' || n, '{"items": [{"productId": "a", "quantity": 1}]}',
       '{"success": true, "data": {}}', 200, now() + $2::interval FROM generate_series(1, $3::int) AS n`,
    [name, expireIn, count]
  )
}

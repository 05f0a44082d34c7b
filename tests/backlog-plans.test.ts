import type pg from 'pg'
import type { AuditEntry } from '../shared/audit/audit.js'
import type { Queryable } from '../shared/database/database.js'
import { DAY } from '../shared/duration.js'
import {
  type CheckoutRow,
  findOpenOf,
  leaveOutEmail,
  mayPayUnseen,
  moveCheckout,
  postponeSession
} from '../shared/statements/checkouts.js'
import { markKeyRefused } from '../shared/statements/due-rows.js'
import {
  failNotification,
  finishNotification,
  leaseNotification,
  replayNotification
} from '../shared/statements/notifications.js'
import { moveOrder } from '../shared/statements/orders.js'
import { abandonPayments, claimLapsingPayments } from '../shared/statements/payments.js'
import { refuseRefund } from '../shared/statements/refunds.js'
import { commitReleased, couldCommitReleased } from '../shared/statements/stock.js'
import {
  buryEvent,
  finishEvents,
  lockEvent,
  lockEventsTogether,
  recordEventFailure,
  resolveEvent,
  reviveEvent
} from '../shared/statements/webhook-events.js'
import { sourcesIn } from './support/source-tree.js'
import { createTestDatabase, type TestDatabase } from './support/test-database.js'

/** What waits in each table, of which the planner has not heard yet. */
const BACKLOG = 2_000
let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  database = await createTestDatabase('template_tillworks')
  client = database.client
  // The triggers that chain and check are not what is looked at.
  await client.query('SET session_replication_role = replica')
  await client.query(`ALTER TABLE "WebhookEvent" SET (autovacuum_enabled = off)`)
  await client.query(`ALTER TABLE "Notification" SET (autovacuum_enabled = off)`)
  await fill('done', {
    event: 'PROCESSED',
    notification: 'DELIVERED',
    checkout: 'PAID',
    order: 'PAID',
    refund: 'SUCCEEDED',
    payment: 'SUCCEEDED',
    reservation: 'COMMITTED'
  })
  // As it is planned by what a quiet hour has left.
  await client.query('VACUUM ANALYZE')
  await fill('new', {
    event: 'RECEIVED',
    notification: 'PENDING',
    checkout: 'VERIFIED',
    order: 'PENDING',
    refund: 'REQUESTED',
    payment: 'PROCESSING',
    reservation: 'HELD'
  })
})
afterAll(() => database?.drop())

async function fill(
  prefix: string,
  status: Record<'event' | 'notification' | 'checkout' | 'order' | 'refund' | 'payment' | 'reservation', string>
) {
  const insert = (table: string, columns: string, values: string) =>
    client.query(`INSERT INTO "${table}" (${columns}) SELECT ${values} FROM generate_series(1, ${BACKLOG}) AS n`)
  const id = `'${prefix}' || n`
  await insert('Order', '"id", "userId", "currency", "status"', `${id}, ${id}, 'EUR', '${status.order}'`)
  await insert(
    'Checkout',
    '"id", "userId", "email", "orderId", "cart", "currency", "requestId", "status"',
    `${id}, ${id}, 'a@shop.example', ${id}, '{"items": []}', 'EUR', 'r', '${status.checkout}'`
  )
  await insert(
    'WebhookEvent',
    '"id", "type", "livemode", "created", "payload", "requestId", "paymentIntentId", "status"',
    `${id}, 'charge.updated', false, now(), '{}', 'r', CASE WHEN n % 2 = 0 THEN ${id} END, '${status.event}'`
  )
  await insert(
    'Notification',
    '"id", "orderId", "sequence", "type", "data", "nextAttemptAt", "status"',
    `${id}, ${id}, 1, 'order.paid', '{}', now(), '${status.notification}'`
  )
  await insert(
    'Refund',
    '"id", "orderId", "paymentIntentId", "amount", "currency", "status", "updatedAt"',
    `${id}, ${id}, ${id}, 1, 'EUR', '${status.refund}', now()`
  )
  await insert(
    'Payment',
    '"paymentIntentId", "orderId", "checkoutId", "status", "amount", "captured", "currency"',
    `${id}, ${id}, ${id}, '${status.payment}', 1, 0, 'EUR'`
  )
  await insert(
    'Reservation',
    '"checkoutId", "productId", "quantity", "status"',
    `${id}, 'p', 1, '${status.reservation}'`
  )
}

const now = new Date()
const ROW = 'new1000'
const audit: AuditEntry = { action: 'tried', status: 'SUCCESS', eventId: ROW }
const ended = { id: ROW, status: 'PROCESSED' as const, checkoutId: null, note: null, audit }
const step = {
  from: 'PENDING',
  to: 'PAID',
  captured: 1,
  refunded: 0,
  now,
  notificationId: 'n',
  notifies: true,
  audit
} as const

const found: [what: string, run: (db: Queryable) => Promise<unknown>][] = [
  ['an event that is applied', db => lockEvent(db, ROW)],
  ['an event with those of its payment', db => lockEventsTogether(db, ROW)],
  ['events that are done', db => finishEvents(db, [ended, { ...ended, id: 'new999' }], now)],
  ['an event that has failed', db => recordEventFailure(db, ROW, 'why')],
  ['an event that is given up', db => buryEvent(db, ROW, 'why', now)],
  ['an event that is tried again', db => reviveEvent(db, ROW, { operator: 'olga' })],
  ['an event that is resolved', db => resolveEvent(db, ROW, { by: 'olga', note: 'why', audit })],
  ['a notification that goes out', db => leaseNotification(db, ROW, { now, until: now })],
  ['a notification that is delivered', db => finishNotification(db, ROW, now)],
  ['a notification that has failed', db => failNotification(db, ROW, { error: 'why', nextAttemptAt: null })],
  ['a notification that is sent again', db => replayNotification(db, ROW, now, audit)],
  ['what a customer has open', db => findOpenOf(db, ROW, 'new1')],
  ['a checkout that moves', db => moveCheckout(db, ROW, { to: 'OPEN', now, audit: [audit] })],
  ['a Session that is postponed', db => postponeSession(db, ROW, { sessionParams: {}, sessionExpiresAt: now })],
  ['a Session without its e-mail', db => leaveOutEmail(db, { id: ROW, serverErrors: 0 } as CheckoutRow, {})],
  ['a checkout whose key is refused', db => markKeyRefused(db, { job: 'price-verification', id: ROW }, now)],
  ['payments that are given up', db => abandonPayments(db, ROW, now)],
  ['goods that are taken again', db => commitReleased(db, ROW, now)],
  ['goods that could be taken again', db => couldCommitReleased(db, ROW)],
  ['an order that moves', db => moveOrder(db, ROW, step)],
  ['a refund that is refused', db => refuseRefund(db, ROW, 'why', now)]
]

/** Of all statements that `run` sends: each is planned, for its values or for any, and none is run. */
async function plansOf(run: (db: Queryable) => Promise<unknown>, isForAny: boolean): Promise<string> {
  const plans: string[] = []
  const planning = {
    async query(statement: string | pg.QueryConfig, given?: unknown[]) {
      const { text, values = [] } = typeof statement === 'string' ? { text: statement, values: given } : statement
      const { rows } = await (isForAny
        ? client.query(`EXPLAIN (GENERIC_PLAN) ${text}`)
        : client.query(`EXPLAIN ${text}`, values))
      plans.push(rows.map(row => row['QUERY PLAN']).join('\n'))
      return { rows: [], rowCount: 0 }
    }
  }
  await run(planning as unknown as Queryable)
  return plans.join('\n\n')
}

it('has all statements that compare a state so', () => {
  const comparing = sourcesIn('shared/statements')
    .flatMap(({ source }) => source.split(/^export async function /m).slice(1))
    .filter(each => /\bisStill\(|\bSTILL_|\.from\}|"status"::text = /.test(each))
    .map(each => each.slice(0, each.indexOf('(')))
  const tried = found.map(([, run]) => /=>\s*(\w+)\(/.exec(String(run))?.[1] ?? '')
  // lockEvent() compares none: it is here for what lockEventsTogether() is measured by.
  expect(new Set(tried)).toEqual(new Set([...comparing, 'lockEvent']))
})

describe.each([
  ['its values', false],
  ['any values', true]
])('planned for %s', (_plan, isForAny) => {
  it.each(found)('%s is found by its key, not among all that wait', async (_what, run) => {
    const plans = await plansOf(run, isForAny)
    expect(plans).toMatch(/_pkey|_(orderId_sequence_key|checkoutId_idx|userId_createdAt_idx)/)
    expect(plans).not.toMatch(
      /_to_do_idx|_status_\w+_idx|Seq Scan on "(WebhookEvent|Notification|Checkout|Order|Refund|Payment|Reservation)"/
    )
  })
})

it('a payment that nobody has told of is looked for by indexes', async () => {
  for (const isForAny of [false, true]) {
    const plan = await plansOf(db => mayPayUnseen(db, now), isForAny)
    expect(plan).toContain('Checkout_strays_idx')
    expect(plan).not.toContain('Seq Scan on "Checkout"')
  }
})

it('authorizations that lapse are claimed so many at a time, those first that lapse first', async () => {
  await client.query('BEGIN')
  await client.query(
    `UPDATE "Payment" SET "status" = 'AUTHORIZED', "captureBefore" = now() + substr("paymentIntentId", 4)::int * interval '1 second'
     WHERE "paymentIntentId" LIKE 'new%'`
  )
  const claim = async () => {
    const claimed = await claimLapsingPayments(client, new Date(Date.now() + DAY), now, 100)
    return claimed.map(({ paymentIntentId }) => Number(paymentIntentId.slice('new'.length))).sort((a, b) => a - b)
  }
  const numbers = Array.from({ length: 200 }, (_, index) => index + 1)
  expect([await claim(), await claim()]).toEqual([numbers.slice(0, 100), numbers.slice(100)])
  await client.query('ROLLBACK')
})

import Stripe from 'stripe'
import { type PrivatePgBouncer, startPrivatePgBouncer } from '../local/private-pgbouncer.js'
import { data, lineOf } from '../local/shopper.js'
import { isDatabaseUnavailable, openPool, transaction, undeceivedRead } from '../shared/database/database.js'
import { findPooling } from '../shared/runtime/pooling.js'
import { runOpsProgram } from './support/ops.js'
import { buy } from './support/purchase.js'
import { type Engine, engines, openShop, type Shop, WEBHOOK_SECRET, withShop } from './support/shop.js'
import { bothRecords } from './support/stripe-record.js'

let bouncer: PrivatePgBouncer | undefined
const MISSING = 'THE TESTS BEHIND A POOLER DID NOT RUN: there is no pgbouncer here (apt-get install pgbouncer).'

beforeAll(async () => {
  bouncer = await startPrivatePgBouncer(process.env.TILLWORKS_TEST_POSTGRES ?? '')
  if (bouncer !== undefined) return
  process.stderr.write(`\n${MISSING}\n`)
  if (process.env.CI === 'true') throw new Error(MISSING)
})
afterAll(() => bouncer?.stop())

const pooled = (url: string) => bouncer?.url(new URL(url).pathname.slice(1)) ?? url

/** With DATABASE_DIRECT_URL or without it. */
function openPooled(engine: Engine, direct: boolean, env: Record<string, string> = {}): Promise<Shop> {
  const settings = { ...env }
  const database = (url: string) => {
    if (direct) settings.DATABASE_DIRECT_URL = url
    return pooled(url)
  }
  return openShop(engine, settings, { database })
}

const forms: [Engine, boolean][] = [
  ...engines.map((engine): [Engine, boolean] => [engine, true]),
  ...engines.filter(engine => engine === 'redis').map((engine): [Engine, boolean] => [engine, false])
]

it.each(forms)(
  'behind PgBouncer in transaction mode, on %s, with a direct URL: %s, a shop sells, refunds and is right',
  async (engine, direct) => {
    if (bouncer === undefined) return
    await withShop(openPooled(engine, direct), async shop => {
      const { db, config } = shop.stack.services
      expect(config.database.pooling).toBe('transaction')
      const { stock } = await db.prisma.product.findUniqueOrThrow({ where: { slug: 'stoneware-mug' } })
      const customers = await Promise.all(Array.from({ length: 6 }, (_, number) => shop.customer(`customer-${number}`)))
      const bought = await Promise.all(customers.map(customer => buy(customer, 'stoneware-mug', 1)))
      await Promise.all(customers.map((customer, number) => customer.pay(bought[number]?.url ?? '')))
      await Promise.all(
        customers.map((customer, number) => customer.orderBecomes(bought[number]?.orderId ?? '', 'PAID'))
      )
      const refund = await runOpsProgram(shop, 'order', 'refund', bought[0]?.orderId ?? '', '--reason', 'chipped')
      expect([refund.code, refund.output]).toEqual([0, expect.any(String)])
      await customers[0]?.orderBecomes(bought[0]?.orderId ?? '', 'REFUNDED')
      for (const { orderId } of bought) {
        const { ours, stripes } = await bothRecords(shop, orderId)
        expect(JSON.parse(JSON.stringify(ours))).toEqual(JSON.parse(JSON.stringify(stripes)))
      }
      const mug = await db.prisma.product.findUniqueOrThrow({ where: { slug: 'stoneware-mug' } })
      expect([mug.stock, mug.reserved]).toEqual([stock - customers.length, 0])
      expect(await db.prisma.webhookEvent.count({ where: { status: { notIn: ['PROCESSED', 'IGNORED'] } } })).toBe(0)
    })
  }
)

it('acknowledges events once each, and readiness is 200', async () => {
  if (bouncer === undefined) return
  await withShop(openPooled('postgres', true), async shop => {
    const customer = await shop.customer('ada')
    const deliver = async (id: string) => {
      const payload = JSON.stringify({
        id,
        object: 'event',
        type: 'customer.created',
        created: Math.floor(Date.now() / 1000),
        livemode: false,
        data: { object: {} }
      })
      const answer = await customer.request('/api/stripe/webhook', {
        method: 'POST',
        body: payload,
        headers: { 'Stripe-Signature': Stripe.webhooks.generateTestHeaderString({ payload, secret: WEBHOOK_SECRET }) }
      })
      return [answer.status, ((await answer.json()) as { duplicate?: boolean }).duplicate ?? false]
    }
    const ids = Array.from({ length: 30 }, (_, number) => `evt_pooled_${number}`)
    expect(await Promise.all(ids.map(deliver))).toEqual(ids.map(() => [200, false]))
    expect(await Promise.all(ids.map(deliver))).toEqual(ids.map(() => [200, true]))
    expect((await customer.request('/readyz')).status).toBe(200)
  })
})

it('acts as the application’s role in each statement, and leaves nothing of it to the next client of a connection', async () => {
  if (bouncer === undefined) return
  await withShop(openPooled('postgres', true), async shop => {
    const { db, config, log } = shop.stack.services
    const roles = await Promise.all(
      Array.from({ length: 20 }, async () => (await db.pool.query('SELECT current_user AS role')).rows[0]?.role)
    )
    expect(new Set(roles)).toEqual(new Set([config.database.role]))
    const denied = { code: '42501' }
    await expect(db.pool.query(`UPDATE "PaymentAuditLog" SET "action" = 'x'`)).rejects.toMatchObject(denied)
    await expect(
      transaction(db.pool, client => client.query(`UPDATE "LedgerPosting" SET "amount" = 1`))
    ).rejects.toMatchObject(denied)
    const limits = await db.pool.query(
      `SELECT current_setting('statement_timeout') AS ms, current_setting('TimeZone') AS zone`
    )
    expect(limits.rows[0]).toEqual({ ms: '15s', zone: 'UTC' })
    const other = openPool({
      url: config.database.url,
      pooling: 'transaction',
      poolSize: 6,
      role: undefined,
      log,
      name: 'other'
    })
    try {
      const seen = await Promise.all(
        Array.from({ length: 20 }, async () => (await other.query('SELECT current_user AS role')).rows[0]?.role)
      )
      expect(seen).not.toContain(config.database.role)
    } finally {
      await other.end()
    }
  })
})

it('without a direct URL the queue on PostgreSQL is refused in words', async () => {
  if (bouncer === undefined) return
  await expect(openPooled('postgres', false)).rejects.toThrow(
    /DATABASE_DIRECT_URL: missing.*pooler in transaction mode/
  )
})

it('tells a pooler from the server itself', async () => {
  if (bouncer === undefined) return
  const url = process.env.TILLWORKS_TEST_POSTGRES ?? ''
  expect([await findPooling({ url }), await findPooling({ url: pooled(url) })]).toEqual(['none', 'transaction'])
})

/** In session mode: one that refuses what a connection asks for at its start, and one that drops it in silence. */
const DROPPING =
  'ignore_startup_parameters = options,statement_timeout,lock_timeout,idle_in_transaction_session_timeout'

async function withSessionPooler(
  more: string[],
  work: (urlOf: (url: string) => string) => Promise<void>
): Promise<void> {
  const session = await startPrivatePgBouncer(process.env.TILLWORKS_TEST_POSTGRES ?? '', {
    mode: 'session',
    size: 60,
    more
  })
  try {
    await work(url => session?.url(new URL(url).pathname.slice(1)) ?? '')
  } finally {
    await session?.stop()
  }
}

it.each([
  ['refuses', []],
  ['drops', [DROPPING]]
])(
  'behind PgBouncer in session mode, which %s what connections ask for, a shop with the one URL sells, as its role',
  async (_what, more) => {
    if (bouncer === undefined) return
    await withSessionPooler(more, async database => {
      await withShop(openShop('postgres', {}, { database }), async shop => {
        const { db, config } = shop.stack.services
        expect(config.database.pooling).toBe('session')
        const customer = await shop.customer('ada')
        const { url, orderId } = await buy(customer, 'stoneware-mug', 1)
        await customer.pay(url)
        await customer.orderBecomes(orderId, 'PAID')
        const { rows } = await db.pool.query('SELECT current_user AS role')
        expect(rows).toEqual([{ role: config.database.role }])
      })
    })
  }
)

it('a pooler that comes into the way of a running process and drops the role is not used', async () => {
  if (bouncer === undefined) return
  await withSessionPooler([DROPPING], async database => {
    await withShop(openShop('postgres'), async shop => {
      const { config, log } = shop.stack.services
      const url = database(config.database.url)
      const pool = openPool({ url, pooling: 'none', poolSize: 2, role: config.database.role, log, name: 'test' })
      try {
        const refused = await pool.query('SELECT 1').catch((error: Error) => error)
        expect([isDatabaseUnavailable(refused), String(refused)]).toEqual([
          true,
          expect.stringMatching(/acts as tillworks, not as tillworks_app.*start the process again/)
        ])
      } finally {
        await pool.end()
      }
    })
  })
})

describe('a role that cannot be set', () => {
  it.each(['none', 'session', 'transaction'] as const)(
    'fails each statement, in transactions and out of them, where connections are "%s": nothing is done as the login',
    async pooling => {
      if (bouncer === undefined) return
      await withShop(openShop('postgres'), async shop => {
        const { config, log } = shop.stack.services
        const name = new URL(config.database.url).pathname.slice(1)
        const url = pooling === 'none' ? config.database.url : pooled(`postgresql://x/${name}`)
        const pool = openPool({ url, pooling, poolSize: 2, role: `nobody_${name}`, log, name: 'test' })
        const insert = `INSERT INTO "LedgerPosting" DEFAULT VALUES`
        try {
          const tries = [
            () => pool.query('SELECT 1'),
            () => pool.query({ name: 'one', text: 'SELECT $1::int', values: [1] }),
            () => transaction(pool, client => client.query('CREATE TABLE made_by_the_login ()')),
            () => undeceivedRead(pool, client => client.query('SELECT 1')),
            () => pool.query('CREATE TABLE made_by_the_login ()'),
            () => pool.query(insert)
          ]
          for (const attempt of tries) {
            await expect(attempt()).rejects.toMatchObject({
              code: expect.stringMatching(/^(22023|25P02)$/),
              message: expect.stringMatching(/role|aborted/)
            })
          }
        } finally {
          await pool.end()
        }
        const made = await shop.stack.services.db.pool.query(`SELECT to_regclass('public.made_by_the_login') AS it`)
        expect(made.rows).toEqual([{ it: null }])
      })
    }
  )
})

it('a customer who waits is answered, though no notification comes', async () => {
  if (bouncer === undefined || !engines.includes('redis')) return
  await withShop(openPooled('redis', false, { CHECKOUT_WAIT_MS: '10000' }), async shop => {
    const customer = await shop.customer('ada')
    const answer = await customer.checkout({ items: [lineOf(await customer.product('stoneware-mug'), 1)] })
    expect([answer.status, data(answer).url]).toEqual([200, expect.stringContaining('http')])
  })
})

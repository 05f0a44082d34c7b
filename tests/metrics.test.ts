import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import Stripe from 'stripe'
import { metricsPage } from '../docs/metrics-page.js'
import { eventually } from '../local/eventually.js'
import { lineOf, type Shopper } from '../local/shopper.js'
import { openPool, transaction } from '../shared/database/database.js'
import { onCommit } from '../shared/database/on-commit.js'
import { operationOf } from '../shared/metrics/stripe-calls.js'
import { jobNames, rowJobs } from '../shared/queue/jobs.js'
import { cartErrorKind, cartErrorKinds, cartErrors } from '../shared/rules/cart-errors.js'
import { allApplied, buy, deliver } from './support/purchase.js'
import { type Scrape, scrape } from './support/scrape.js'
import { openShop, type Shop, WEBHOOK_SECRET } from './support/shop.js'

let shop: Shop
let customer: Shopper
beforeAll(async () => {
  shop = await openShop('postgres', { FRAUD_CHECK_ENABLED: 'true' })
  customer = await shop.customer('metrics')
})
afterAll(() => shop.close())

/** By how much each series has grown while `work` ran. */
async function growth(
  work: () => Promise<unknown>
): Promise<(name: string, labels?: Record<string, string>) => number> {
  const before = await scrape(shop)
  await work()
  const after = await scrape(shop)
  const at = (state: Scrape, name: string, labels?: Record<string, string>) => state.value(name, labels) ?? 0
  return (name, labels) => at(after, name, labels) - at(before, name, labels)
}

const post = (payload: string, secret = WEBHOOK_SECRET) =>
  customer.request('/api/stripe/webhook', {
    method: 'POST',
    body: payload,
    headers: { 'Stripe-Signature': Stripe.webhooks.generateTestHeaderString({ payload, secret }) }
  })

it('counts a purchase from the request to the money, once for each', async () => {
  const grown = await growth(async () => {
    const { orderId, url } = await buy(customer)
    await customer.pay(url)
    await customer.orderBecomes(orderId, 'PAID')
    await allApplied(shop)
  })
  const checkout = { route: '/api/stripe/checkout', method: 'POST' }
  expect(grown('tillworks_http_requests_total', { ...checkout, status: '200' })).toBe(1)
  expect(grown('tillworks_http_request_duration_seconds_count', checkout)).toBe(1)
  for (const status of ['VERIFIED', 'OPEN', 'PAID'])
    expect([status, grown('tillworks_checkout_moves_total', { status })]).toEqual([status, 1])
  expect(grown('tillworks_order_moves_total', { status: 'PAID' })).toBe(1)
  expect(grown('tillworks_payment_attempts_total', { outcome: 'succeeded' })).toBe(1)
  const order = await shop.stack.services.db.prisma.order.findFirstOrThrow({ where: { status: 'PAID' } })
  const captured = grown('tillworks_payment_amount_total', { currency: 'EUR', outcome: 'captured' })
  expect(captured).toBeCloseTo(Number(order.captured) / 100, 6)
  expect(grown('tillworks_checkout_session_delay_seconds_count')).toBe(1)
  expect(grown('tillworks_session_payment_delay_seconds_count')).toBe(1)
  expect(grown('tillworks_webhook_deliveries_total', { outcome: 'stored' })).toBeGreaterThan(1)
  const applied = grown('tillworks_events_total', { outcome: 'processed' })
  expect(grown('tillworks_event_delay_seconds_count')).toBe(
    applied + grown('tillworks_events_total', { outcome: 'ignored' })
  )
  for (const queue of ['price-verification', 'session-creation', 'webhook-processing'])
    expect(grown('tillworks_job_duration_seconds_count', { queue, outcome: 'done' })).toBeGreaterThan(0)
  const created = { operation: 'POST /v1/checkout/sessions', outcome: '2xx' }
  expect(grown('tillworks_stripe_request_duration_seconds_count', created)).toBe(1)
  expect(grown('tillworks_database_statement_duration_seconds_count', { statement: 'claim-checkout' })).toBe(1)
  expect(grown('tillworks_fraud_decisions_total', { decision: 'allow', reason: 'none' })).toBe(1)
})

it('counts what was refused by its reason', async () => {
  const mug = lineOf(await customer.product('stoneware-mug'), 1)
  const key = { 'Idempotency-Key': 'metrics-refusals' }
  const grown = await growth(async () => {
    await customer.checkout({ items: [{ ...mug, price: 0.01 }] }, { 'Idempotency-Key': 'metrics-price' })
    await customer.checkout({ items: [mug] }, key)
    await customer.checkout({ items: [{ ...mug, quantity: 2 }] }, key)
  })
  expect(grown('tillworks_http_problems_total', { problem: 'cart_refused' })).toBe(1)
  expect(grown('tillworks_checkout_refusals_total', { reason: 'cart_refused' })).toBe(1)
  expect(grown('tillworks_cart_errors_total', { kind: 'price' })).toBe(1)
  expect(grown('tillworks_http_problems_total', { problem: 'key_reused' })).toBe(1)
})

it('counts deliveries by what became of them', async () => {
  const event = { id: 'evt_metrics', object: 'event', type: 'plan.created', created: 1_790_000_000, livemode: false }
  const payload = JSON.stringify({ ...event, data: { object: { id: 'plan_1', object: 'plan' } } })
  const grown = await growth(async () => {
    await post(payload)
    await post(payload)
    await post(payload, 'whsec_of_somebody_else')
    await post('{"object": "nothing"}')
    await customer.request('/api/stripe/webhook', { method: 'POST', body: payload })
    await allApplied(shop)
  })
  const outcomes = ['stored', 'duplicate', 'wrong_secret', 'wrong_clock', 'malformed', 'unsigned', 'not_an_event']
  expect(outcomes.map(outcome => grown('tillworks_webhook_deliveries_total', { outcome }))).toEqual([
    1, 1, 1, 0, 0, 1, 1
  ])
  expect(grown('tillworks_events_total', { outcome: 'ignored' })).toBe(1)
})

it('counts declines, and an event that is dead', async () => {
  const grown = await growth(async () => {
    const { url } = await buy(customer)
    await customer.pay(url, '4000000000000002')
    await allApplied(shop)
    await expect(deliver(shop.stack.services, 'payment_intent.succeeded', { object: 'nothing' })).rejects.toThrow()
    await eventually(
      () => scrape(shop),
      state => state.value('tillworks_rows', { what: 'dead events' }) === 1
    )
  })
  expect(grown('tillworks_payment_attempts_total', { outcome: 'declined' })).toBe(1)
  expect(grown('tillworks_payment_amount_total', { currency: 'EUR', outcome: 'declined' })).toBeGreaterThan(0)
  expect(grown('tillworks_events_total', { outcome: 'dead' })).toBe(1)
  expect(grown('tillworks_job_duration_seconds_count', { queue: 'webhook-processing', outcome: 'failed' })).toBe(1)
  expect(grown('tillworks_repairs_total', { by: 'sweep', what: 'webhook-processing' })).toBe(1)
})

it('counts Stripe’s errors and the tries that repeat them', async () => {
  const grown = await growth(async () => {
    shop.simulator.faults.set({ rateLimit: 1 })
    await buy(customer)
  })
  const created = { operation: 'POST /v1/checkout/sessions' }
  const count = (outcome: string) => grown('tillworks_stripe_request_duration_seconds_count', { ...created, outcome })
  expect([count('429'), count('2xx'), grown('tillworks_stripe_retries_total')]).toEqual([1, 1, 1])
})

it('counts what PostgreSQL refuses by its class', async () => {
  const { pool } = shop.stack.services.db
  const grown = await growth(async () => {
    await expect(pool.query('SELECT 1 / 0')).rejects.toThrow('division')
    await expect(pool.query('SELECT no_such_column')).rejects.toThrow('no_such_column')
    const { config, log } = shop.stack.services
    const url = config.database.url.replace(/test_\w+/, 'no_such_database')
    const nowhere = openPool({ ...config.database, url, log, name: 'test' })
    await expect(nowhere.query('SELECT 1')).rejects.toThrow('no_such_database')
    await nowhere.end()
  })
  expect(grown('tillworks_database_errors_total', { class: '22' })).toBe(1)
  expect(grown('tillworks_database_errors_total', { class: '42' })).toBe(1)
  expect(grown('tillworks_database_errors_total', { class: '3D' })).toBe(1)
})

it('shows what waits and for how long, deadlines, schedules and the stores', async () => {
  const state = await scrape(shop)
  const jobs = Object.keys(rowJobs)
  for (const name of ['tillworks_due_rows', 'tillworks_oldest_due_age_seconds'])
    expect(state.labels(name).map(({ job }) => job)).toEqual(expect.arrayContaining(jobs))
  expect(new Set(state.labels('tillworks_jobs').map(({ queue }) => queue))).toEqual(new Set(jobNames))
  expect(state.value('tillworks_schedule_last_success_timestamp_seconds', { schedule: 'sweep' })).toBeGreaterThan(1e9)
  const connections = (what: string) => state.value('tillworks_postgres_connections', { what }) ?? 0
  expect(connections('open')).toBeGreaterThan(0)
  expect(connections('most')).toBeGreaterThan(connections('open'))
  expect(state.value('tillworks_disk_bytes', { what: 'available' })).toBeGreaterThan(0)
  expect(state.value('nodejs_eventloop_lag_p99_seconds')).toBeDefined()
  const { pool } = shop.stack.services.db
  const bought = await buy(customer)
  const due = new Date(Date.now() + 86_400_000)
  await pool.query(
    `INSERT INTO "Payment" ("paymentIntentId", "orderId", "checkoutId", "status", "amount", "currency", "captureBefore")
     VALUES ('pi_lapsing', $1, $2, $3, 100, 'EUR', $4)`,
    [bought.orderId, bought.checkoutId, 'AUTHORIZED', due]
  )
  await pool.query(
    `INSERT INTO "Dispute" ("id", "paymentIntentId", "orderId", "status", "reason", "amount", "currency", "evidenceDueBy", "toldAt", "toldRank")
     VALUES ('dp_1', 'pi_lapsing', $1, 'needs_response', 'fraudulent', 100, 'EUR', $2, now(), 1)`,
    [bought.orderId, due]
  )
  const later = await scrape(shop)
  for (const what of ['authorization', 'dispute evidence'])
    expect(later.value('tillworks_next_deadline_timestamp_seconds', { what })).toBeCloseTo(due.getTime() / 1_000, 2)
})

it('counts what was committed, and nothing that was rolled back', async () => {
  const { pool } = shop.stack.services.db
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }), async outcomes => {
      let counted = 0
      let sooner = 0
      for (const commits of outcomes) {
        await transaction(pool, async client => {
          onCommit(client, () => counted++)
          sooner = counted
          if (!commits) throw new Error('rolled back')
        }).catch(() => undefined)
      }
      expect(counted).toBe(outcomes.filter(Boolean).length)
      expect(sooner).toBeLessThanOrEqual(counted)
    }),
    { numRuns: 5 }
  )
})

it('leaves what is committed as it is when it cannot be counted', async () => {
  const { pool } = shop.stack.services.db
  let counted = 0
  const result = await transaction(pool, async client => {
    onCommit(client, () => {
      throw new Error('no such label')
    })
    onCommit(client, () => counted++)
    return 'committed'
  })
  expect([result, counted]).toEqual(['committed', 1])
})

describe('the labels', () => {
  it('of operations at Stripe have no id, whatever it is', () => {
    const id = fc.stringMatching(/^[a-z]{2,4}_[A-Za-z0-9]{1,24}$/)
    const resource = fc.constantFrom('checkout/sessions', 'payment_intents', 'refunds', 'charges', 'events', 'disputes')
    const rest = fc.constantFrom('', '/expire', '/capture', '?limit=100&starting_after=evt_1')
    fc.assert(
      fc.property(resource, id, rest, (name, object, end) => {
        const action = end.startsWith('?') ? '' : end
        expect(operationOf('POST', `/v1/${name}/${object}${end}`)).toBe(`POST /v1/${name}/:id${action}`)
        expect(operationOf('GET', `/v1/${name}?customer=${object}`)).toBe(`GET /v1/${name}`)
      })
    )
  })

  it('of cart errors tell each kind', () => {
    const item = { productId: 'p', name: 'Mug', price: 10, quantity: 2 }
    const product = {
      ...{ id: 'p', name: 'Mug', price: 1_000, currency: 'EUR', prices: [], active: true },
      ...{ stock: 5, reserved: 0, trackStock: true, backorderLimit: 0 }
    }
    const kindsOf = (changed: object | undefined) => {
      const products = new Map(changed === undefined ? [] : [['p', { ...product, ...changed }]])
      return cartErrors([item] as never, products as never, 'EUR').map(cartErrorKind)
    }
    const found = [
      ...[undefined, { active: false }, { currency: 'JPY' }, { name: 'Cup' }, { price: 999 }, { stock: 1 }].map(kindsOf)
    ]
    expect(found).toEqual([['unknown'], ['inactive'], ['currency'], ['name'], ['price'], ['stock']])
    expect(found.flat()).toEqual(cartErrorKinds)
  })

  it('hold nothing of a customer, a row or an object of Stripe’s', async () => {
    const { text } = await scrape(shop)
    expect(text).not.toMatch(/(cs|pi|evt|ch|re|dp)_(test_)?\w*\d|metrics@|"c[a-z0-9]{24}"/)
    const series = text.split('\n').filter(line => line.startsWith('tillworks_')).length
    expect(series).toBeLessThan(2_000)
  })
})

describe('docs/metrics.md', () => {
  it('is as the registry has it (npm run docs:metrics)', () => {
    expect(readFileSync(new URL('../docs/metrics.md', import.meta.url), 'utf8')).toBe(metricsPage())
  })

  it('has every metric of /metrics that is ours, named as Prometheus wants it', async () => {
    const { text } = await scrape(shop)
    const types = [...text.matchAll(/^# TYPE (tillworks_\w+) (\w+)$/gm)].map(([, name = '', type]) => ({ name, type }))
    const page = metricsPage()
    for (const { name, type } of types) {
      expect(page).toContain(`| \`${name}\` | ${type} |`)
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter'])
      if (type === 'histogram') expect(name).toMatch(/_seconds$/)
      expect(name).not.toMatch(/_(ms|milliseconds|minutes|kb|mb|percent)(_|$)/)
    }
    expect(types.length).toBeGreaterThan(25)
  })
})

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import pg from 'pg'
import Stripe from 'stripe'
import type { WebhookEvent } from '../prisma/generated/client.js'
import { eventHandlers } from '../shared/orders/events/handlers.js'
import { webhookProcessing } from '../workers/webhook-processing.js'
import { prepare, scenarios } from './support/payment-scenarios.js'
import { openShop, type Shop, WEBHOOK_SECRET } from './support/shop.js'

const SEED = Number(process.env.FIELD_SEED ?? Math.floor(Math.random() * 2 ** 31))
/** How many odd values each field of each body gets, besides being left out. */
const VALUES = Number(process.env.FIELD_VALUES ?? 1)
/** Fewer fields for a person who waits. */
const EVERY = process.env.CI === 'true' ? 6 : 12
const PLAYED = [
  'declines, then pays',
  'bank debit that pays',
  'bank debit that fails',
  'expired',
  'refund that fails after it succeeded',
  'dispute that is won',
  'early fraud warning, then refunded',
  'review'
]

const LEFT_OUT = Symbol('left out')
const odd = fc.constantFrom<unknown>(
  null,
  '',
  'NaN',
  'Infinity',
  '-1',
  '0',
  '1e3',
  -1,
  0,
  1.5,
  1e308,
  2 ** 53,
  Number.MAX_SAFE_INTEGER,
  'x'.repeat(6_000),
  'a text with \0 in it',
  'half a pair \ud800',
  '__proto__',
  'constructor',
  true,
  false,
  [],
  {},
  [null],
  [{}],
  [[]],
  { id: 5 },
  { id: null },
  { toString: null, valueOf: null },
  { amount: { amount: 1 } }
)

interface Body {
  type: string
  from: string
  object: Record<string, unknown>
  orderId: string
  checkoutId: string
}

let shop: Shop
let owner: pg.Client
const bodies: Body[] = []
beforeAll(async () => {
  shop = await openShop('postgres', { SWEEP_EVERY_SECONDS: '3600', RECONCILE_CRON: '0 0 1 1 *' })
  shop.simulator.faults.set({ dropDeliveries: 1 })
  const customer = await shop.customer('odd')
  for (const name of PLAYED) {
    const scenario = scenarios.find(each => each.name === name)
    if (scenario === undefined) throw new Error(`there is no scenario "${name}"`)
    const { events, orderId, checkoutId } = await prepare(shop, customer, scenario)
    for (const { type, data } of events) {
      if (eventHandlers[type] === undefined || bodies.some(body => body.type === type)) continue
      bodies.push({ type, from: 'the simulator', object: { ...data.object }, orderId, checkoutId })
    }
  }
  for (const type of Object.keys(eventHandlers)) addRecorded(type)
  await shop.stack.stopWorkers()
  owner = new pg.Client({ connectionString: shop.stack.config.database.url })
  await owner.connect()
})
afterAll(async () => {
  await owner?.end()
  await shop.close()
})

const IDENTITY = ['id', 'payment_intent', 'charge', 'metadata', 'currency', 'amount', 'latest_charge', 'amount_total']

/** The recorded body of this type, as one that tells of a payment of ours. */
function addRecorded(type: string): void {
  const recorded = recordedObject(type)
  if (recorded === undefined) return
  const own = bodies.find(body => body.object.object === recorded.object)
  if (own === undefined) return
  const identity = Object.fromEntries(Object.entries(own.object).filter(([key]) => IDENTITY.includes(key)))
  bodies.push({ ...own, type, from: 'a recorded body', object: { ...recorded, ...identity } })
}

function recordedObject(type: string): Record<string, unknown> | undefined {
  try {
    const file = new URL(`./events/${type}__stripe-sync-engine.json`, import.meta.url)
    return JSON.parse(readFileSync(file, 'utf8')).data.object
  } catch {
    return undefined
  }
}

type Path = (string | number)[]

function pathsOf(value: unknown, depth = 0): Path[] {
  if (typeof value !== 'object' || value === null || depth > 4) return []
  return Object.keys(value).flatMap(key => [
    [key],
    ...pathsOf((value as Record<string, unknown>)[key], depth + 1).map(path => [key, ...path])
  ])
}

function changed(object: Record<string, unknown>, path: Path, value: unknown): Record<string, unknown> {
  const copy = structuredClone(object)
  const last = path.at(-1) as string
  const holder = path.slice(0, -1).reduce((inner, key) => inner[key] as Record<string, unknown>, copy)
  if (value === LEFT_OUT) delete holder[last]
  else holder[last] = value
  return copy
}

const inner = (object: unknown, key: string | number) => (object as Record<string, unknown>)[key]

/** In seconds, of this century. */
function isTime(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value > 1e9 && value < 4e9
}

async function deliver(id: string, type: string, object: unknown): Promise<number> {
  const created = Math.floor(Date.now() / 1_000)
  const payload = JSON.stringify({ id, object: 'event', type, created, livemode: false, data: { object } })
  const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: WEBHOOK_SECRET })
  const response = await fetch(`http://127.0.0.1:${shop.stack.api.port}/api/stripe/webhook`, {
    method: 'POST',
    body: payload,
    headers: { 'Stripe-Signature': signature }
  })
  await response.arrayBuffer()
  return response.status
}

/** The event after its first try; RECEIVED means that it would be tried again. */
async function tryOnce(id: string): Promise<WebhookEvent> {
  const first = { id, attempt: 1, isLastAttempt: false }
  await webhookProcessing.handle(shop.stack.services, { eventId: id }, first).catch(() => undefined)
  return await shop.stack.services.db.prisma.webhookEvent.findUniqueOrThrow({ where: { id } })
}

/** No event has come yet. */
async function reset({ orderId, checkoutId }: Body): Promise<void> {
  await owner.query(`BEGIN; SET LOCAL session_replication_role = replica;
    DELETE FROM "WebhookEvent"; DELETE FROM "Alert"; DELETE FROM "PaymentSignal"; DELETE FROM "LedgerPosting";
    DELETE FROM "Refund"; DELETE FROM "Dispute"; DELETE FROM "Payment";
    UPDATE "Checkout" SET "status" = 'OPEN' WHERE "id" = '${checkoutId}';
    UPDATE "Order" SET "status" = 'PENDING', "captured" = 0, "refunded" = 0, "paidAt" = NULL, "cancelledAt" = NULL WHERE "id" = '${orderId}';
    UPDATE "Reservation" SET "status" = 'HELD', "settledAt" = NULL, "restocked" = 0 WHERE "checkoutId" = '${checkoutId}';
    UPDATE "Product" SET "stock" = 1000, "reserved" = 500; COMMIT`)
}

it('knows a body of every type that it handles', () => {
  const missing = Object.keys(eventHandlers).filter(type => !bodies.some(body => body.type === type))
  expect(missing).toEqual(['charge.refund.updated'])
})

const counts = new Map<string, number>()

/** Delivers the event of a body with one field that is odd. What is wrong with how it ended; undefined when nothing is. */
async function fault(body: Body, path: Path, value: unknown, id: string): Promise<unknown> {
  const status = await deliver(id, body.type, changed(body.object, path, value))
  const row = await tryOnce(id)
  counts.set(row.status, (counts.get(row.status) ?? 0) + 1)
  if (row.status !== 'IGNORED') await reset(body)
  const isNamed = path.some(key => row.error?.includes(String(key)))
  const isRight =
    status === 200 &&
    (row.status === 'PROCESSED' || row.status === 'IGNORED' || (row.status === 'DEAD' && row.attempts === 1 && isNamed))
  if (isRight) return undefined
  const what = typeof value === 'symbol' ? value.description : value
  return { type: body.type, from: body.from, path: path.join('.'), what, status, row: [row.status, row.error] }
}

it('applies an event with an odd field, or gives it up at once and names the field', async () => {
  const wrong: unknown[] = []
  let number = 0
  for (const body of bodies) {
    await reset(body)
    for (const [index, path] of pathsOf(body.object).entries()) {
      if ((index + SEED) % EVERY !== 0) continue
      const values = fc.sample(odd, { seed: SEED + number, numRuns: VALUES })
      for (const value of index % 2 === 0 ? [LEFT_OUT, ...values] : values) {
        wrong.push(await fault(body, path, value, `evt_odd_${number++}`))
      }
    }
  }
  const summary = [...counts].map(([status, count]) => `${count} ${status}`).join(', ')
  process.stdout.write(`\nOdd fields, seed ${SEED} (FIELD_SEED=${SEED} repeats it): ${number} events, ${summary}.\n`)
  expect(wrong.filter(each => each !== undefined)).toEqual([])
}, 600_000)

it('applies an event that lacks a time, or gives it up at once and names the time', async () => {
  const wrong: unknown[] = []
  const needed = new Set<string>()
  let number = 0
  for (const body of bodies) {
    await reset(body)
    const times = pathsOf(body.object).filter(path => isTime(path.reduce(inner, body.object)))
    for (const path of times) {
      const before = counts.get('DEAD')
      wrong.push(await fault(body, path, LEFT_OUT, `evt_timeless_${number++}`))
      if (counts.get('DEAD') !== before) needed.add(`${body.object.object} ${path.join('.')}`)
    }
  }
  expect(wrong.filter(each => each !== undefined)).toEqual([])
  expect([...needed]).toEqual(['checkout.session expires_at'])
}, 600_000)

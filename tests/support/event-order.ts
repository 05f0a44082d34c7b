import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import pg from 'pg'
import type Stripe from 'stripe'
import { loadConfig } from '../../shared/config/config.js'
import { applyEvent } from '../../shared/orders/apply-event.js'
import { eventHandlers } from '../../shared/orders/events/handlers.js'
import { makeRefund } from '../../shared/orders/make-refund.js'
import { waitsWith } from '../../shared/rules/applied-together.js'
import type { Services } from '../../shared/runtime/services.js'
import { requestRefund } from '../../shared/statements/refunds.js'
import { storeEvents } from '../../shared/statements/webhook-events.js'
import { type Prepared, prepare, type Scenario } from './payment-scenarios.js'
import { openShop, type Shop } from './shop.js'
import { bothRecords } from './stripe-record.js'

const SEED = Number(process.env.ARRIVAL_SEED ?? Math.floor(Math.random() * 2 ** 31))
/** Fewer for a person who waits. Up to so many events every permutation is tried, and of more so many random ones. */
const [ALL_UP_TO, RANDOM_SEQUENCES] = process.env.CI === 'true' ? [4, 60] : [3, 12]

/** One way in which the events of a scenario can arrive. */
interface Arrival {
  order: number[]
  /** Which of them come a second time, and after how many others. */
  again: { index: number; later: number }[]
  /** Which of what reconcile would have found it did find, and after how many events. */
  polls: { index: number; at: number }[]
  /** When the job of which refund that was asked for tries again, and what Stripe answers. */
  tries: { refund: number; answer: (typeof REFUSALS)[number]; at: number }[]
  clock: 'as made' | 'one second' | 'one second each'
  atOnce: boolean
  /** All are stored before the first is applied: those of a payment are then applied together. */
  waiting: boolean
  /** Objects as Stripe's oldest API versions shape them. */
  recorded: boolean
  /** The processes were restarted with other settings since the Session was made. */
  restarted: boolean
}

type Told = Pick<Stripe.Event, 'id' | 'type' | 'created'> & { data: { object: object } }

const REFUSALS = ['unauthorized', 'forbidden', 'refused'] as const

type Reset = () => Promise<void>

const owners: pg.Client[] = []

/** The property test of some scenarios; the two test files that share it run side by side. */
export function describeArrival(scenarios: Scenario[]): void {
  const figures: string[] = []
  const shops: Shop[] = []
  const prepared = new Map<string, Prepared & { shop: Shop; reset: Reset }>()

  beforeAll(async () => {
    const quiet = { SWEEP_AFTER_SECONDS: '3600', SWEEP_EVERY_SECONDS: '3600', RECONCILE_CRON: '0 0 1 1 *' }
    const kinds = {
      card: {},
      manual: { PAYMENT_CAPTURE_METHOD: 'manual' },
      promotion: { PAYMENT_PROMOTION_CODES: 'true' }
    }
    for (const [kind, env] of Object.entries(kinds)) {
      const shop = await openShop('postgres', { ...quiet, ...env })
      shops.push(shop)
      shop.simulator.faults.set({ dropDeliveries: 1 })
      const customer = await shop.customer('arrival')
      const own = scenarios.filter(each => (each.manual ? 'manual' : each.promotion ? 'promotion' : 'card') === kind)
      const ready: Prepared[] = []
      for (const scenario of own) ready.push(await prepare(shop, customer, scenario))
      await shop.stack.stopWorkers()
      for (const each of ready) {
        const reset = await rewinder(shop.stack.services.db.pool, shop.stack.config.database.url, each)
        prepared.set(each.scenario.name, { ...each, shop, reset })
      }
    }
  }, 120_000)

  afterAll(async () => {
    await Promise.all(owners.map(owner => owner.end()))
    await Promise.all(shops.map(shop => shop.close()))
    process.stdout.write(`\nOrder of arrival, seed ${SEED} (ARRIVAL_SEED=${SEED} repeats it):\n${figures.join('\n')}\n`)
  })

  it.each(scenarios.map(scenario => [scenario.name, scenario.ends] as const))(
    '%s: every order of arrival ends %s, with one ledger and one stock',
    async (name, ends) => {
      const played = prepared.get(name) as Prepared & { shop: Shop; reset: Reset }
      const { shop, reset, orderId, polled, asked } = played
      const isApplied = (event: Stripe.Event) => eventHandlers[event.type] !== undefined
      const isTold = (event: Stripe.Event) => !polled.has(event)
      const before = played.events
        .slice(0, played.eventsBeforeAsking)
        .filter(event => isApplied(event) && isTold(event))
      const events = played.events.filter(event => isApplied(event) && !before.includes(event))
      const { pool } = shop.stack.services.db
      const run = async (arrival: Arrival) => {
        await reset()
        await askForRefunds(shop, played, before)
        await deliver(shop, events, arrival, asked)
        return await outcome(pool, orderId)
      }
      const indexes = (which: (event: Stripe.Event) => boolean) =>
        events.flatMap((event, index) => (which(event) ? [index] : []))
      const told = indexes(isTold)
      await reset()
      const full = await onShelf(pool)
      const expected = await run({
        order: told,
        again: [],
        polls: [],
        tries: [],
        clock: 'as made',
        atOnce: false,
        waiting: false,
        recorded: false,
        restarted: false
      })
      expect(expected.order.status).toBe(ends)
      const record = await bothRecords(shop, orderId)
      expect(record.ours).toEqual(record.stripes)
      const returned = expected.stock.reduce((sum, { restocked }) => sum + restocked, 0)
      const { sold = full - (await onShelf(pool)) + returned } = record.stripes
      expect(full - (await onShelf(pool))).toBe(sold - returned)

      const found = indexes(event => !isTold(event))
      const arrivals = arrivalsOf(told, found, asked.length)
      for (const arrival of arrivals) {
        const reached = await run(arrival)
        const how = { seed: SEED, arrival: arrival.order.map(index => events[index]?.type), ...arrival }
        expect({ how, reached }).toEqual({ how, reached: expected })
      }
      figures.push(
        `  ${String(arrivals.length).padStart(4)} sequences of ${told.length} events, ${found.length} found  ${name}: ${ends}`
      )
    },
    240_000
  )
}

/** All permutations of few events, and random ones of many, each with its own duplicates, clock and what else happens. */
function arrivalsOf(told: number[], polled: number[], asked: number): Arrival[] {
  // With tries in between they are too many.
  const all = asked > 0 ? undefined : permutations(told.length)?.map(order => order.map(at => told[at] as number))
  const place = fc.nat(told.length)
  const manner = fc.record({
    order: fc.shuffledSubarray(told, { minLength: told.length }),
    again: fc.array(fc.record({ index: fc.constantFrom(...told), later: fc.nat(3) }), { maxLength: 2 }),
    polls: some(polled.map(index => fc.record({ index: fc.constant(index), at: place }))),
    tries: some(
      Array.from({ length: asked }, (_, refund) =>
        fc.record({ refund: fc.constant(refund), answer: fc.constantFrom(...REFUSALS), at: place })
      )
    ),
    clock: fc.constantFrom('as made' as const, 'one second' as const, 'one second each' as const),
    atOnce: fc.boolean(),
    waiting: fc.boolean(),
    recorded: fc.boolean(),
    restarted: fc.boolean()
  })
  const sampled = fc.sample(manner, { seed: SEED, numRuns: all?.length ?? RANDOM_SEQUENCES })
  return all === undefined ? sampled : sampled.map((each, index) => ({ ...each, order: all[index] as number[] }))
}

/** Up to three of them, or none where there is none. */
function some<T>(members: fc.Arbitrary<T>[]): fc.Arbitrary<T[]> {
  return members.length === 0 ? fc.constant([]) : fc.array(fc.oneof(...members), { maxLength: 3 })
}

function permutations(count: number): number[][] | undefined {
  if (count > ALL_UP_TO) return undefined
  const extend = (left: number[]): number[][] =>
    left.length === 0
      ? [[]]
      : left.flatMap(first => extend(left.filter(each => each !== first)).map(rest => [first, ...rest]))
  return extend(Array.from({ length: count }, (_, index) => index))
}

/** The same processes after a restart with every setting of a Session turned round. */
function restarted({ stack }: Shop): Services {
  const { captureMethod, promotionCodes } = stack.config.payment
  const settings = {
    PAYMENT_CAPTURE_METHOD: captureMethod === 'manual' ? 'automatic' : 'manual',
    PAYMENT_PROMOTION_CODES: String(!promotionCodes),
    PAYMENT_AUTOMATIC_TAX: 'true',
    PAYMENT_TAX_BEHAVIOR: 'inclusive',
    PAYMENT_ADAPTIVE_PRICING: 'true',
    PAYMENT_CURRENCY: 'CHF',
    PAYMENT_SUCCESS_URL: 'https://shop.example/thanks'
  }
  return { ...stack.services, config: loadConfig({ ...stack.env, ...settings }) }
}

/** The payment is known by then, or nobody could have asked. */
async function askForRefunds(shop: Shop, { asked, orderId }: Prepared, before: Stripe.Event[]): Promise<void> {
  const { services } = shop.stack
  for (const event of before) {
    await store(services, event)
    await applyEvent(services, event.id)
  }
  for (const [index, { id, amount, paymentIntentId }] of asked.entries()) {
    const request = {
      requestKey: `arrival-${index}:0`,
      requestedBy: 'olga',
      reason: null,
      restock: null,
      now: new Date()
    }
    await requestRefund(services.db.pool, { id, paymentIntentId, orderId, amount, currency: 'EUR', ...request })
  }
}

/** Stripe gives the next try of a refund's job this answer; its earlier one was lost. */
async function tryRefund({ simulator }: Shop, services: Services, id: string, answer: string): Promise<void> {
  simulator.faults.set({ dropDeliveries: 1, [answer]: 1 })
  // A key that is refused makes the job wait: that is its failure.
  await makeRefund(services, id).catch(error => expect(error.statusCode).toBe(answer === 'forbidden' ? 403 : 401))
  simulator.faults.set({ dropDeliveries: 1 })
}

async function deliver(shop: Shop, events: Stripe.Event[], arrival: Arrival, asked: Prepared['asked']): Promise<void> {
  const services = arrival.restarted ? restarted(shop) : shop.stack.services
  const now = Math.floor(Date.now() / 1000)
  const created = (event: Stripe.Event, index: number) =>
    ({ 'as made': event.created, 'one second': now, 'one second each': now + index })[arrival.clock]
  const told = events.map((event, index) => {
    const object = arrival.recorded ? asRecorded(event) : event.data.object
    return { ...event, created: created(event, index), data: { object } }
  })
  const sequence = arrival.order.slice()
  for (const { index, later } of arrival.again) sequence.splice(sequence.indexOf(index) + 1 + later, 0, index)
  for (const { index, at } of arrival.polls) sequence.splice(at, 0, index)
  const arrive = (index: number) => told[index] as (typeof told)[number]
  if (arrival.waiting) for (const index of sequence) await store(services, arrive(index))
  const receive = async (index: number) => {
    await store(services, arrive(index))
    await applyEvent(services, arrive(index).id)
  }
  const tryAt = async (place: number) => {
    for (const { refund, answer } of arrival.tries.filter(({ at }) => at === place)) {
      await tryRefund(shop, services, asked[refund]?.id ?? '', answer)
    }
  }
  if (arrival.atOnce) {
    const tries = async () => {
      for (const { refund, answer } of arrival.tries) await tryRefund(shop, services, asked[refund]?.id ?? '', answer)
    }
    await Promise.all([...sequence.map(receive), tries()])
  } else {
    for (const [place, index] of sequence.entries()) {
      await tryAt(place)
      await receive(index)
    }
  }
  for (const { id } of asked) await tryRefund(shop, services, id, 'refused')
}

async function store({ db }: Services, event: Told): Promise<void> {
  const row = {
    id: event.id,
    type: event.type,
    apiVersion: null,
    livemode: false,
    created: new Date(event.created * 1000),
    payload: JSON.stringify(event),
    requestId: 'arrival',
    receivedAt: new Date(),
    paymentIntentId: waitsWith(event.type, event.data.object)
  }
  await storeEvents(db.pool, [row])
}

const IDENTITY =
  /^(id|object|amount.*|currency|payment_intent|charge|metadata|status|captured|created|latest_charge|payment_status|total_details|expires_at|mode|refunded|reason|open|closed_reason|last_payment_error|balance_transactions|payment_method_details|failure_reason|evidence_details|actionable|fraud_type)$/

/** The object in the shape of the recorded body of its type, with the identity and the money of this payment. */
function asRecorded(event: Stripe.Event): object {
  const recorded = recordedObject(event.type)
  if (recorded === undefined) return event.data.object
  const own = Object.entries(event.data.object).filter(([key]) => IDENTITY.test(key))
  return { ...recorded, ...Object.fromEntries(own) }
}

function recordedObject(type: string): object | undefined {
  try {
    const file = new URL(`../events/${type}__stripe-sync-engine.json`, import.meta.url)
    return JSON.parse(readFileSync(file, 'utf8')).data.object
  } catch {
    return undefined
  }
}

/** Puts the order back to where no event has come yet. */
async function rewinder(
  pool: pg.Pool,
  databaseUrl: string,
  { orderId, checkoutId, scenario }: Prepared
): Promise<Reset> {
  const products = await pool.query(
    'SELECT "id", "stock", "reserved" FROM "Product" WHERE "id" IN (SELECT "productId" FROM "Reservation" WHERE "checkoutId" = $1)',
    [checkoutId]
  )
  const stock = products.rows.map(
    row => `UPDATE "Product" SET "stock" = ${row.stock}, "reserved" = ${row.reserved} WHERE "id" = '${row.id}';`
  )
  const { rows } = await pool.query('SELECT "amount" FROM "Checkout" WHERE "id" = $1', [checkoutId])
  const statement = `BEGIN; SET LOCAL session_replication_role = replica;
    DELETE FROM "WebhookEvent"; DELETE FROM "Alert"; DELETE FROM "PaymentSignal" WHERE "orderId" = '${orderId}';
    DELETE FROM "LedgerPosting" WHERE "orderId" = '${orderId}'; DELETE FROM "Refund" WHERE "orderId" = '${orderId}';
    DELETE FROM "Dispute" WHERE "orderId" = '${orderId}'; DELETE FROM "Payment" WHERE "orderId" = '${orderId}';
    UPDATE "Checkout" SET "status" = 'OPEN', "amount" = ${rows[0].amount}, "paymentIntentId" = NULL WHERE "id" = '${checkoutId}';
    UPDATE "Order" SET "status" = 'PENDING', "captured" = 0, "refunded" = 0, "paidAt" = NULL, "cancelledAt" = NULL WHERE "id" = '${orderId}';
    UPDATE "Reservation" SET "status" = 'HELD', "settledAt" = NULL, "restocked" = 0 WHERE "checkoutId" = '${checkoutId}';
    ${stock.join('\n')}
    ${(scenario.given ?? '').replace('$1', `'${orderId}'`)}; COMMIT`
  // The application's own role may not take anything out of the ledger.
  const owner = new pg.Client({ connectionString: databaseUrl })
  await owner.connect()
  owners.push(owner)
  return async () => {
    await owner.query(statement)
  }
}

async function onShelf(pool: pg.Pool): Promise<number> {
  return (await pool.query('SELECT sum("stock")::int AS pieces FROM "Product"')).rows[0].pieces
}

/** Everything that must not depend on the order of arrival. */
async function outcome(pool: pg.Pool, orderId: string) {
  const read = async (text: string) => (await pool.query(text, [orderId])).rows
  const [order] = await read(
    'SELECT "status", "captured", "refunded", "paidAt" IS NOT NULL AS paid FROM "Order" WHERE "id" = $1'
  )
  return {
    order,
    checkouts: await read('SELECT "status" FROM "Checkout" WHERE "orderId" = $1'),
    payments: await read(
      // What is no money any more is in review or not by whether somebody saw it while it was.
      `SELECT "status", "amount", "captured", "chargeId", "discount", CASE WHEN "status" <> 'CANCELLED' THEN "reviewReason" END AS reason,
         CASE WHEN "status" <> 'CANCELLED' THEN "reviewAction" END AS action FROM "Payment" WHERE "orderId" = $1 ORDER BY "paymentIntentId"`
    ),
    refunds: await read(
      'SELECT "stripeId", "status", "amount", "restockedAt" IS NOT NULL AS restocked FROM "Refund" WHERE "orderId" = $1 ORDER BY 1'
    ),
    disputes: await read('SELECT "id", "status", "amount", "reason" FROM "Dispute" WHERE "orderId" = $1 ORDER BY 1'),
    signals: await read('SELECT "id", "code", "open" FROM "PaymentSignal" WHERE "orderId" = $1 ORDER BY 1'),
    ledger: await read(
      'SELECT "entry", "account", "currency", "amount" FROM "LedgerPosting" WHERE "orderId" = $1 ORDER BY 1, 2'
    ),
    balance: await read('SELECT sum("amount") AS sum FROM "LedgerPosting" WHERE "orderId" = $1'),
    stock: await read(
      `SELECT p."id", p."stock", p."reserved", r."status", r."restocked" FROM "Reservation" r JOIN "Product" p ON p."id" = r."productId"
       WHERE r."checkoutId" IN (SELECT "id" FROM "Checkout" WHERE "orderId" = $1) ORDER BY 1`
    ),
    // What was found besides is more of them, and applied as they are.
    events: (
      await pool.query(
        `SELECT "status", count(*) FROM "WebhookEvent"
         WHERE "id" NOT LIKE 'found\\_%' OR "status" NOT IN ('PROCESSED', 'IGNORED') GROUP BY 1 ORDER BY 1`
      )
    ).rows
  }
}

import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { eventually } from '../../local/eventually.js'
import { signSessionToken } from '../../shared/identity/session-token.js'
import { newId } from '../../shared/ids.js'
import { load } from '../load/wrk.js'
import type { Stores } from '../stores.js'
import { AUTH_SECRET, type Installation, startTillworks } from '../tillworks.js'
import { withCosts } from './costs.js'
import type { Measure } from './measure.js'
import { type Contestant, inRounds, ratio } from './rounds.js'
import { countStatements, MOST_STATEMENTS } from './statements.js'

const CUSTOMERS = 20_000
export const PRODUCTS = 50
const CONNECTIONS = 16

/** How long the simulated Stripe waits with each answer, in the second part. */
const STRIPE_MS = 200
/** Requests to Stripe on the way to its page, one after the other. Held below. */
const STRIPE_REQUESTS = 1

/** A whole checkout, from the request to the address of Stripe's page, over a simulated Stripe. */
export const checkout: Measure = async (stores, plan) => {
  const file = join(stores.folder, 'checkouts')
  writeFileSync(file, await carts())
  const starting = [{ name: 'tillworks', stripeMs: 0, root: undefined as string | undefined }]
  starting.push(...plan.against.map(root => ({ name: basename(root), stripeMs: 0, root })))
  starting.push({ name: 'tillworks', stripeMs: STRIPE_MS, root: undefined })
  const running: Running[] = []
  try {
    for (const [place, { name, root, stripeMs }] of starting.entries()) {
      const installation = await startTillworks(stores, { root, name: `checkout_${place}`, workers: 1, stripeMs })
      running.push({ name, stripeMs, installation })
      await stockProducts(installation)
    }
    const contestants = running.flatMap(each => [
      checkouts(stores, each, CONNECTIONS, file),
      checkouts(stores, each, 1, file)
    ])
    const { rows, notes } = await inRounds(contestants, plan)
    const [own] = running as [Running]
    const statements = await countStatements(own.installation.database, async () => {
      const before = await countSessions(own.installation)
      await ask(own.installation, 4, 2, file)
      return (await countSessions(own.installation)) - before
    })
    if (statements > MOST_STATEMENTS.checkout)
      throw new Error(
        `A checkout is ${statements.toFixed(1)} statements, and has to be ${MOST_STATEMENTS.checkout} at most`
      )
    for (const { installation } of running.filter(({ name }) => name === 'tillworks'))
      await expectRequests(installation)
    return {
      ratios: Object.fromEntries(
        plan.against.map(root => [basename(root), ratio(rows, 'tillworks', basename(root), 'rate')])
      ),
      rows,
      notes: [...notes, `statements a checkout: ${statements.toFixed(1)}`]
    }
  } finally {
    await Promise.all(running.map(({ installation }) => installation.stop()))
  }
}

interface Running {
  name: string
  stripeMs: number
  installation: Installation
}

/** Throws unless each checkout has asked Stripe as often as is subtracted from its time. */
async function expectRequests(own: Installation): Promise<void> {
  const sessions = await countSessions(own)
  const each = (await own.stripeRequests('POST /v1/checkout/sessions')) / sessions
  if (Math.abs(each - STRIPE_REQUESTS) > 0.05)
    throw new Error(`A checkout asks Stripe ${each.toFixed(2)} times, and ${STRIPE_REQUESTS} is subtracted`)
}

/** Waits for what is still under way when the load ends, which no answer of wrk counts. */
export async function countSessions({ database }: Installation): Promise<number> {
  const count = async () => {
    const { rows } = await database.query(
      `SELECT count("sessionId")::int AS made, (count(*) - count("sessionId"))::int AS missing FROM "Checkout"`
    )
    return rows[0]
  }
  const { made, missing } = await eventually(count, ({ missing }) => missing === 0)
  if (missing > 0) throw new Error(`${missing} checkouts have no page at Stripe`)
  return made
}

export function checkouts(
  stores: Stores,
  { name, stripeMs, installation: own }: Running,
  connections: number,
  file: string
): Contestant {
  const parts = [
    name,
    ...(connections === 1 ? ['one at a time'] : []),
    ...(stripeMs > 0 ? [`Stripe at ${stripeMs} ms`] : [])
  ]
  return {
    name: parts.join(', '),
    run: seconds =>
      withCosts(stores, own, async () => {
        const { requests, rate, p50Ms, p99Ms } = await ask(own, connections, seconds, file)
        const waited = STRIPE_REQUESTS * stripeMs
        const overStripe = waited > 0 && { overStripeP50Ms: p50Ms - waited, overStripeP99Ms: p99Ms - waited }
        return { count: requests, values: { rate, p50Ms, p99Ms, ...overStripe } }
      })
  }
}

export function ask({ port }: Installation, connections: number, seconds: number, file: string) {
  return load({ port, script: 'checkouts', args: [file, newId()], connections, seconds })
}

/** A cart of each customer, of so many products in turn. */
export async function carts(products = PRODUCTS): Promise<string> {
  const lines: string[] = []
  for (let each = 0; each < CUSTOMERS; each++) {
    const customer = { userId: `bench-${each}`, email: `bench-${each}@shop.example` }
    const place = each % products
    const cart = { items: [{ productId: productIdOf(place), name: `Product ${place}`, price: 19.99, quantity: 1 }] }
    lines.push(await signSessionToken(customer, AUTH_SECRET, 3_600), JSON.stringify(cart))
  }
  return `${lines.join('\n')}\n`
}

export function productIdOf(place: number): string {
  return `cbenchproduct${String(place).padStart(12, '0')}`
}

export async function stockProducts({ database }: Pick<Installation, 'database'>): Promise<void> {
  const places = Array.from({ length: PRODUCTS }, (_, place) => place)
  await database.query(
    `INSERT INTO "Product" ("id", "slug", "name", "price", "currency", "stock", "updatedAt")
     SELECT id, id, name, 1999, 'EUR', 1000000000, now() FROM unnest($1::text[], $2::text[]) AS product(id, name)`,
    [places.map(productIdOf), places.map(place => `Product ${place}`)]
  )
}

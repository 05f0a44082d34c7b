import pg from 'pg'
import Stripe from 'stripe'
import { freePort } from '../../local/free-port.js'
import { newId } from '../../shared/ids.js'
import { payAt } from '../load/payments.js'
import { PRODUCTS, productIdOf, stockProducts } from '../measures/checkout.js'
import { cpuMs, type Server } from '../processes.js'
import type { Stores } from '../stores.js'
import { startBareIngress, startBareWorker, tablesWithoutChain } from './programs.js'
import { startSimulator } from './start-simulator.js'

/** BullMQ and nothing of ours: a thin ingress and a worker, each a process of its own, beside their own simulated Stripe. */
export interface Bare {
  /** The pages of so many new Sessions, each of an order of its own that waits for its payment. */
  openPages(count: number): Promise<string[]>
  /** Pays there as ours are paid, and measures as ours are measured. */
  pay(urls: string[], rate?: number): Promise<Record<string, number>>
  cpu(): { api: number; workers: number }
  stop(): Promise<void>
}

const AT_ONCE = 8
const PRICE = 1_999

export async function startBullmq(stores: Stores): Promise<Bare> {
  const url = await tablesWithoutChain(stores, 'bullmq')
  const database = new pg.Pool({ connectionString: url, max: 2 })
  database.on('error', () => undefined)
  await database.query(
    'CREATE TABLE "BareEvent" ("id" text PRIMARY KEY, "orderId" text NOT NULL, "receivedAt" timestamptz(3) NOT NULL)'
  )
  await stockProducts({ database })
  const port = await freePort()
  const env = { DATABASE_URL: url, QUEUE_URL: stores.redisUrl ?? url }
  const running: Server[] = []
  const stop = async () => {
    await database.end()
    await Promise.all(running.map(server => server.stop()))
  }
  try {
    // On PostgreSQL the first of them makes BullMQ's tables.
    const ingress = await startBareIngress(env, port)
    running.push(ingress)
    const worker = await startBareWorker(env)
    running.push(worker)
    const simulator = await startSimulator(0, port)
    running.push(simulator)
    const stripe = new Stripe('sk_test_bench', { host: '127.0.0.1', port: simulator.port, protocol: 'http' })
    return {
      openPages: count => openPages(database, stripe, count),
      async pay(urls, rate) {
        const orderIds = urls.map(orderOf)
        const left = async () => (await unpaid(database, orderIds)) + (await unfinished(port))
        return { rate: await payAt(urls, left, rate), ...(await latencies(database, orderIds)) }
      },
      cpu: () => ({ api: cpuMs(ingress.pid), workers: cpuMs(worker.pid) }),
      stop
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function openPages(database: pg.Pool, stripe: Stripe, count: number): Promise<string[]> {
  const orderIds = Array.from({ length: count }, () => newId())
  await database.query(
    `WITH made AS (
       INSERT INTO "Order" ("id", "userId", "currency", "subtotal", "shipping", "total", "updatedAt")
       SELECT id, 'bench', 'EUR', $2, 0, $2, now() FROM unnest($1::text[]) AS id RETURNING "id"
     )
     INSERT INTO "Checkout" ("id", "userId", "email", "orderId", "status", "cart", "currency", "amount", "requestId", "updatedAt")
     SELECT "id", 'bench', 'bench@shop.example', "id", 'OPEN', '[]', 'EUR', $2, "id", now() FROM made`,
    [orderIds, PRICE]
  )
  const waiting = [...orderIds.entries()]
  const urls: string[] = []
  const opener = async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [place, orderId] = next
      urls.push(await openPage(stripe, orderId, place % PRODUCTS))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, opener))
  return urls
}

async function openPage(stripe: Stripe, orderId: string, product: number): Promise<string> {
  const metadata = { orderId, productId: productIdOf(product) }
  const priceData = { currency: 'eur', unit_amount: PRICE, product_data: { name: `Product ${product}` } }
  const { url } = await stripe.checkout.sessions.create({
    mode: 'payment',
    customer_email: 'bench@shop.example',
    line_items: [{ quantity: 1, price_data: priceData }],
    metadata,
    payment_intent_data: { metadata },
    success_url: 'https://shop.example/success',
    cancel_url: 'https://shop.example/cancelled'
  })
  return `${url}?order=${orderId}`
}

/** openPage() has written it behind the URL, where the simulated Stripe does not read it. */
function orderOf(url: string): string {
  return new URL(url).searchParams.get('order') ?? ''
}

async function unpaid(database: pg.Pool, orderIds: string[]): Promise<number> {
  const { rows } = await database.query(
    `SELECT count(*)::int AS left FROM "Order" WHERE "id" = ANY($1) AND "status" <> 'PAID'`,
    [orderIds]
  )
  return rows[0].left
}

async function unfinished(port: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/unfinished`)
  return Number(await answer.json())
}

async function latencies(database: pg.Pool, orderIds: string[]): Promise<Record<string, number>> {
  const { rows } = await database.query(
    `WITH payment AS (
       SELECT extract(epoch FROM pg_xact_commit_timestamp(o.xmin) - min(e."receivedAt")) * 1000 AS ms
       FROM "Order" o JOIN "BareEvent" e ON e."orderId" = o."id" WHERE o."id" = ANY($1) GROUP BY o."id", o.xmin
     )
     SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::float AS p50, percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)::float AS p99 FROM payment`,
    [orderIds]
  )
  return { p50Ms: rows[0].p50, p99Ms: rows[0].p99 }
}

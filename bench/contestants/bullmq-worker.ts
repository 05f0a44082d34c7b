// A bare worker with plain `pg`: one transaction for the delivery that pays, one insert for each of the others.
import { createServer } from 'node:http'
import pg from 'pg'
import type Stripe from 'stripe'
import { openWorker } from './bullmq-engine.js'

/** As many as ours by default: WORKER_CONCURRENCY. */
const CONCURRENCY = 16
const PAYS = 'checkout.session.completed' satisfies Stripe.Event.Type

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: CONCURRENCY })

interface Job {
  data: Stripe.Event
  /** When the ingress made it. */
  timestamp: number
}

/** False for an event that was there before. */
async function record(db: Pick<pg.Pool, 'query'>, { data: event, timestamp }: Job): Promise<boolean> {
  const { metadata } = event.data.object as Stripe.Checkout.Session
  const { rowCount } = await db.query({
    name: 'record',
    text: `INSERT INTO "BareEvent" ("id", "orderId", "receivedAt") VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
    values: [event.id, metadata?.orderId, new Date(timestamp)]
  })
  return rowCount === 1
}

async function pay(job: Job): Promise<void> {
  const session = job.data.data.object as Stripe.Checkout.Session
  const { orderId, productId } = session.metadata ?? {}
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    if (await record(client, job)) {
      await client.query({
        name: 'insert-payment',
        text: `INSERT INTO "Payment" ("paymentIntentId", "orderId", "checkoutId", "status", "amount", "currency", "captured", "sessionId", "updatedAt")
          VALUES ($1, $2, $2, 'SUCCEEDED', $3, $4, $3, $5, now())`,
        values: [session.payment_intent, orderId, session.amount_total, session.currency?.toUpperCase(), session.id]
      })
      const { rowCount } = await client.query({
        name: 'pay-order',
        text: `UPDATE "Order" SET "status" = 'PAID', "captured" = $2, "paidAt" = now(), "updatedAt" = now() WHERE "id" = $1 AND "status" = 'PENDING'`,
        values: [orderId, session.amount_total]
      })
      if (rowCount !== 1) throw new Error(`${orderId} was not to be paid`)
      await client.query({
        name: 'update-stock',
        text: `UPDATE "Product" SET "stock" = "stock" - 1, "updatedAt" = now() WHERE "id" = $1`,
        values: [productId]
      })
      await client.query({
        name: 'insert-audit-row',
        text: `INSERT INTO "PaymentAuditLog" ("action", "status", "orderId", "eventId", "before", "after", "chain", "sequence", "previousHash", "hash", "personalHash")
          VALUES ('order_paid', 'SUCCESS', $1, $2, 'PENDING', 'PAID', $1, 1, '', '', '')`,
        values: [orderId, job.data.id]
      })
    }
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

const worker = openWorker(async (job: Job) => {
  if (job.data.type === PAYS) await pay(job)
  else await record(pool, job)
}, CONCURRENCY)
worker.on('error', error => process.stderr.write(`${error.message}\n`))
worker.on('failed', (_job, error) => process.stderr.write(`${error.message}\n`))
await worker.waitUntilReady()
createServer((_request, response) => response.end('ready')).listen(Number(process.env.PORT), '127.0.0.1')

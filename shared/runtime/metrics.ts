import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { alerts } from '../audit/alerts.js'
import { messageOf } from '../errors.js'
import type { Services } from './services.js'

/** Everything that this process counts; names and units as https://prometheus.io/docs/practices/naming has them. */
const registry = new Registry()
collectDefaultMetrics({ register: registry })

/** Answers of the ingress. */
export const answers = new Counter({
  name: 'tillworks_http_requests_total',
  help: 'Answers of the ingress by route, method and status.',
  labelNames: ['route', 'method', 'status'] as const,
  registers: [registry]
})

/** What the fraud rules decided in this process: that of the workers, where they run apart (WORKERS_PORT). */
export const fraudDecisions = new Counter({
  name: 'tillworks_fraud_decisions_total',
  help: 'Decisions of the fraud rules: allow, challenge or block, by the first reason.',
  labelNames: ['decision', 'reason'] as const,
  registers: [registry]
})

const rows = new Gauge({
  name: 'tillworks_rows',
  help: 'Rows that wait for somebody or something, or tell of the last day, from the database that all processes share.',
  labelNames: ['what'] as const,
  registers: [registry]
})

const openAlerts = new Gauge({
  name: 'tillworks_open_alerts',
  help: 'Alerts that nobody has resolved, by name, from the database that all processes share.',
  labelNames: ['name'] as const,
  registers: [registry]
})

const jobs = new Gauge({
  name: 'tillworks_jobs',
  help: 'Jobs by queue and state, from the queue store that all processes share.',
  labelNames: ['queue', 'state'] as const,
  registers: [registry]
})

/** The metrics in Prometheus' text format; what cannot be asked at the moment is left out. */
export async function collectMetrics({ db, queues, log }: Services): Promise<{ contentType: string; text: string }> {
  rows.reset()
  openAlerts.reset()
  jobs.reset()
  const asking = [countRows(db), countAlerts(db), ...queues.all.map(queue => countJobs(queue))]
  for (const result of await Promise.allSettled(asking)) {
    if (result.status === 'rejected') log.warn({ reason: messageOf(result.reason) }, 'a metric could not be asked for')
  }
  return { contentType: registry.contentType, text: await registry.metrics() }
}

async function countRows({ pool }: Services['db']): Promise<void> {
  const { rows: found } = await pool.query<{ what: string; count: number }>(
    `SELECT 'open alerts' AS what, count(*)::int FROM "Alert" WHERE "resolvedAt" IS NULL
     UNION ALL SELECT 'dead events', count(*)::int FROM "WebhookEvent" WHERE "status" = 'DEAD'
     UNION ALL SELECT 'events to apply', count(*)::int FROM "WebhookEvent" WHERE "status" = 'RECEIVED'
     UNION ALL SELECT 'checkouts under way', count(*)::int FROM "Checkout" WHERE "status" IN ('RECEIVED', 'VERIFIED')
     UNION ALL SELECT 'orders in review', count(*)::int FROM "Order" WHERE "status" = 'NEEDS_REVIEW'
     UNION ALL SELECT 'notifications to send', count(*)::int FROM "Notification" WHERE "status" = 'PENDING'
     UNION ALL SELECT 'checkouts challenged in a day', count(*)::int FROM "PaymentAuditLog"
       WHERE "createdAt" > now() - interval '1 day' AND "action" = 'checkout_verified' AND "metadata"->>'fraud' = 'challenge'
     UNION ALL SELECT 'checkouts blocked in a day', count(*)::int FROM "PaymentAuditLog"
       WHERE "createdAt" > now() - interval '1 day' AND "action" = 'checkout_payment_blocked'`
  )
  for (const { what, count } of found) rows.set({ what }, count)
}

/** Every name, so that an alert that is resolved goes to zero instead of away. */
async function countAlerts({ pool }: Services['db']): Promise<void> {
  const { rows: found } = await pool.query<{ name: string; count: number }>(
    `SELECT "name", count(*)::int FROM "Alert" WHERE "resolvedAt" IS NULL GROUP BY 1`
  )
  const counts = new Map(found.map(({ name, count }) => [name, count]))
  for (const name of Object.keys(alerts)) openAlerts.set({ name }, counts.get(name) ?? 0)
}

async function countJobs(queue: Services['queues']['all'][number]): Promise<void> {
  const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'failed')
  for (const [state, count] of Object.entries(counts)) jobs.set({ queue: queue.name, state }, count)
}

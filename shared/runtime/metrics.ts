import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { alerts } from '../audit/alerts.js'
import { messageOf } from '../errors.js'
import { countOpenAlerts } from '../statements/alerts.js'
import { countRows } from '../statements/row-counts.js'
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
  const asking = [setRows(db), setAlerts(db), ...queues.all.map(queue => setJobs(queue))]
  for (const result of await Promise.allSettled(asking)) {
    if (result.status === 'rejected') log.warn({ reason: messageOf(result.reason) }, 'a metric could not be read')
  }
  return { contentType: registry.contentType, text: await registry.metrics() }
}

async function setRows({ pool }: Services['db']): Promise<void> {
  for (const { what, count } of await countRows(pool)) rows.set({ what }, count)
}

/** Every name, so that an alert that is resolved goes to zero instead of away. */
async function setAlerts({ pool }: Services['db']): Promise<void> {
  const counts = await countOpenAlerts(pool)
  for (const name of Object.keys(alerts)) openAlerts.set({ name }, counts.get(name) ?? 0)
}

async function setJobs(queue: Services['queues']['all'][number]): Promise<void> {
  const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'failed')
  for (const [state, count] of Object.entries(counts)) jobs.set({ queue: queue.name, state }, count)
}

import { statfs } from 'node:fs/promises'
import { Gauge } from 'prom-client'
import { alerts } from '../audit/alerts.js'
import { SECOND } from '../duration.js'
import { messageOf } from '../errors.js'
import '../metrics/checkouts.js'
import { setConnections } from '../metrics/database.js'
import '../metrics/deliveries.js'
import '../metrics/events.js'
import '../metrics/jobs.js'
import { showCurrency } from '../metrics/payments.js'
import { registry } from '../metrics/registry.js'
import '../metrics/repairs.js'
import '../metrics/requests.js'
import '../metrics/stripe-calls.js'
import { schedulesOf } from '../queue/schedules.js'
import { countOpenAlerts } from '../statements/alerts.js'
import { readRuns } from '../statements/checkpoints.js'
import { nextEvidenceDue } from '../statements/disputes.js'
import { measureDueRows } from '../statements/due-rows.js'
import { nextLapse } from '../statements/payments.js'
import { countRows } from '../statements/row-counts.js'
import { readServerLoad } from '../statements/server-state.js'
import { withinTime } from '../within-time.js'
import type { Services } from './services.js'

// What is read at each scrape. Of what comes from the database or the queue store every process shows the same: max(), not sum().

const rows = new Gauge({
  name: 'tillworks_rows',
  help: 'Rows that wait for somebody or something, or tell of the last day, from the database that all processes share.',
  labelNames: ['what'] as const,
  registers: [registry]
})

const due = new Gauge({
  name: 'tillworks_due_rows',
  help: 'Rows that wait for a job, by job, from the database that all processes share.',
  labelNames: ['job'] as const,
  registers: [registry]
})

const oldestDue = new Gauge({
  name: 'tillworks_oldest_due_age_seconds',
  help: 'How long the oldest row has waited for a job, by job; zero when none waits. From the database.',
  labelNames: ['job'] as const,
  registers: [registry]
})

const deadlines = new Gauge({
  name: 'tillworks_next_deadline_timestamp_seconds',
  help: 'When the next authorization lapses, and until when the next dispute wants evidence; absent when there is none. From the database.',
  labelNames: ['what'] as const,
  registers: [registry]
})

const runs = new Gauge({
  name: 'tillworks_schedule_last_success_timestamp_seconds',
  help: 'When a scheduled job last ended well; absent before the first time. From the database.',
  labelNames: ['schedule'] as const,
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

const serverConnections = new Gauge({
  name: 'tillworks_postgres_connections',
  help: 'Connections of all clients to the database server, and how many it takes (max_connections).',
  labelNames: ['what'] as const,
  registers: [registry]
})

const databaseSize = new Gauge({
  name: 'tillworks_postgres_database_size_bytes',
  help: 'What the database takes of its server’s disk.',
  labelNames: ['database'] as const,
  registers: [registry]
})

const disk = new Gauge({
  name: 'tillworks_disk_bytes',
  help: 'The file system of this process’s working folder: size and available. Of a database on another machine it says nothing.',
  labelNames: ['what'] as const,
  registers: [registry]
})

const SHARED = [rows, due, oldestDue, deadlines, runs, openAlerts, jobs, serverConnections, databaseSize, disk]

/** Prometheus gives up a scrape after ten seconds, and loses what this process counts by itself with the rest. */
const ASK_WITHIN = 7 * SECOND

/** The metrics in Prometheus' text format; what cannot be asked at the moment is left out. */
export async function collectMetrics(services: Services): Promise<{ contentType: string; text: string }> {
  for (const gauge of SHARED) gauge.reset()
  setConnections(services.db.pool)
  for (const currency of services.config.payment.currencies) showCurrency(currency)
  const readings = [setRows, setDueRows, setDeadlines, setRuns, setAlerts, setServerLoad, setDisk]
  const asking = [...readings.map(read => read(services)), ...services.queues.all.map(setJobs)]
  const bounded = asking.map(each => withinTime(each, ASK_WITHIN, `no answer within ${ASK_WITHIN} ms`))
  for (const result of await Promise.allSettled(bounded)) {
    if (result.status === 'rejected')
      services.log.warn({ reason: messageOf(result.reason) }, 'a metric could not be read')
  }
  return { contentType: registry.contentType, text: await registry.metrics() }
}

async function setRows({ db }: Services): Promise<void> {
  for (const { what, count } of await countRows(db.pool)) rows.set({ what }, count)
}

async function setDueRows({ db, now }: Services): Promise<void> {
  const time = now()
  for (const { job, count, since } of await measureDueRows(db.pool, time)) {
    due.set({ job }, count)
    oldestDue.set({ job }, since === null ? 0 : Math.max(0, time.getTime() - since.getTime()) / SECOND)
  }
}

async function setDeadlines({ db, now }: Services): Promise<void> {
  const [authorization, evidence] = await Promise.all([nextLapse(db.pool), nextEvidenceDue(db.pool, now())])
  if (authorization !== null) deadlines.set({ what: 'authorization' }, authorization.getTime() / SECOND)
  if (evidence !== null) deadlines.set({ what: 'dispute evidence' }, evidence.getTime() / SECOND)
}

async function setRuns({ db, config }: Services): Promise<void> {
  const names = schedulesOf(config).map(({ name }) => name)
  for (const [schedule, { ended }] of await readRuns(db.pool, names)) {
    if (ended !== undefined) runs.set({ schedule }, ended.getTime() / SECOND)
  }
}

/** Every name, so that an alert that is resolved goes to zero instead of away. */
async function setAlerts({ db }: Services): Promise<void> {
  const counts = await countOpenAlerts(db.pool)
  for (const name of Object.keys(alerts)) openAlerts.set({ name }, counts.get(name) ?? 0)
}

async function setJobs(queue: Services['queues']['all'][number]): Promise<void> {
  const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'failed')
  for (const [state, count] of Object.entries(counts)) jobs.set({ queue: queue.name, state }, count)
}

async function setServerLoad({ db }: Services): Promise<void> {
  const { connections, maxConnections, database, databaseBytes } = await readServerLoad(db.pool)
  serverConnections.set({ what: 'open' }, connections)
  serverConnections.set({ what: 'most' }, maxConnections)
  databaseSize.set({ database }, databaseBytes)
}

async function setDisk(): Promise<void> {
  const { bsize, blocks, bavail } = await statfs('.')
  disk.set({ what: 'size' }, bsize * blocks)
  disk.set({ what: 'available' }, bsize * bavail)
}

import { Counter, Gauge, Histogram } from 'prom-client'
import { registry } from './registry.js'

const durations = new Histogram({
  name: 'tillworks_database_statement_duration_seconds',
  help: 'Statements of this process by their name (shared/statements/); those without one together. Of those that are sent together each waits for the ones before it.',
  labelNames: ['statement'] as const,
  buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10],
  registers: [registry]
})

const errors = new Counter({
  name: 'tillworks_database_errors_total',
  help: 'Statements and connections that failed, by the class of their SQLSTATE (53: connections, memory or disk exhausted), or no_answer, no_connection.',
  labelNames: ['class'] as const,
  registers: [registry]
})

const connections = new Gauge({
  name: 'tillworks_database_connections',
  help: 'Connections of this process’s pool (used, idle), its bound (most), and the requests that wait for one (waiting).',
  labelNames: ['state'] as const,
  registers: [registry]
})

/** Connection exceptions, rollbacks, exhausted resources, operator intervention. */
const WATCHED = ['08', '40', '53', '57', 'no_answer', 'no_connection']

for (const name of WATCHED) errors.inc({ class: name }, 0)

export function countStatement(name: string | undefined, seconds: number): void {
  durations.observe({ statement: name ?? 'unnamed' }, seconds)
}

/** Our side has waited for as long as it does. */
export const NO_ANSWER = 'no_answer'

export function countDatabaseError(error: unknown, isSilence: boolean): void {
  const code = (error as { code?: unknown } | null)?.code
  const isSqlState = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)
  errors.inc({ class: isSilence ? NO_ANSWER : isSqlState ? code.slice(0, 2) : 'no_connection' })
}

const replicaLag = new Gauge({
  name: 'tillworks_replica_lag_seconds',
  help: 'How far the replica of DATABASE_REPLICA_URL was behind when this process last looked; absent while it cannot be told.',
  labelNames: [] as const,
  registers: [registry]
})

const lateReads = new Counter({
  name: 'tillworks_late_reads_total',
  help: 'Reads of reports and searches with DATABASE_REPLICA_URL, by who answered: the replica, or the primary in its place.',
  labelNames: ['from'] as const,
  registers: [registry]
})

replicaLag.remove()

export function setReplicaLag(seconds: number | undefined): void {
  if (seconds === undefined) replicaLag.remove()
  else replicaLag.set(seconds)
}

export function countReplicaRead(from: 'replica' | 'primary'): void {
  lateReads.inc({ from })
}

interface Pool {
  totalCount: number
  idleCount: number
  waitingCount: number
  options: { max?: number }
}

export function setConnections({ totalCount, idleCount, waitingCount, options }: Pool): void {
  connections.set({ state: 'used' }, totalCount - idleCount)
  connections.set({ state: 'idle' }, idleCount)
  connections.set({ state: 'waiting' }, waitingCount)
  connections.set({ state: 'most' }, options.max ?? 0)
}

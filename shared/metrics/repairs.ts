import { Counter } from 'prom-client'
import { type RowJobName, rowJobs } from '../queue/jobs.js'
import { registry } from './registry.js'

const repairs = new Counter({
  name: 'tillworks_repairs_total',
  help: 'What was mended without anybody’s doing: rows without a job (sweep), and what no webhook told (reconcile).',
  labelNames: ['by', 'what'] as const,
  registers: [registry]
})

const FOUND = ['undelivered event', 'unknown end'] as const

for (const what of Object.keys(rowJobs)) repairs.inc({ by: 'sweep', what }, 0)
for (const what of FOUND) repairs.inc({ by: 'reconcile', what }, 0)

/** The sweep has enqueued a row again. */
export function countRequeued(what: RowJobName): void {
  repairs.inc({ by: 'sweep', what })
}

/** Reconcile has found events that were not delivered, or how something ended of which no event told. */
export function countFound(what: (typeof FOUND)[number], count: number): void {
  repairs.inc({ by: 'reconcile', what }, count)
}

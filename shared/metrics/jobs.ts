import { Histogram } from 'prom-client'
import { type JobName, jobNames } from '../queue/jobs.js'
import { registry } from './registry.js'

const outcomes = ['done', 'retried', 'failed'] as const

/** `retried`: the try failed and another follows; `failed`: none does. */
export type JobOutcome = (typeof outcomes)[number]

const durations = new Histogram({
  name: 'tillworks_job_duration_seconds',
  help: 'Tries of jobs by queue and outcome: done, retried (failed, and tried again) or failed (for good).',
  labelNames: ['queue', 'outcome'] as const,
  buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 300],
  registers: [registry]
})

for (const queue of jobNames) for (const outcome of outcomes) durations.zero({ queue, outcome })

export function countTry(queue: JobName, outcome: JobOutcome, seconds: number): void {
  durations.observe({ queue, outcome }, seconds)
}

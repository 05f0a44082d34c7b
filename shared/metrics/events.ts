import { Counter, Histogram } from 'prom-client'
import { SECOND } from '../duration.js'
import { registry } from './registry.js'

const applied = new Counter({
  name: 'tillworks_events_total',
  help: 'Stored events that came to an end: processed, ignored or dead.',
  labelNames: ['outcome'] as const,
  registers: [registry]
})

const delays = new Histogram({
  name: 'tillworks_event_delay_seconds',
  help: 'From the creation of an event at Stripe to the commit that applied it.',
  labelNames: [] as const,
  buckets: [0.5, 1, 2, 5, 15, 60, 300, 1800, 7200, 86400],
  registers: [registry]
})

const outcomes = ['processed', 'ignored', 'dead'] as const

for (const outcome of outcomes) applied.inc({ outcome }, 0)

export function countAppliedEvent(outcome: 'processed' | 'ignored', created: Date, now: Date): void {
  applied.inc({ outcome })
  // Stripe's times are whole seconds, by Stripe's clock.
  delays.observe(Math.max(0, now.getTime() - created.getTime()) / SECOND)
}

export function countDeadEvent(): void {
  applied.inc({ outcome: 'dead' })
}

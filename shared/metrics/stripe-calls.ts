import { Counter, Histogram } from 'prom-client'
import { registry } from './registry.js'

const durations = new Histogram({
  name: 'tillworks_stripe_request_duration_seconds',
  help: 'Requests to Stripe, each try by itself, by operation and outcome: 2xx, 4xx, 429, 5xx, or unreachable (no answer).',
  labelNames: ['operation', 'outcome'] as const,
  buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  registers: [registry]
})

const retries = new Counter({
  name: 'tillworks_stripe_retries_total',
  help: 'Requests to Stripe that repeat one that has failed, be it by the library or by another try of a job.',
  registers: [registry]
})

/** `status` is undefined when there was no answer. */
export function countStripeRequest(method: string, path: string, status: number | undefined, seconds: number): void {
  durations.observe({ operation: operationOf(method, path), outcome: outcomeOf(status) }, seconds)
}

export function countStripeRetry(): void {
  retries.inc()
}

function outcomeOf(status: number | undefined): string {
  if (status === undefined) return 'unreachable'
  return status === 429 ? '429' : `${Math.floor(status / 100)}xx`
}

/** The method and the path without ids: /v1, a resource (checkout sessions have two words), an id, an action. */
export function operationOf(method: string, path: string): string {
  const [version, first, ...rest] = (path.split('?', 1)[0] ?? '').split('/').filter(Boolean)
  const resource = first === 'checkout' ? `${first}/${rest.shift()}` : first
  const [id, ...action] = rest
  return `${method} ${['', version, resource, ...(id === undefined ? [] : [':id']), ...action].join('/')}`
}

import { Counter, Histogram } from 'prom-client'
import { type ProblemCode, problems } from '../errors.js'
import { registry } from './registry.js'

const answers = new Counter({
  name: 'tillworks_http_requests_total',
  help: 'Answers of the ingress by route, method and status.',
  labelNames: ['route', 'method', 'status'] as const,
  registers: [registry]
})

const durations = new Histogram({
  name: 'tillworks_http_request_duration_seconds',
  help: 'From the request to its answer; of …/events how long somebody listened.',
  labelNames: ['route', 'method'] as const,
  buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  registers: [registry]
})

const refusals = new Counter({
  name: 'tillworks_http_problems_total',
  help: 'Problem documents that the ingress answered with, by the last part of their type (key_reused, cart_refused …).',
  labelNames: ['problem'] as const,
  registers: [registry]
})

for (const problem of Object.keys(problems)) refusals.inc({ problem }, 0)

/** `route` is a pattern, never a path: paths are without number. */
export function countAnswer(
  { route, method, status }: { route: string; method: string; status: number },
  seconds: number,
  problem: ProblemCode | undefined
): void {
  answers.inc({ route, method, status })
  durations.observe({ route, method }, seconds)
  if (problem !== undefined) refusals.inc({ problem })
}

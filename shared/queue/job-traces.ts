import type { JobsOptions, Telemetry } from 'bullmq'
import { BullMQOtel } from 'bullmq-otel'
import { currentTrace, isTracing, traceHeaders } from '../tracing.js'

/** For the options of a queue or a worker: jobs are spans, and go on with the trace in which they were enqueued. */
export function telemetry(): { telemetry?: Telemetry } {
  return isTracing() ? { telemetry: new BullMQOtel({ tracerName: 'tillworks' }) as unknown as Telemetry } : {}
}

/** Jobs are added together: each takes the trace of whoever enqueued it, and not that of the first among them. */
export function withOwnTrace<J extends { opts: JobsOptions }>(job: J): J {
  if (!isTracing()) return job
  const own = currentTrace() === undefined ? { omitContext: true } : { metadata: JSON.stringify(traceHeaders()) }
  return { ...job, opts: { ...job.opts, telemetry: own } }
}

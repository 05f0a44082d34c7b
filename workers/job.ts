import type { JobName, JobPayloads } from '../shared/queue/jobs.js'
import type { JobContext } from '../shared/queue/queues.js'
import type { Services } from '../shared/runtime/services.js'

/** A job: the queue it is taken from and what is done with it. A handler that throws is tried again. */
export interface Job<N extends JobName> {
  name: N
  handle(services: Services, payload: JobPayloads[N], job: JobContext): Promise<void>
}

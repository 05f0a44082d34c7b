import { SECOND } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import { countTry } from '../shared/metrics/jobs.js'
import type { RowJobName } from '../shared/queue/jobs.js'
import type { Services } from '../shared/runtime/services.js'
import { tracedStep } from '../shared/tracing.js'

/** How many a process does just now, by what it was started with. */
const underWay = new WeakMap<Services, number>()

/**
 * Does `work`, which is the next job of a row, within the job before it (docs/decisions/0061). When it fails, that job is
 * enqueued, and so it is when as many as half of what a queue has are done in this way already: what waits for somebody else
 * leaves room for what does not.
 */
export async function goOn(services: Services, name: RowJobName, id: string, work: () => Promise<void>): Promise<void> {
  const isDone =
    countOf(services) < services.config.queue.concurrency / 2 && (await isDoneHere(services, name, id, work))
  if (!isDone) await services.queues.enqueue(name, id)
}

async function isDoneHere(
  services: Services,
  name: RowJobName,
  id: string,
  work: () => Promise<void>
): Promise<boolean> {
  const begun = performance.now()
  const count = (outcome: 'done' | 'retried') => countTry(name, outcome, (performance.now() - begun) / SECOND)
  underWay.set(services, countOf(services) + 1)
  try {
    await tracedStep(name, work)
    count('done')
    return true
  } catch (error) {
    count('retried')
    services.log.warn({ queue: name, jobId: id, reason: messageOf(error) }, 'what follows a job failed; it is enqueued')
    return false
  } finally {
    underWay.set(services, countOf(services) - 1)
  }
}

function countOf(services: Services): number {
  return underWay.get(services) ?? 0
}

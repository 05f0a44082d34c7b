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
 * enqueued, and so it is when half of the places of a queue are taken in this way: what waits for somebody else leaves room for
 * what does not.
 */
export async function continueWith(
  services: Services,
  name: RowJobName,
  id: string,
  work: () => Promise<void>
): Promise<void> {
  const { concurrency } = services.config.queue
  let failure: unknown
  if (countOf(services) < Math.floor(concurrency / 2)) {
    failure = await failureOf(services, name, work)
    if (failure === undefined) return
    services.log.warn(
      { queue: name, jobId: id, reason: messageOf(failure) },
      'the next job of a row failed within the one before it; it is enqueued'
    )
  }
  await services.queues.enqueue(name, id).catch(error => {
    // Why the row waits is told by the first of the two.
    throw failure === undefined ? error : new Error(messageOf(error), { cause: failure })
  })
}

async function failureOf(services: Services, name: RowJobName, work: () => Promise<void>): Promise<unknown> {
  const begun = performance.now()
  const count = (outcome: 'done' | 'retried') => countTry(name, outcome, (performance.now() - begun) / SECOND)
  underWay.set(services, countOf(services) + 1)
  try {
    await tracedStep(name, work)
    count('done')
    return undefined
  } catch (error) {
    count('retried')
    return error ?? new Error('failed without a reason')
  } finally {
    underWay.set(services, countOf(services) - 1)
  }
}

function countOf(services: Services): number {
  return underWay.get(services) ?? 0
}

import { messageOf } from '../shared/errors.js'
import { type JobPayloads, type RowJobName, rowJobs } from '../shared/queue/jobs.js'
import { reportRefusedKey } from '../shared/runtime/refused-key.js'
import type { Services } from '../shared/runtime/services.js'
import { isStripeAway } from '../shared/runtime/stripe-client.js'
import { markStripeAway } from '../shared/statements/due-rows.js'

/**
 * Writes on the row of a failed job whether it waits for Stripe, so that the sweep can tell one outage from many faults.
 * A refused API key is an alert of its own. The job's own failure is what counts: when this cannot be written, the next
 * try does it.
 */
export async function noteStripeAway(
  services: Services,
  job: RowJobName,
  payload: JobPayloads[keyof JobPayloads],
  error: unknown
): Promise<void> {
  const id = (payload as Record<string, string>)[rowJobs[job].key] ?? ''
  await reportRefusedKey(services, error)
  const isAway = [error, error instanceof Error ? error.cause : undefined].some(isStripeAway)
  await markStripeAway(services.db.pool, { job, id }, { isAway, now: services.now() }).catch(reason => {
    services.log.warn({ job, id, reason: messageOf(reason) }, 'what a row waits for could not be written down')
  })
}

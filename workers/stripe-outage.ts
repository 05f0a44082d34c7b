import { messageOf } from '../shared/errors.js'
import { type JobPayloads, type RowJobName, rowJobs } from '../shared/queue/jobs.js'
import { reportRefusedKey } from '../shared/runtime/refused-key.js'
import type { Services } from '../shared/runtime/services.js'
import { isKeyRefused, isStripeAway } from '../shared/runtime/stripe-client.js'
import { markKeyRefused, markStripeAway } from '../shared/statements/due-rows.js'

/**
 * Writes on the row of a failed job what it waits for, so that the sweep can tell one outage, or one refused API key, from
 * many faults. The job's own failure is what counts: when this cannot be written, the next try does it.
 */
export async function noteStripeAway(
  services: Services,
  job: RowJobName,
  payload: JobPayloads[keyof JobPayloads],
  error: unknown
): Promise<void> {
  const { db, log } = services
  const id = (payload as Record<string, string>)[rowJobs[job].key] ?? ''
  const errors = [error, error instanceof Error ? error.cause : undefined]
  const refused = errors.find(isKeyRefused)
  if (refused !== undefined) await reportRefusedKey(services, refused)
  const waiting =
    refused !== undefined
      ? markKeyRefused(db.pool, { job, id }, services.now())
      : markStripeAway(db.pool, { job, id }, { isAway: errors.some(isStripeAway), now: services.now() })
  await waiting.catch(reason => {
    log.warn({ job, id, reason: messageOf(reason) }, 'the cause that a row waits for could not be recorded')
  })
}

import { MINUTE, SECOND } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import type { Services } from '../shared/services.js'

const RESTORE_EVERY = MINUTE

/** Creates the repeating jobs, and again every minute, so that a flushed queue store gets them back. */
export async function startSchedules(services: Services): Promise<{ stop(): void }> {
  await upsertSchedules(services)
  const timer = setInterval(() => {
    upsertSchedules(services).catch(error =>
      services.log.warn({ reason: messageOf(error) }, 'the schedules could not be restored')
    )
  }, RESTORE_EVERY)
  return { stop: () => clearInterval(timer) }
}

export async function upsertSchedules({ queues, config }: Services): Promise<void> {
  await queues.schedule('key-cleanup', { pattern: config.schedules.keyCleanupCron })
  await queues.schedule('reconcile', { pattern: config.schedules.reconcileCron })
  await queues.schedule('retention', { pattern: config.schedules.retentionCron })
  await queues.schedule('sweep', { every: config.schedules.sweepEverySeconds * SECOND })
}

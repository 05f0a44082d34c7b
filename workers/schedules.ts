import { MINUTE, SECOND } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import type { Services } from '../shared/services.js'

const RESTORE_EVERY = MINUTE
const LATE_AFTER = 3 * RESTORE_EVERY

export interface Schedules {
  /** Why nobody restores them any more; undefined while the timer runs, whether or not the store takes them. */
  trouble(): string | undefined
  stop(): void
}

/** Creates the repeating jobs, and again every minute, so that a flushed queue store gets them back. */
export async function startSchedules(services: Services): Promise<Schedules> {
  await upsertSchedules(services)
  let last = services.now()
  const timer = setInterval(() => {
    last = services.now()
    upsertSchedules(services).catch(error =>
      services.log.warn({ reason: messageOf(error) }, 'the schedules could not be restored')
    )
  }, RESTORE_EVERY)
  return {
    trouble() {
      const isLate = services.now().getTime() - last.getTime() > LATE_AFTER
      return isLate ? `the timer of the schedules has not run since ${last.toISOString()}` : undefined
    },
    stop: () => clearInterval(timer)
  }
}

export async function upsertSchedules({ queues, config }: Services): Promise<void> {
  await queues.schedule('key-cleanup', { pattern: config.schedules.keyCleanupCron })
  await queues.schedule('reconcile', { pattern: config.schedules.reconcileCron })
  await queues.schedule('retention', { pattern: config.schedules.retentionCron })
  await queues.schedule('sweep', { every: config.schedules.sweepEverySeconds * SECOND })
}

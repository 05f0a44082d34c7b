import { MINUTE } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import { watchSchedules } from '../shared/queue/schedule-watch.js'
import { schedulesOf } from '../shared/queue/schedules.js'
import type { Services } from '../shared/runtime/services.js'

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
  const watch = watchSchedules(services)
  return {
    trouble() {
      const isLate = services.now().getTime() - last.getTime() > LATE_AFTER
      return isLate ? `the timer of the schedules has not run since ${last.toISOString()}` : undefined
    },
    stop() {
      clearInterval(timer)
      watch.stop()
    }
  }
}

export async function upsertSchedules({ queues, config }: Services): Promise<void> {
  for (const { name, repeat } of schedulesOf(config)) await queues.schedule(name, repeat)
}

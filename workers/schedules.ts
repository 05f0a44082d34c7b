import { MINUTE } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import { watchSchedules } from '../shared/schedule-watch.js'
import { schedulesOf } from '../shared/schedules.js'
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
  const watch = watchSchedules(services)
  return {
    stop() {
      clearInterval(timer)
      watch.stop()
    }
  }
}

export async function upsertSchedules({ queues, config }: Services): Promise<void> {
  for (const { name, repeat } of schedulesOf(config)) await queues.schedule(name, repeat)
}

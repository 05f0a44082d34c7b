import { MINUTE } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import { isRowJob, type JobName, jobNames } from '../shared/queue/jobs.js'
import { watchSchedules } from '../shared/queue/schedule-watch.js'
import { repeatsOf, schedulesOf } from '../shared/queue/schedules.js'
import type { Services } from '../shared/runtime/services.js'
import { keepRepeats } from '../shared/statements/checkpoints.js'

const RESTORE_EVERY = MINUTE
const LATE_AFTER = 3 * RESTORE_EVERY

export interface Schedules {
  /** Why nobody restores them any more; undefined while the timer runs, whether or not the store takes them. */
  trouble(): string | undefined
  stop(): void
}

/** Creates the repeating jobs, and again every minute, so that a flushed queue store gets them back. */
export async function startSchedules(services: Services): Promise<Schedules> {
  // A store that is busy while all its clients start answers the second time.
  const prepare = async () => {
    await upsertSchedules(services)
    await removeUnwanted(services)
  }
  await prepare().catch(prepare)
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

/** Once: another worker that still wants it schedules it again within a minute. */
async function removeUnwanted({ queues, config }: Services): Promise<void> {
  const wanted = new Set<JobName>(schedulesOf(config).map(({ name }) => name))
  const unwanted = jobNames.filter(name => !isRowJob(name) && !wanted.has(name))
  for (const name of unwanted) await queues.unschedule(name)
}

/** In the queue, and, for those who watch whether they run, in the database. */
export async function upsertSchedules({ queues, config, db, now }: Services): Promise<void> {
  for (const { name, repeat } of schedulesOf(config)) await queues.schedule(name, repeat)
  await keepRepeats(db.pool, repeatsOf(config), now())
}

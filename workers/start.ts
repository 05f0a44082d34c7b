import { HOUR, MINUTE } from '../shared/duration.js'
import { isRowJob, type JobName, type JobPayloads } from '../shared/jobs.js'
import { openWorkers } from '../shared/queues.js'
import type { Services } from '../shared/services.js'
import type { Job } from './job.js'
import { jobs } from './registry.js'
import { startSchedules } from './schedules.js'

/** Far beyond the bounds of the calls and the statements that a job makes. */
const ROW_LIMIT = 5 * MINUTE
const SCHEDULED_LIMIT = HOUR

export interface RunningWorkers {
  /** What this process should do and does not do any more; empty while all is well. */
  troubles(): string[]
  /** Lets the running jobs finish. */
  stop(): Promise<void>
}

/** Starts every worker and the schedules. `onEnded` hears of a worker that has ended by itself. */
export async function startWorkers(services: Services, onEnded?: (reason: string) => void): Promise<RunningWorkers> {
  const { config, log } = services
  const workers = await openWorkers({ ...config.queue, databaseUrl: config.database.url }, log, onEnded)
  try {
    await Promise.all(
      (jobs as readonly Job<JobName>[]).map(job =>
        workers.start(
          job.name,
          (payload: JobPayloads[JobName], context) => job.handle(services, payload as never, context),
          isRowJob(job.name)
            ? { concurrency: config.queue.concurrency, timeLimitMs: ROW_LIMIT }
            : { concurrency: 1, timeLimitMs: SCHEDULED_LIMIT }
        )
      )
    )
    const schedules = await startSchedules(services)
    return {
      troubles: () => [...workers.ended(), schedules.trouble()].filter(trouble => trouble !== undefined),
      async stop() {
        schedules.stop()
        await workers.close()
      }
    }
  } catch (error) {
    await workers.close()
    throw error
  }
}

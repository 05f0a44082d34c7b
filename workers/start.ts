import { writeAudit } from '../shared/audit/audit.js'
import { transaction } from '../shared/database/database.js'
import { MINUTE } from '../shared/duration.js'
import { isRowJob, type JobName, type JobPayloads, type RowJobName } from '../shared/queue/jobs.js'
import { type JobContext, openWorkers, type WorkerTuning } from '../shared/queue/queues.js'
import { SCHEDULED_LIMIT, type ScheduledJobName, schedulesOf } from '../shared/queue/schedules.js'
import { prepareFolder } from '../shared/reports/folder.js'
import { directAccess } from '../shared/runtime/pooling.js'
import type { Services } from '../shared/runtime/services.js'
import { switchNotifications } from '../shared/statements/switches.js'
import type { Job } from './job.js'
import { jobs } from './registry.js'
import { reportFailedRun, runScheduled } from './scheduled-run.js'
import { startSchedules } from './schedules.js'
import { noteStripeAway } from './stripe-outage.js'

/** Far beyond the bounds of the calls and the statements that a job makes. */
const ROW_LIMIT = 5 * MINUTE

export interface RunningWorkers {
  /** What this process should do and does not do any more; empty while all is well. */
  troubles(): string[]
  /** Lets the running jobs finish. */
  stop(): Promise<void>
}

/** Starts every worker and the schedules. `onEnded` hears of a worker that has ended by itself. */
export async function startWorkers(services: Services, onEnded?: (reason: string) => void): Promise<RunningWorkers> {
  const { config, log } = services
  await tellWhetherShopIsNotified(services)
  if (config.reports.folder !== undefined) await prepareFolder(config.reports.folder)
  const workers = await openWorkers({ ...config.queue, database: directAccess(config.database) }, log, onEnded)
  try {
    await Promise.all(
      wantedJobs(services).map(job => {
        const { handler, tuning } = isRowJob(job.name) ? rowJob(services, job) : scheduledJob(services, job)
        return workers.start(job.name, handler, tuning)
      })
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

/** For every process that moves orders, whatever its own settings are. */
async function tellWhetherShopIsNotified({ config, db, now }: Services): Promise<void> {
  const on = config.notifications !== undefined
  await transaction(db.pool, async client => {
    if (!(await switchNotifications(client, on, now()))) return
    const action = on ? 'notifications_on' : 'notifications_off'
    await writeAudit(client, { action, status: 'SUCCESS', metadata: { by: 'the settings of the workers' } })
  })
}

/** What a setting has switched off has no worker. */
function wantedJobs({ config }: Services): Job<JobName>[] {
  const scheduled = new Set<JobName>(schedulesOf(config).map(({ name }) => name))
  return (jobs as readonly Job<JobName>[]).filter(({ name }) => isRowJob(name) || scheduled.has(name))
}

interface Started {
  handler(payload: JobPayloads[JobName], context: JobContext): Promise<void>
  tuning: WorkerTuning
}

function rowJob(services: Services, job: Job<JobName>): Started {
  return {
    async handler(payload, context) {
      try {
        await job.handle(services, payload as never, context)
      } catch (error) {
        await noteStripeAway(services, job.name as RowJobName, payload, error)
        throw error
      }
    },
    tuning: { concurrency: services.config.queue.concurrency, timeLimitMs: ROW_LIMIT }
  }
}

function scheduledJob(services: Services, job: Job<JobName>): Started {
  const name = job.name as ScheduledJobName
  return {
    handler: (payload, context) => runScheduled(services, name, () => job.handle(services, payload as never, context)),
    tuning: {
      concurrency: 1,
      timeLimitMs: SCHEDULED_LIMIT,
      onFailed: error => void reportFailedRun(services, name, error)
    }
  }
}

import { alertUnlessOpen } from '../shared/audit/alerts.js'
import { isDatabaseUnavailable } from '../shared/database/database.js'
import { messageOf } from '../shared/errors.js'
import type { ScheduledJobName } from '../shared/queue/schedules.js'
import { reportRefusedKey } from '../shared/runtime/refused-key.js'
import type { Services } from '../shared/runtime/services.js'
import { isStripeAway } from '../shared/runtime/stripe-client.js'
import { markRun } from '../shared/statements/checkpoints.js'

/** Runs a scheduled job and writes down that it began and that it ended well, for those who watch the schedules. */
export async function runScheduled(
  services: Services,
  name: ScheduledJobName,
  run: () => Promise<void>
): Promise<void> {
  const { pool } = services.db
  await markRun(pool, name, 'started', services.now())
  await run()
  await markRun(pool, name, 'ended', services.now())
}

/**
 * A run failed, took too long, or its worker was killed again and again: schedule_failed, once while it is open. While
 * Stripe or the database is away the next run may mend it; when none does in time, schedule_late tells so.
 */
export async function reportFailedRun(services: Services, name: ScheduledJobName, error: Error): Promise<void> {
  const { db, log } = services
  try {
    await markRun(db.pool, name, 'failed', services.now())
    await reportRefusedKey(services, error.cause ?? error)
    if ([error, error.cause].some(each => isStripeAway(each) || isDatabaseUnavailable(each))) return
    await alertUnlessOpen(db.pool, log, 'schedule_failed', {
      subject: name,
      reason: `${name} failed: ${messageOf(error)}`
    })
  } catch (reason) {
    log.warn(
      { schedule: name, reason: messageOf(reason) },
      'a failed run of a schedule could not be recorded; the schedule will be late'
    )
  }
}

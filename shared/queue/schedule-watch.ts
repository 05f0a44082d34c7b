import { alertUnlessOpen } from '../audit/alerts.js'
import { MINUTE, SECOND } from '../duration.js'
import { messageOf } from '../errors.js'
import type { Services } from '../runtime/services.js'
import { readRuns } from '../statements/checkpoints.js'
import { lateSince, type Runs, readRepeat, type Schedule, schedulesOf } from './schedules.js'

const LOOK_EVERY = MINUTE

/**
 * Looks each minute whether every schedule has run, and raises schedule_late, once while it is open. Every kind of process
 * does so: the usual reason for a schedule that does not run is that no worker does.
 */
export function watchSchedules(services: Services): { stop(): void } {
  let since = services.now()
  let isAway = false
  const look = async () => {
    // Nobody can write down a run while the database is away: what was due then does not count either.
    if (isAway) since = services.now()
    try {
      await reportLateSchedules(services, since)
      isAway = false
    } catch (error) {
      isAway = true
      services.log.warn({ reason: messageOf(error) }, 'the schedules could not be checked')
    }
  }
  const timer = setInterval(look, LOOK_EVERY)
  return { stop: () => clearInterval(timer) }
}

/** One query, unless something is late. `since` is when this process began to watch. */
export async function reportLateSchedules(services: Services, since: Date): Promise<void> {
  const { config, db, log } = services
  const schedules = schedulesOf(config)
  const now = services.now()
  const all = await readRuns(
    db.pool,
    schedules.map(({ name }) => name)
  )
  for (const own of schedules) {
    const { repeat, ...runs } = all.get(own.name) ?? {}
    // The workers' settings say when a job runs, and this process can have others.
    const schedule = { ...own, repeat: readRepeat(repeat) ?? own.repeat }
    const late = lateSince(schedule, runs, since, now)
    if (late === undefined) continue
    await alertUnlessOpen(db.pool, log, 'schedule_late', {
      subject: schedule.name,
      reason: describe(schedule, runs, late)
    })
  }
}

function describe({ name, repeat }: Schedule, { started, ended, failed }: Runs, late: Date): string {
  const when = 'every' in repeat ? `every ${repeat.every / SECOND} seconds` : `at ${repeat.pattern}`
  const zone = 'pattern' in repeat && repeat.timeZone !== undefined ? ` (${repeat.timeZone})` : ''
  const last = ended === undefined ? 'has never ended well' : `ended well last at ${ended.toISOString()}`
  const hasFailed = failed !== undefined && (ended === undefined || failed > ended)
  const isOpen = started !== undefined && (ended === undefined || started > ended) && !hasFailed
  const more = hasFailed
    ? `; it failed at ${failed.toISOString()}: the log says why`
    : isOpen
      ? `; a run began at ${started.toISOString()}`
      : ''
  return `${name} runs ${when}${zone}, was due at ${late.toISOString()} and ${last}${more}`
}

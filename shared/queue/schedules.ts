import type { Config } from '../config/config.js'
import { HOUR, MINUTE, SECOND } from '../duration.js'
import { isCronPattern, nextTime } from './cron.js'
import type { JobName, RowJobName } from './jobs.js'

export type ScheduledJobName = Exclude<JobName, RowJobName>

/** Every so many milliseconds, or at the times of a cron pattern; without a time zone, in this process's. */
export type Repeat = { every: number } | { pattern: string; timeZone?: string }

export interface Schedule {
  name: ScheduledJobName
  repeat: Repeat
}

/** How long a scheduled job may take. */
export const SCHEDULED_LIMIT = HOUR
/** How long after its time a job of a cron pattern may begin: a queue that is full, a deploy. */
const CRON_GRACE = 15 * MINUTE
/** A job that repeats often has missed two turns, and a restart takes a while. */
const INTERVAL_GRACE = 5 * MINUTE

/** The repeating jobs and when they are due; patterns are read in this process's time zone, as the queue reads them. */
export function schedulesOf({ schedules, reports }: Config): Schedule[] {
  return [
    { name: 'key-cleanup', repeat: { pattern: schedules.keyCleanupCron } },
    { name: 'reconcile', repeat: { pattern: schedules.reconcileCron } },
    { name: 'retention', repeat: { pattern: schedules.retentionCron } },
    { name: 'verification', repeat: { pattern: schedules.verificationCron } },
    ...(reports.folder === undefined ? [] : [{ name: 'reports' as const, repeat: { pattern: reports.cron } }]),
    { name: 'sweep', repeat: { every: schedules.sweepEverySeconds * SECOND } }
  ]
}

/** What is written down of a schedule and its runs; undefined before the first. */
export interface Runs {
  /** Since when the workers repeat it as they do. */
  set?: Date
  /** When the last run began, when the last one ended well, and when one last failed. */
  started?: Date
  ended?: Date
  failed?: Date
}

/**
 * The time since which a schedule is late, or undefined. What was due before `since`, when nobody watched, does not
 * count: a shop that was switched off for a night raises no alert in the morning. Nor does what an older pattern had due.
 */
export function lateSince({ repeat }: Schedule, runs: Runs, since: Date, now: Date): Date | undefined {
  const last = latest(runs.ended, since, runs.set) as Date
  if ('every' in repeat) {
    const late = last.getTime() + Math.max(2 * repeat.every, INTERVAL_GRACE) < now.getTime()
    return late ? new Date(last.getTime() + repeat.every) : undefined
  }
  const due = nextTime(repeat.pattern, last, repeat.timeZone)
  const end = latest(runs.ended, runs.failed)
  const isRunning = runs.started !== undefined && (end === undefined || runs.started > end)
  const runsUntil = isRunning ? (runs.started as Date).getTime() + SCHEDULED_LIMIT : 0
  return Math.max(due.getTime() + CRON_GRACE, runsUntil) < now.getTime() ? due : undefined
}

function latest(...times: (Date | undefined)[]): Date | undefined {
  return times.reduce((a, b) => (a === undefined || (b !== undefined && b > a) ? b : a))
}

/** How this process repeats its schedules, in words that mean the same in a process of another time zone. */
export function repeatsOf(config: Config): Schedule[] {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions()
  return schedulesOf(config).map(({ name, repeat }) => ({
    name,
    repeat: 'every' in repeat ? repeat : { ...repeat, timeZone }
  }))
}

/** What another process has written down; undefined when this one cannot read it. */
export function readRepeat(value: unknown): Repeat | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { every, pattern, timeZone } = value as { every?: unknown; pattern?: unknown; timeZone?: unknown }
  if (typeof every === 'number' && every > 0) return { every }
  if (typeof pattern !== 'string' || (timeZone !== undefined && typeof timeZone !== 'string')) return undefined
  return isCronPattern(pattern, timeZone) ? { pattern, timeZone } : undefined
}

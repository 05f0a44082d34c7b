import { CronExpressionParser } from 'cron-parser'

/**
 * The first time of a cron pattern after `after`, read as the queue reads it: in this process's time zone, or in another.
 * Throws when there is none.
 */
export function nextTime(pattern: string, after: Date, timeZone?: string): Date {
  return CronExpressionParser.parse(pattern, { currentDate: after, tz: timeZone }).next().toDate()
}

export function isCronPattern(pattern: string, timeZone?: string): boolean {
  try {
    nextTime(pattern, new Date(), timeZone)
    return true
  } catch {
    return false
  }
}

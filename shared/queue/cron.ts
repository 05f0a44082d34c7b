import { CronExpressionParser } from 'cron-parser'

/** The first time of a cron pattern after `after`, read as the queue reads it. Throws when there is none. */
export function nextTime(pattern: string, after: Date): Date {
  return CronExpressionParser.parse(pattern, { currentDate: after }).next().toDate()
}

export function isCronPattern(pattern: string): boolean {
  try {
    nextTime(pattern, new Date())
    return true
  } catch {
    return false
  }
}

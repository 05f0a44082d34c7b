import type { Queryable } from '../database/database.js'
import { Refused } from '../refused.js'
import {
  type Period,
  type PeriodUnit,
  readEndOfDay,
  readPeriodBefore,
  readPeriods,
  readWallTime
} from '../statements/report-figures.js'

export const calendarKinds = ['daily', 'weekly', 'monthly'] as const
export type CalendarKind = (typeof calendarKinds)[number]
export const reportKinds = [...calendarKinds, 'range'] as const
export type ReportKind = (typeof reportKinds)[number]

export const UNITS: Record<CalendarKind, PeriodUnit> = { daily: 'day', weekly: 'week', monthly: 'month' }
/** A point in time, or what a clock of the report's time zone shows: 2026-11-01 or 2026-11-01T08:00. */
export type Moment = Date | string

interface Asked {
  /** Of the IANA database, such as Europe/Berlin. */
  timeZone: string
  /** That of all money and checkouts that are counted; all when left out. */
  currency?: string
}

/** A day, week or month by a moment in it; the one that ended last when left out. */
export type CalendarRequest = Asked & { kind: CalendarKind; of?: Moment }
/** From a moment until another, a day being the whole of it; until now when that is left out, or is still to come. */
export type RangeRequest = Asked & { kind: 'range'; since: Moment; until?: Moment }
export type ReportRequest = CalendarRequest | RangeRequest

/** The period that a request is about, and the one before it. Throws Refused for a range that has no time in it. */
export async function periodsOf(
  db: Queryable,
  request: ReportRequest,
  now: Date
): Promise<{ period: Period; before: Period }> {
  if (request.kind === 'range') return await rangeOf(db, request, now)
  const { kind, of, timeZone } = request
  const around = async (moment: Date) => await readPeriods(db, { unit: UNITS[kind], moment, timeZone })
  return await around(of === undefined ? (await around(now)).before.since : await timeOf(db, of, timeZone))
}

async function rangeOf(db: Queryable, { since: from, until: to, timeZone }: RangeRequest, now: Date) {
  const since = await timeOf(db, from, timeZone)
  const wanted = to === undefined ? now : await endOf(db, to, timeZone)
  const until = wanted > now ? now : wanted
  if (since >= now)
    throw new Refused('unclear_input', `The range begins at ${since.toISOString()}, which is still to come.`)
  if (since >= until) {
    throw new Refused(
      'unclear_input',
      `The range ends at ${until.toISOString()}, before it begins (${since.toISOString()}): give an end that is later.`
    )
  }
  const period = { since, until }
  return { period, before: await readPeriodBefore(db, period, timeZone) }
}

async function timeOf(db: Queryable, moment: Moment, timeZone: string): Promise<Date> {
  return moment instanceof Date ? moment : await readWallTime(db, moment, timeZone)
}

async function endOf(db: Queryable, moment: Moment, timeZone: string): Promise<Date> {
  const isDay = typeof moment === 'string' && !moment.includes('T')
  return isDay ? await readEndOfDay(db, moment, timeZone) : await timeOf(db, moment, timeZone)
}

const WALL = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?)?$/

/** Reads 2026-11-01, 2026-11-01T08:00 or 2026-11-01T08:00:00Z; undefined for what is none of these. */
export function readMoment(text: string): Moment | undefined {
  const date = new Date(WALL.test(text) ? `${text.slice(0, 10)}T${text.slice(11) || '00:00'}Z` : text)
  if (Number.isNaN(date.getTime())) return undefined
  if (!WALL.test(text)) return date
  // JavaScript reads the 31st of February as a day of March.
  return date.toISOString().startsWith(text.slice(0, 10)) && date.getTime() > 0 ? text : undefined
}

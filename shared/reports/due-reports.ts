import { DAY } from '../duration.js'
import type { Services } from '../runtime/services.js'
import { reachCheckpoint, readCheckpoint } from '../statements/checkpoints.js'
import { type Period, readPeriods } from '../statements/report-figures.js'
import { forgetOldFiles, type ReportFiles, writeFiles } from './folder.js'
import { htmlOf } from './html.js'
import { type Correspondents, mailOf } from './mail.js'
import { type CalendarKind, calendarKinds, UNITS } from './period.js'
import { makeReportFrom, type Report } from './report.js'
import { dayIn } from './sections.js'
import { textOf } from './text.js'

/** So many periods that ended while nobody wrote reports are made up for; older ones are not. */
export const MOST_MISSED: Record<CalendarKind, number> = { daily: 31, weekly: 13, monthly: 12 }

/** Writes the reports of all periods that have ended since the last one that was written, and forgets old ones. */
export async function writeDueReports(services: Services): Promise<void> {
  const { config, db, log, now } = services
  const { folder, keepDays, timeZone, mail } = config.reports
  if (folder === undefined) return
  const written: string[] = []
  for (const kind of calendarKinds) {
    for (const period of await duePeriods(services, kind)) {
      const request = { kind, of: period.since, timeZone }
      // Of the primary: a file is written once, and must not lack what a replica has not heard of yet.
      const report = await makeReportFrom(db.pool, request, { now: now(), stockLowAt: config.catalogue.stockLowAt })
      const name = `${kind}-${dayIn(timeZone, period.since)}`
      await writeFiles(folder, name, filesOf(report, name, mail))
      await reachCheckpoint(db.pool, checkpointOf(kind), period.until)
      written.push(name)
    }
  }
  const forgotten = await forgetOldFiles(folder, keepDays, now())
  if (written.length > 0 || forgotten > 0) log.info({ written, forgotten }, 'reports were written')
}

function checkpointOf(kind: CalendarKind): string {
  return `report:${kind}`
}

function filesOf(report: Report, name: string, mail: Correspondents | undefined): ReportFiles {
  return {
    json: `${JSON.stringify(report, null, 2)}\n`,
    txt: textOf(report),
    html: htmlOf(report),
    eml: mail === undefined ? undefined : mailOf(report, name, mail)
  }
}

/** The periods without a report, oldest first; before the first report the one that ended last. */
async function duePeriods({ config, db, log, now }: Services, kind: CalendarKind): Promise<Period[]> {
  const { timeZone, keepDays } = config.reports
  const written = await readCheckpoint(db.pool, checkpointOf(kind))
  const oldest = now().getTime() - keepDays * DAY
  const at = (moment: Date) => readPeriods(db.pool, { unit: UNITS[kind], moment, timeZone })
  const due: Period[] = []
  let { before: ended } = await at(now())
  while (due.length < MOST_MISSED[kind] && ended.until.getTime() > oldest) {
    if (written !== undefined && ended.until <= written) return due
    due.unshift(ended)
    if (written === undefined) return due
    ended = (await at(ended.since)).before
  }
  if (written !== undefined && ended.until > written) {
    log.warn(
      { kind, since: written, until: ended.until },
      'reports of this time are not written any more: it is too long ago'
    )
  }
  return due
}

import type { Request } from 'express'
import { z } from 'zod'
import { Problem } from '../../shared/errors.js'
import { isSupportedCurrency } from '../../shared/money.js'
import {
  type CalendarKind,
  calendarKinds,
  type ReportKind,
  type ReportRequest,
  readMoment,
  reportKinds
} from '../../shared/reports/period.js'
import { isTimeZone } from '../../shared/time-zone.js'
import { once, readQuery } from '../query.js'

const moment = once().transform((text, context) => {
  const read = readMoment(text)
  if (read !== undefined) return read
  context.addIssue('Give a date such as 2026-11-01, or a time such as 2026-11-01T08:00:00Z')
  return z.NEVER
})

const asked = {
  currency: once()
    .transform(code => code.toUpperCase())
    .refine(isSupportedCurrency, 'Give the code of a currency that Stripe takes, such as EUR')
    .optional(),
  timezone: once()
    .refine(isTimeZone, 'Give a name of the IANA time zone database, such as Europe/Berlin')
    .default('UTC')
}
const ofCalendar = z.strictObject({ ...asked, for: moment.optional() })
const ofRange = z.strictObject({ ...asked, since: moment, until: moment.optional() })

/** Which report a request asks for: its kind is `kind`, all else its query. Throws a Problem that says what is wrong. */
export function readReportRequest(request: Request, kind: string): ReportRequest {
  const known = knownKind(kind)
  if (isCalendar(known)) {
    const { for: of, currency, timezone: timeZone } = readQuery(request, ofCalendar)
    return { kind: known, of, currency, timeZone }
  }
  const { since, until, currency, timezone: timeZone } = readQuery(request, ofRange)
  return { kind: 'range', since, until, currency, timeZone }
}

function knownKind(given: string): ReportKind {
  const kind = reportKinds.find(each => each === given)
  if (kind === undefined) throw new Problem('not_found', { detail: `A report is ${reportKinds.join(', ')}.` })
  return kind
}

function isCalendar(kind: ReportKind): kind is CalendarKind {
  return (calendarKinds as readonly string[]).includes(kind)
}

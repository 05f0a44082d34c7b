import { type Request, Router } from 'express'
import { DAY } from '../../../shared/duration.js'
import { type CalendarKind, calendarKinds, type ReportRequest, reportKinds } from '../../../shared/reports/period.js'
import { makeReport, type Report } from '../../../shared/reports/report.js'
import { dayIn, type Section, sectionsOf, titleOf } from '../../../shared/reports/sections.js'
import { publicPath } from '../../../shared/runtime/base-path.js'
import type { Services } from '../../../shared/runtime/services.js'
import { readReportRequest } from '../report-query.js'
import { frameOf, sendPage } from './answer.js'
import { type Frame, Layout } from './layout.js'
import { Link } from './link.js'
import { Table } from './table.js'
import { Time } from './time.js'

const KINDS = { daily: 'a day', weekly: 'a week', monthly: 'a month', range: 'from one day to another' } as const

/** What a day, week, month or range brought, as `ops report` has it; to be read or printed. */
export function reportPages(services: Services): Router {
  const { db, config, now } = services
  const router = Router()
  router.get('/ops/reports', async (request, response) => {
    const asked = readForm(request, config.reports.timeZone)
    const report = await makeReport(db, asked, { now: now(), stockLowAt: config.catalogue.stockLowAt })
    const currencies = config.payment.currencies
    const frame = frameOf(request, response, services)
    sendPage(response, <ReportPage frame={frame} asked={asked} report={report} currencies={currencies} />)
  })
  return router
}

/** A form sends all its fields, also those that are empty or of another kind. */
function readForm(request: Request, timeZone: string): ReportRequest {
  const { kind = 'daily', ...given } = request.query
  const filled = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''))
  const { for: of, since, until, ...others } = { timezone: timeZone, ...filled } as Record<string, unknown>
  const moments = kind === 'range' ? { since, until } : { for: of }
  const query = Object.fromEntries(Object.entries({ ...others, ...moments }).filter(([, value]) => value !== undefined))
  return readReportRequest({ query } as unknown as Request, String(kind))
}

interface Props {
  frame: Frame
  asked: ReportRequest
  report: Report
  currencies: readonly string[]
}

function ReportPage({ frame, asked, report, currencies }: Props) {
  return (
    <Layout title={titleOf(report)} frame={frame}>
      <h1>{titleOf(report)}</h1>
      <nav class="periods" aria-label="Reports">
        <ul>
          {nearby(asked, report).map(({ name, href }) => (
            <li key={name}>
              <Link to={href}>{name}</Link>
            </li>
          ))}
        </ul>
      </nav>
      <details class="choice">
        <summary>Another report</summary>
        <Choice frame={frame} asked={asked} report={report} currencies={currencies} />
      </details>
      {sectionsOf(report).map(section => (
        <ReportSection key={section.title} section={section} />
      ))}
      <p>
        Made <Time at={report.madeAt} />.
      </p>
    </Layout>
  )
}

function ReportSection({ section: { title, rows, note } }: { section: Section }) {
  const [heads = [], ...lines] = rows
  return (
    <section class="report">
      <h2>{title}</h2>
      {note === undefined ? null : <p>{note}</p>}
      <Table
        caption={title}
        heads={heads.map(head => (head === '' ? 'What' : head))}
        numeric={heads.map((_, column) => column).slice(1)}
        rows={lines}
      />
    </section>
  )
}

function Choice({ frame, asked, report, currencies }: Props) {
  const { timeZone } = asked
  const first = dayIn(timeZone, report.period.since)
  const last = dayIn(timeZone, new Date(report.period.until.getTime() - 1))
  return (
    <form action={publicPath(frame.basePath, '/ops/reports')} method="get">
      <p>
        <label for="kind">Of</label>
        <select id="kind" name="kind">
          {reportKinds.map(kind => (
            <option key={kind} value={kind} selected={kind === asked.kind}>
              {KINDS[kind]}
            </option>
          ))}
        </select>
      </p>
      <p>
        <label for="for">A day in it</label>
        <input id="for" name="for" type="date" value={first} />
      </p>
      <p>
        <label for="since">From (of a range)</label>
        <input id="since" name="since" type="date" value={first} />
      </p>
      <p>
        <label for="until">To, and with, that day (of a range)</label>
        <input id="until" name="until" type="date" value={last} />
      </p>
      <p>
        <label for="currency">Currency</label>
        <select id="currency" name="currency">
          <option value="">all</option>
          {[...new Set([...currencies, ...(asked.currency === undefined ? [] : [asked.currency])])].map(code => (
            <option key={code} value={code} selected={code === asked.currency}>
              {code}
            </option>
          ))}
        </select>
      </p>
      <p>
        <label for="timezone">Whose days (time zone)</label>
        <input id="timezone" name="timezone" value={timeZone} required />
      </p>
      <button type="submit">Show</button>
    </form>
  )
}

/** The last of each kind, and the one before and after what is shown. */
function nearby({ kind, timeZone, currency }: ReportRequest, { period, before, madeAt }: Report) {
  const link = (of: CalendarKind, day?: Date) => {
    const query = new URLSearchParams({ kind: of, timezone: timeZone })
    if (day !== undefined) query.set('for', dayIn(timeZone, day))
    if (currency !== undefined) query.set('currency', currency)
    return `/ops/reports?${query}`
  }
  const last = { daily: 'Yesterday', weekly: 'Last week', monthly: 'Last month' }
  const ofEach = calendarKinds.map(each => ({ name: last[each], href: link(each) }))
  const today = { name: 'Today', href: link('daily', madeAt) }
  if (kind === 'range') return [today, ...ofEach]
  const around = [{ name: 'The one before', href: link(kind, before.since) }]
  if (period.until < madeAt) {
    around.push({ name: 'The next one', href: link(kind, new Date(period.until.getTime() + DAY / 2)) })
  }
  return [...around, today, ...ofEach]
}

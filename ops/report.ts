import { writeFileSync } from 'node:fs'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { messageOf } from '../shared/errors.js'
import { isSupportedCurrency } from '../shared/money.js'
import { htmlOf } from '../shared/reports/html.js'
import {
  type CalendarKind,
  calendarKinds,
  type Moment,
  type ReportRequest,
  readMoment
} from '../shared/reports/period.js'
import { makeReport, type Report } from '../shared/reports/report.js'
import { titleOf } from '../shared/reports/sections.js'
import { textOf } from '../shared/reports/text.js'
import { isTimeZone } from '../shared/time-zone.js'
import { command, group, type Output } from './command.js'
import { withDatabase } from './environment.js'
import { print, printJson } from './print.js'
import { terminal } from './terminal.js'
import { UsageError } from './usage-error.js'

interface Options extends Output {
  timezone: string
  currency?: string
  html: boolean
  output?: string
}

const PERIODS: Record<CalendarKind, string> = { daily: 'day', weekly: 'week, from Monday,', monthly: 'month' }

/** What was sold, refused, declined and delivered, beside the period before. */
export function report(): Command {
  return group('report', 'What a day, a week, a month or another time brought, for a person, a script or a mail.', [
    ...calendarKinds.map(calendar),
    range()
  ])
}

function calendar(kind: CalendarKind): Command {
  const period = PERIODS[kind]
  const made = command(kind, `The ${period} that ended last, beside the one before it.`, {
    examples: [
      `report ${kind}`,
      `report ${kind} --currency EUR`,
      `report ${kind} --for 2026-11-01 --timezone Europe/Berlin --html --output report.html`
    ]
  })
    .option('--for <date>', `the ${period} with this date in it`, moment)
    .action((options: Options & { for?: Moment }) => tell(options, { kind, of: options.for, ...asked(options) }))
  return withOptions(made)
}

function range(): Command {
  const made = command('range', 'From a day until another or until now, beside the same time before it.', {
    examples: [
      'report range --since 2026-11-01',
      'report range --since 2026-11-01 --until 2026-11-15 --currency EUR --json'
    ]
  })
    .requiredOption('--since <date>', 'from the beginning of this day, or from a time', moment)
    .option('--until <date>', 'until the end of this day, or until a time; until now when left out', moment)
    .action((options: Options & { since: Moment; until?: Moment }) =>
      tell(options, { kind: 'range', since: options.since, until: options.until, ...asked(options) })
    )
  return withOptions(made)
}

function withOptions(made: Command): Command {
  return made
    .option('--currency <code>', 'what is in this currency alone, such as EUR', currency)
    .addOption(
      new Option('--timezone <name>', 'whose days they are, such as Europe/Berlin')
        .default(Intl.DateTimeFormat().resolvedOptions().timeZone, 'that of this machine (TZ)')
        .argParser(timeZone)
    )
    .option('--html', 'one HTML file that a mail can carry, instead of text', false)
    .option('--output <file>', 'write it there')
}

function asked({ timezone, currency }: Options) {
  return { timeZone: timezone, currency }
}

async function tell(options: Options, request: ReportRequest): Promise<void> {
  if (options.html && options.json) throw new UsageError('Give --html or --json, not both.')
  await withDatabase(`report ${request.kind}`, async ({ db, now, config }) => {
    const made = await makeReport(db, request, { now: now(), stockLowAt: config.catalogue.stockLowAt })
    if (options.output !== undefined) return save(options.output, made, options)
    if (options.html) terminal().stdout.write(htmlOf(made))
    else if (options.json) printJson(made)
    else terminal().stdout.write(textOf(made))
  })
}

function save(file: string, made: Report, { html, json }: Options): void {
  if (!html && !json) throw new UsageError('--output takes --html or --json; of the text a shell makes a file: > FILE')
  try {
    writeFileSync(file, html ? htmlOf(made) : `${JSON.stringify(made, null, 2)}\n`)
  } catch (error) {
    throw new UsageError(`The report could not be written: ${messageOf(error)}`)
  }
  print(`${titleOf(made)}: ${file}`)
}

function timeZone(given: string): string {
  if (isTimeZone(given)) return given
  throw new InvalidArgumentError('It takes a name of the IANA time zone database, such as Europe/Berlin.')
}

function moment(given: string): Moment {
  const read = readMoment(given)
  if (read !== undefined) return read
  throw new InvalidArgumentError('It takes a date such as 2026-11-01, or a time such as 2026-11-01T08:00:00Z.')
}

function currency(given: string): string {
  const code = given.toUpperCase()
  if (isSupportedCurrency(code)) return code
  throw new InvalidArgumentError('It takes the code of a currency that Stripe takes, such as EUR.')
}

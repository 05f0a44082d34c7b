import { isTimeZone } from '../../time-zone.js'
import { type Group, optional, setting, type ValuesOf } from '../setting.js'
import { cron, integer, list, text } from '../value-types.js'

const mailAddress = (text: string) => /^[\x21-\x7e]+@[A-Za-z0-9.-]+$/.test(text) && !/[<>,;"]/.test(text)

export const reports = {
  title: 'Reports',
  settings: {
    folder: optional('REPORTS_DIR', text('a folder'), {
      doc: 'where the workers write daily, weekly and monthly reports (JSON, text, HTML); without one they write none'
    }),
    timeZone: setting(
      'REPORTS_TIME_ZONE',
      text('a name of the IANA time zone database, such as Europe/Berlin', isTimeZone),
      {
        default: 'UTC',
        doc: "whose days they are; the operators' page begins with it, too"
      }
    ),
    cron: setting('REPORTS_CRON', cron('7 * * * *'), {
      default: '7 * * * *',
      doc: 'when to look for a day, week or month that has ended: every hour'
    }),
    keepDays: setting('REPORTS_KEEP_DAYS', integer(1, 36_500), {
      default: '400',
      doc: 'for how long after its end a report stays in the folder'
    }),
    mailFrom: optional('REPORTS_MAIL_FROM', text('an e-mail address', mailAddress), {
      doc: 'with the next one: each report is a ready mail, too (`.eml`), from this e-mail address'
    }),
    mailTo: setting(
      'REPORTS_MAIL_TO',
      list('e-mail addresses with commas between them', all => all.every(mailAddress)),
      {
        default: '',
        doc: 'to whom'
      }
    )
  }
} satisfies Group

export function readReports({ mailFrom, mailTo, ...values }: ValuesOf<typeof reports>) {
  return { ...values, mail: mailFrom === undefined ? undefined : { from: mailFrom, to: mailTo } }
}

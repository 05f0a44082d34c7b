import { htmlOf } from './html.js'
import type { Report } from './report.js'
import { titleOf } from './sections.js'
import { textOf } from './text.js'

/** Between whom a report is sent; addresses alone, without names. */
export interface Correspondents {
  from: string
  to: string[]
}

const CRLF = '\r\n'
/** No line of base64 begins so. */
const BOUNDARY = '=_a_report_of_tillworks'

/** A message as RFC 5322 has it, the text and the HTML as alternatives (RFC 2046): `sendmail -t < FILE` sends it. `name` is its own. */
export function mailOf(report: Report, name: string, { from, to }: Correspondents): string {
  const part = (type: string, content: string) => [
    `--${BOUNDARY}`,
    `Content-Type: ${type}; charset=utf-8`,
    'Content-Transfer-Encoding: base64',
    '',
    ...(Buffer.from(content)
      .toString('base64')
      .match(/.{1,76}/g) ?? [])
  ]
  return [
    `Date: ${report.madeAt.toUTCString().replace('GMT', '+0000')}`,
    `From: ${from}`,
    `To: ${to.join(`,${CRLF} `)}`,
    `Subject: ${titleOf(report)}`,
    `Message-ID: <${name}.tillworks@${from.slice(from.lastIndexOf('@') + 1)}>`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    `Content-Type: multipart/alternative; boundary="${BOUNDARY}"`,
    '',
    ...part('text/plain', textOf(report)),
    ...part('text/html', htmlOf(report)),
    `--${BOUNDARY}--`,
    ''
  ].join(CRLF)
}

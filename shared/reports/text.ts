import { plainText, tableLines } from '../plain-text.js'
import type { Report } from './report.js'
import { sectionsOf, titleOf } from './sections.js'

/** A report for a terminal or the plain part of a mail. */
export function textOf(report: Report): string {
  const sections = sectionsOf(report).map(({ title, rows, note }) =>
    [
      title,
      ...(note === undefined ? [] : [note]),
      ...(rows.length > 1 ? tableLines(rows, rows[0]?.slice(1)) : []),
      ''
    ].join('\n')
  )
  return plainText([titleOf(report), '', ...sections].join('\n'))
}

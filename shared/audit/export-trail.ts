import { type Database, undeceivedRead } from '../database/database.js'
import { readTrail, type TrailRow } from '../statements/audit-trail.js'

export type TrailFormat = 'jsonl' | 'csv'

const PAGE = 1_000

/** The trail of a period as JSON Lines or CSV (RFC 4180), oldest first, a line at a time; without its line end. */
export async function* exportTrail(
  db: Pick<Database, 'pool'>,
  format: TrailFormat,
  period: { since: Date | undefined; until: Date | undefined }
): AsyncGenerator<string> {
  const lineOf = format === 'csv' ? csvLine : jsonLine
  for (let last: TrailRow | undefined; ; ) {
    const after = last
    const rows = await undeceivedRead(db.pool, client => readTrail(client, period, after, PAGE))
    const [first] = rows
    if (format === 'csv' && after === undefined && first !== undefined) yield Object.keys(first).join(',')
    for (const row of rows) yield lineOf(row)
    last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
  }
}

function jsonLine(row: TrailRow): string {
  return JSON.stringify(row)
}

function csvLine(row: TrailRow): string {
  return Object.values(row).map(csvCell).join(',')
}

/** Quoted, and never the beginning of a formula when a spreadsheet opens it (OWASP, CSV Injection). */
function csvCell(value: unknown): string {
  if (value === null) return ''
  const text =
    value instanceof Date ? value.toISOString() : typeof value === 'object' ? JSON.stringify(value) : String(value)
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

import type { Report } from '../measures/measure.js'

/** A report as a table of Markdown. */
export function tableOf(name: string, { rows, ratios, notes }: Report): string {
  const columns = [...new Set(rows.flatMap(row => Object.keys(row.values)))]
  const lines = [
    `| ${name} | ${columns.join(' | ')} |`,
    `| --- | ${columns.map(() => '--:').join(' | ')} |`,
    ...rows.map(row => `| ${row.name} | ${columns.map(column => short(row.values[column])).join(' | ')} |`)
  ]
  const compared = Object.entries(ratios).map(([to, value]) => `${short(value)} × ${to}`)
  return [
    ...lines,
    '',
    ...(compared.length > 0 ? [compared.join(' · '), ''] : []),
    ...notes.map(note => `- ${note}`)
  ].join('\n')
}

export function short(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return ''
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

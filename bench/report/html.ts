import type { Report } from '../measures/measure.js'
import { short } from './table.js'

/** A page of its own with a bar for each rate. */
export function htmlOf(reports: Record<string, Report>): string {
  const sections = Object.entries(reports).map(([name, report]) => {
    const most = Math.max(...report.rows.map(row => row.values.rate ?? 0))
    const bars = report.rows.map(row => {
      const { rate } = row.values
      const bar = rate === undefined ? '' : `<div style="width:${(rate / most) * 100}%">${short(rate)}/s</div>`
      const others = Object.entries(row.values).map(([column, value]) => `${column} ${short(value)}`)
      return `<tr><th>${escaped(row.name)}<td>${bar}<td>${others.join(', ')}`
    })
    return `<h2>${escaped(name)}</h2><table>${bars.join('')}</table><p>${report.notes.map(escaped).join('<br>')}</p>`
  })
  const style =
    'body{font:15px system-ui;margin:2rem}th{text-align:left}td:nth-child(2){width:40%}div{background:#635bff;color:#fff;padding:2px 6px;white-space:nowrap}'
  return `<!doctype html><meta charset="utf-8"><title>Tillworks: bench</title><style>${style}</style><h1>Tillworks: bench</h1>${sections.join('')}`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

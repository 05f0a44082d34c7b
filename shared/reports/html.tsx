import { renderToString } from 'preact-render-to-string'
import type { Report } from './report.js'
import { type Section, sectionsOf, titleOf } from './sections.js'

const FONT = 'font-family:system-ui,-apple-system,Segoe UI,sans-serif'
const CELL = 'padding:4px 12px 4px 0;text-align:left;border-bottom:1px solid #d0d7de'
const NUMBER = `${CELL};text-align:right;font-variant-numeric:tabular-nums`

/** One file for a browser or a mail: styles stand on the elements, since mail programs drop style sheets; nothing is loaded. */
export function htmlOf(report: Report): string {
  const title = titleOf(report)
  return `<!doctype html>\n${renderToString(
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{title}</title>
      </head>
      <body
        style={`${FONT};color:#1f2328;background:#ffffff;max-width:50em;margin:2em auto;padding:0 1em;line-height:1.4`}
      >
        <h1 style="font-size:1.4em">{title}</h1>
        {sectionsOf(report).map(section => (
          <SectionTable key={section.title} section={section} />
        ))}
        <p style="color:#59636e">Made {report.madeAt.toISOString()}.</p>
      </body>
    </html>
  )}\n`
}

function SectionTable({ section: { title, rows, note } }: { section: Section }) {
  const [heads = [], ...lines] = rows
  return (
    <section>
      <h2 style="font-size:1.1em;margin:1.5em 0 0.3em">{title}</h2>
      {note === undefined ? null : <p>{note}</p>}
      {lines.length === 0 ? null : (
        <table style="border-collapse:collapse">
          <thead>
            <tr>
              {heads.map((head, column) => (
                <th key={head} scope="col" style={column === 0 ? CELL : NUMBER}>
                  {head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {lines.map(([first, ...cells]) => (
              <tr key={first}>
                <th scope="row" style={`${CELL};font-weight:normal`}>
                  {first}
                </th>
                {cells.map((cell, column) => (
                  <td key={heads[column + 1]} style={NUMBER}>
                    {cell}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}

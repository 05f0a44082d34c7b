import type { ComponentChildren } from 'preact'

interface Props {
  caption: string
  heads: string[]
  rows: ComponentChildren[][]
  /** Columns of amounts, to the right. */
  numeric?: number[]
}

/** A table that a phone can scroll, and a keyboard too; nothing when there are no rows. */
export function Table({ caption, heads, rows, numeric = [] }: Props) {
  if (rows.length === 0) return null
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by a keyboard
    <section class="scroll" tabIndex={0} aria-label={caption}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            {heads.map((head, column) => (
              <th key={head} scope="col" class={numeric.includes(column) ? 'number' : undefined}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((cells, row) => (
            <tr key={String(row)}>
              {cells.map((cell, column) => (
                <td key={heads[column]} class={numeric.includes(column) ? 'number' : undefined}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

import { once } from 'node:events'

export function print(line = ''): void {
  process.stdout.write(`${line}\n`)
}

/** Resolves once the reader has taken what was printed, so that a long output does not gather in memory. */
export async function printed(): Promise<void> {
  if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
}

/** Rows in columns as wide as their widest cell. */
export function printTable(rows: string[][]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)))
  for (const row of rows)
    print(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()
    )
}

/** Indented JSON; bigint amounts as numbers. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? Number(inner) : inner), 2))
}

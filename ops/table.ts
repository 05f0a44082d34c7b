import { tableLines } from '../shared/plain-text.js'
import { print } from './print.js'

/** Rows in columns as wide as their widest cell, the first row being their names. Columns in `right` end in line. */
export function printTable(rows: string[][], right: readonly string[] = []): void {
  for (const line of tableLines(rows, right)) print(line)
}

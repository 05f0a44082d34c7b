import { once } from 'node:events'
import type { Output } from './command.js'

/** A line for a person. What others have typed cannot move the cursor, or turn the text around. */
export function print(line = ''): void {
  process.stdout.write(`${line.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, harmless)}\n`)
}

function harmless(character: string): string {
  return character === '\n' || character === '\t' ? character : '\ufffd'
}

/** Resolves once the reader has taken what was printed, so that a long output does not gather in memory. */
export async function printed(): Promise<void> {
  if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
}

/** Indented JSON; bigint amounts as numbers. */
export function printJson(value: unknown): void {
  process.stdout.write(
    `${JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? Number(inner) : inner), 2)}\n`
  )
}

/** What a command has found or done: for a script as JSON, for a person as `view` shows it. */
export function answer<T>({ json }: Output, value: T, view: (value: T) => void): void {
  if (json) printJson(value)
  else view(value)
}

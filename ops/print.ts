import { once } from 'node:events'
import { plainText } from '../shared/plain-text.js'
import type { Output } from './command.js'
import { terminal } from './terminal.js'

/** A line for a person. */
export function print(line = ''): void {
  terminal().stdout.write(`${plainText(line)}\n`)
}

/** Resolves once the reader has taken what was printed, so that a long output does not gather in memory. */
export async function printed(): Promise<void> {
  if (terminal().stdout.writableNeedDrain) await once(terminal().stdout, 'drain')
}

/** Indented JSON; bigint amounts as numbers. */
export function printJson(value: unknown): void {
  terminal().stdout.write(
    `${JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? Number(inner) : inner), 2)}\n`
  )
}

/** What a command has found or done: for a script as JSON, for a person as `view` shows it. */
export function answer<T>({ json }: Output, value: T, view: (value: T) => void): void {
  if (json) printJson(value)
  else view(value)
}

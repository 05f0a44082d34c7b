import { terminal } from './terminal.js'

export interface Progress {
  show(line: string): void
  clear(): void
}

/** One line at a terminal that is written over; nothing elsewhere. */
export function showProgress(): Progress {
  const write = (line: string) => {
    const { stderr } = terminal()
    if (stderr.isTTY) stderr.write(`\r\u001b[K${line}`)
  }
  return { show: write, clear: () => write('') }
}

const BAR = 30

/** How much of all is done, as a bar. */
export function bar(done: number, total: number, what: string): string {
  const filled = Math.round((BAR * done) / Math.max(total, 1))
  return `[${'#'.repeat(filled)}${' '.repeat(BAR - filled)}] ${done}/${total} ${what}`
}

const WIDTH = 30

export interface ProgressBar {
  show(done: number, total: number): void
  clear(): void
}

/** A bar on stderr, for a person at a terminal; nothing in a script. */
export function progressBar(what: string): ProgressBar {
  if (process.stderr.isTTY !== true) return { show: () => undefined, clear: () => undefined }
  return {
    show(done, total) {
      const filled = Math.round((WIDTH * done) / Math.max(total, 1))
      process.stderr.write(`\r[${'#'.repeat(filled)}${' '.repeat(WIDTH - filled)}] ${done}/${total} ${what}`)
    },
    clear: () => {
      process.stderr.write('\r\u001b[K')
    }
  }
}

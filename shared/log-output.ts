import fs from 'node:fs'
import { type DestinationStream, destination } from 'pino'
import { SECOND } from './duration.js'

/** For whoever reads slowly: since a line was last taken, and in all. */
const TAKES_WITHIN = 5 * SECOND
const LAST_LINES_WITHIN = 10 * SECOND

/**
 * The standard output for the lines of a log, written beside the work of the process; the last ones while it ends. Whoever reads
 * them may be gone (EPIPE) or read no further (EAGAIN), and pino's writer (SonicBoom.flushSync) would try for ever then: the
 * process would neither run nor end, and nobody start it anew. Here those lines are lost, and the process ends.
 */
export function openLogOutput(): DestinationStream {
  // Node lets nothing wait for a full pipe from here on: a write that does could not be given up.
  void process.stdout
  const output = destination({ dest: 1, sync: false })
  const flush = output.flushSync.bind(output)
  output.flushSync = () => {
    const { writeSync } = fs
    fs.writeSync = givingUp(writeSync) as typeof writeSync
    try {
      flush()
    } finally {
      fs.writeSync = writeSync
    }
  }
  return output
}

/** Writes as `write` does, and says of what nobody takes any more that it was written. */
function givingUp(write: typeof fs.writeSync) {
  const end = performance.now() + LAST_LINES_WITHIN
  let until = performance.now() + TAKES_WITHIN
  return (fd: number, text: string | NodeJS.ArrayBufferView): number => {
    try {
      const written = typeof text === 'string' ? write(fd, text) : write(fd, text)
      until = Math.min(performance.now() + TAKES_WITHIN, end)
      return written
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      if (['EAGAIN', 'EBUSY'].includes(code) && performance.now() < until) throw error
      return typeof text === 'string' ? Buffer.byteLength(text) : text.byteLength
    }
  }
}

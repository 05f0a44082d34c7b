import fs from 'node:fs'
import { type DestinationStream, destination } from 'pino'
import { SECOND } from './duration.js'

/** For the last lines, of a reader that is slow. */
const LAST_LINES_WITHIN = 2 * SECOND

/**
 * The standard output for the lines of a log, written beside the work of the process; the last ones while it ends. Whoever reads
 * them may be gone (EPIPE) or read no further (EAGAIN), and pino's writer (SonicBoom.flushSync) would try for ever then: the
 * process would neither run nor end, and nobody start it anew. Here those lines are lost, and the process ends.
 */
export function openLogOutput(): DestinationStream {
  const output = destination({ dest: 1, sync: false })
  const flush = output.flushSync.bind(output)
  output.flushSync = () => {
    const deadline = performance.now() + LAST_LINES_WITHIN
    const { writeSync } = fs
    const writeOrGiveUp = (fd: number, text: string | NodeJS.ArrayBufferView): number => {
      try {
        return typeof text === 'string' ? writeSync(fd, text) : writeSync(fd, text)
      } catch (error) {
        const mayWork = (error as NodeJS.ErrnoException).code === 'EAGAIN' && performance.now() < deadline
        if (mayWork) throw error
        return typeof text === 'string' ? Buffer.byteLength(text) : text.byteLength
      }
    }
    fs.writeSync = writeOrGiveUp as typeof writeSync
    try {
      flush()
    } finally {
      fs.writeSync = writeSync
    }
  }
  return output
}

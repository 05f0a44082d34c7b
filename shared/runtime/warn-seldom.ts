import { MINUTE } from '../duration.js'
import type { Logger } from '../logger.js'

const EVERY = 10 * MINUTE

/** Warns at most once in ten minutes, for what fails again and again and costs nothing of ours. */
export function warnSeldom(log: Logger, message: string): (reason: string) => void {
  let warnedAt = Number.NEGATIVE_INFINITY
  return reason => {
    if (performance.now() - warnedAt < EVERY) return
    warnedAt = performance.now()
    log.warn({ reason: reason.slice(0, 300) }, message)
  }
}

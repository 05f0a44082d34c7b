import { SECOND } from '../duration.js'
import { messageOf } from '../errors.js'
import type { Logger } from '../logger.js'

/** One step of a shutdown; it is given up after `capMs` milliseconds, and the next one begins. */
export interface ShutdownPhase {
  name: string
  capMs: number
  run(): Promise<unknown> | unknown
}

/** Runs the phases in order, each within its cap. */
export async function runShutdown(phases: ShutdownPhase[], log: Logger): Promise<void> {
  for (const phase of phases) {
    let timer: NodeJS.Timeout | undefined
    const cap = new Promise<'late'>(resolve => {
      timer = setTimeout(() => resolve('late'), phase.capMs)
    })
    try {
      const result = await Promise.race([Promise.resolve(phase.run()), cap])
      if (result === 'late')
        log.warn({ phase: phase.name, capMs: phase.capMs }, 'a shutdown phase took too long and was left')
    } catch (error) {
      log.warn({ phase: phase.name, reason: messageOf(error) }, 'a shutdown phase failed')
    } finally {
      clearTimeout(timer)
    }
  }
}

/**
 * Ends the process in order on SIGTERM or SIGINT; a second signal ends it at once. The function that it returns ends it in
 * order, too, with exit code 1: something that the process is for has failed, and whoever supervises it starts it anew.
 */
export function shutdownOnSignal(phases: ShutdownPhase[], log: Logger): (reason: string) => void {
  let stopping = false
  let heardAt = Number.NEGATIVE_INFINITY
  const stop = async (context: object, exitCode: number) => {
    stopping = true
    log.info(context, 'the process is stopping')
    await runShutdown(phases, log)
    log.info('the process has stopped')
    process.exit(exitCode)
  }
  const onSignal = (signal: NodeJS.Signals) => {
    // Ctrl-C at a terminal comes twice when npm stands before the program: from the terminal and from npm.
    const isEcho = performance.now() - heardAt < ECHO
    heardAt = performance.now()
    if (stopping && isEcho) return
    if (stopping) {
      log.warn({ signal }, 'a second signal ends the process at once')
      process.exit(1)
    }
    void stop({ signal }, 0)
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return reason => {
    if (!stopping) void stop({ reason }, 1)
  }
}

const ECHO = SECOND / 2
export const CLOSE_CAP = 10 * SECOND

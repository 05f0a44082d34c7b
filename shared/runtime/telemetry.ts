import type { Config } from '../config/config.js'
import { SECOND } from '../duration.js'
import type { Logger } from '../logger.js'
import { startErrorReports } from './error-reports.js'
import type { ShutdownPhase } from './shutdown.js'
import { startTracing } from './tracing.js'

/** Of a process that is over soon. */
export const NO_TELEMETRY: ShutdownPhase = { name: 'nothing', capMs: 0, run: () => undefined }

/** Traces and error reports, where they are set; the phase of the shutdown that sends what is left of them. */
export async function startTelemetry(config: Config, name: string, log: Logger): Promise<ShutdownPhase> {
  const tracing = await startTracing(config, name, log)
  const reports = await startErrorReports(config, name, log)
  return {
    name: 'send traces and error reports',
    capMs: 6 * SECOND,
    run: () => Promise.all([tracing?.stop(), reports?.stop()])
  }
}

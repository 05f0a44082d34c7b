// The workers as a process of their own: npm run build, then npm run workers.
import { loadConfig } from '../shared/config/config.js'
import { SECOND } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import { openServices } from '../shared/runtime/services.js'
import { CLOSE_CAP, shutdownOnSignal } from '../shared/runtime/shutdown.js'
import { startMetricsListener } from './metrics-listener.js'
import { startWorkers } from './start.js'

try {
  const config = loadConfig(process.env)
  const services = await openServices(config, { name: 'tillworks-workers', isServer: true })
  // A worker that has ended by itself takes the process with it (docs/decisions/0017).
  let leave: ((reason: string) => void) | undefined
  const workers = await startWorkers(services, reason => leave?.(reason))
  const metrics = await startMetricsListener(services, workers)
  leave = shutdownOnSignal(
    [
      // A job that does not end in time is taken over by another worker once its lock has run out.
      { name: 'finish jobs', capMs: 25 * SECOND, run: () => workers.stop() },
      { name: 'close metrics', capMs: CLOSE_CAP, run: () => metrics?.close() },
      { name: 'close queues', capMs: CLOSE_CAP, run: () => services.queues.close() },
      { name: 'close database', capMs: CLOSE_CAP, run: () => services.db.close() },
      services.telemetry
    ],
    services.log
  )
  const [endedMeanwhile] = workers.troubles()
  if (endedMeanwhile !== undefined) leave(endedMeanwhile)
  const { engine, concurrency } = config.queue
  services.log.info({ engine, concurrency, port: metrics?.port }, 'the workers are running')
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`)
  process.exit(1)
}

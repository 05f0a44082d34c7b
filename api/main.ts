// The ingress as a process of its own: npm run build, then npm run api.
import { loadConfig } from '../shared/config/config.js'
import { SECOND } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import { openServices } from '../shared/runtime/services.js'
import { CLOSE_CAP, shutdownOnSignal } from '../shared/runtime/shutdown.js'
import { startApi } from './start.js'

try {
  const config = loadConfig(process.env)
  const services = await openServices(config, { name: 'tillworks-api', isServer: true })
  const api = await startApi(services, config.port)
  shutdownOnSignal(
    [
      { name: 'tell balancers', capMs: config.shutdownDelayMs + SECOND, run: () => api.drain() },
      { name: 'finish requests', capMs: 20 * SECOND, run: () => api.stopAccepting() },
      { name: 'close connections', capMs: CLOSE_CAP, run: () => api.close() },
      { name: 'close queues', capMs: CLOSE_CAP, run: () => services.queues.close() },
      { name: 'close database', capMs: CLOSE_CAP, run: () => services.db.close() },
      services.telemetry
    ],
    services.log
  )
  services.log.info({ port: api.port, opsPort: api.opsPort, engine: config.queue.engine }, 'the ingress is listening')
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`)
  process.exit(1)
}

import { createServer } from 'node:http'
import express from 'express'
import helmet from 'helmet'
import { SECOND } from '../shared/duration.js'
import { behindBasePath } from '../shared/runtime/base-path.js'
import { listen, portOf, stopAccepting } from '../shared/runtime/http-server.js'
import { collectMetrics } from '../shared/runtime/metrics.js'
import { admit } from '../shared/runtime/operator-access.js'
import type { Services } from '../shared/runtime/services.js'
import type { RunningWorkers } from './start.js'

export interface MetricsListener {
  port: number
  close(): Promise<void>
}

/**
 * /metrics, for operators, and /healthz of workers that run apart from the ingress; undefined unless WORKERS_PORT is set.
 * /healthz is 503 when a worker or the timer of the schedules has stopped, and says which.
 * What this process counts by itself, such as the decisions of the fraud rules, no ingress can show.
 */
export async function startMetricsListener(
  services: Services,
  workers: Pick<RunningWorkers, 'troubles'>
): Promise<MetricsListener | undefined> {
  const { config } = services
  if (config.ops.workersPort === undefined) return undefined
  const app = express()
  app.disable('x-powered-by')
  app.use(helmet())
  app.get('/healthz', (_request, response) => {
    const troubles = workers.troubles()
    response.setHeader('Cache-Control', 'no-store')
    if (troubles.length === 0) response.json({ status: 'ok' })
    else response.status(503).json({ status: 'failing', troubles })
  })
  app.get('/metrics', admit(services), async (_request, response) => {
    const { contentType, text } = await collectMetrics(services)
    response.type(contentType).send(text)
  })
  const server = createServer(
    { requestTimeout: 30 * SECOND, headersTimeout: 10 * SECOND },
    behindBasePath(config.ops.basePath, app)
  )
  await listen(server, config.ops.workersPort, config.ops.host, 'WORKERS_PORT')
  return {
    port: portOf(server),
    async close() {
      await stopAccepting(server)
      server.closeAllConnections()
    }
  }
}

import type { Config } from '../config/config.js'
import type { Logger } from '../logger.js'
import type { Tracing } from './span-exporter.js'

/**
 * Sends spans to OTEL_EXPORTER_OTLP_ENDPOINT; undefined, and nothing is loaded, without it. Start it before the queues are
 * opened. A collector that is away costs spans and one warning in ten minutes.
 */
export async function startTracing(config: Config, name: string, log: Logger): Promise<Tracing | undefined> {
  const { otlpEndpoint, otlpProtocol } = config.telemetry
  if (otlpEndpoint === undefined) return undefined
  const { startExporter } = await import('./span-exporter.js')
  return startExporter({ endpoint: otlpEndpoint, protocol: otlpProtocol, name, log })
}

import { context, DiagLogLevel, diag, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanProcessor
} from '@opentelemetry/sdk-trace-base'
import { SECOND } from '../duration.js'
import type { Logger } from '../logger.js'
import { switchTracing } from '../tracing.js'
import { withinTime } from '../within-time.js'
import { warnSeldom } from './warn-seldom.js'

export interface Tracing {
  /** Sends what is left, within a second. */
  stop(): Promise<void>
}

interface ExporterOptions {
  endpoint: string
  protocol: 'http/protobuf' | 'http/json'
  /** Of the service, unless OTEL_SERVICE_NAME says another. */
  name: string
  log: Logger
}

const SEND_WITHIN = 5 * SECOND
/** What a collector that does not answer may cost the end of a process. */
const LAST_WITHIN = SECOND
/** Beyond these, new spans are dropped: a collector that is away takes no memory. */
const MOST_WAITING = 2_048

/** Of what happened within a span its name alone leaves: BullMQ adds what errors say, and they quote what people typed. */
const withoutWords: SpanProcessor = {
  onStart: () => undefined,
  onEnd: ({ events }: ReadableSpan) => {
    for (const event of events) event.attributes = undefined
  },
  forceFlush: async () => undefined,
  shutdown: async () => undefined
}

/**
 * The variables of OpenTelemetry count as its specification says: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
 * OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
 */
export function startExporter({ endpoint, protocol, name, log }: ExporterOptions): Tracing {
  const warn = warnSeldom(log, 'spans could not be sent to OTEL_EXPORTER_OTLP_ENDPOINT')
  const ignore = () => undefined
  const logger = { error: warn, warn, info: ignore, debug: ignore, verbose: ignore }
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true })
  const options = { url: `${endpoint.replace(/\/+$/, '')}/v1/traces`, timeoutMillis: SEND_WITHIN }
  const exporter = protocol === 'http/json' ? new JsonExporter(options) : new ProtobufExporter(options)
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': name }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [
      withoutWords,
      new BatchSpanProcessor(exporter, { maxQueueSize: MOST_WAITING, exportTimeoutMillis: SEND_WITHIN })
    ]
  })
  trace.setGlobalTracerProvider(provider)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  switchTracing(true)
  return {
    async stop() {
      switchTracing(false)
      await withinTime(provider.shutdown(), LAST_WITHIN, 'the last spans were not sent').catch(error =>
        warn(error.message)
      )
      trace.disable()
      context.disable()
      propagation.disable()
      diag.disable()
    }
  }
}

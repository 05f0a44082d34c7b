import { type Group, optional, setting } from '../setting.js'
import { choice, text, web } from '../value-types.js'

const dsn = text('https://KEY@HOST/PROJECT, as the settings of the project at Sentry show it', isDsn)

export const telemetry = {
  title: 'Traces and error reports',
  settings: {
    otlpEndpoint: optional('OTEL_EXPORTER_OTLP_ENDPOINT', web('http://127.0.0.1:4318'), {
      doc: 'an OpenTelemetry collector that takes OTLP over HTTP: each request and job becomes a trace; unset, none does. `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER` and `OTEL_EXPORTER_OTLP_HEADERS` count, too',
      example: ''
    }),
    otlpProtocol: setting('OTEL_EXPORTER_OTLP_PROTOCOL', choice(['http/protobuf', 'http/json']), {
      default: 'http/protobuf',
      doc: 'how spans are written; gRPC is not spoken: collectors take HTTP on port 4318'
    }),
    sentryDsn: optional('SENTRY_DSN', dsn, {
      secret: true,
      doc: 'reports errors and alerts to Sentry, without personal data; unset, the log and `ops attention` alone have them',
      example: ''
    })
  }
} satisfies Group

/** https://develop.sentry.dev/sdk/overview/#parsing-the-dsn */
function isDsn(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  if (!['http:', 'https:'].includes(url.protocol)) return false
  return /^[\w-]+$/.test(url.username) && /\/\d+$/.test(url.pathname) && url.search === '' && url.hash === ''
}

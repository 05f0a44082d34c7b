import { type Group, setting } from '../setting.js'
import { choice, flag, integer, port, text, type ValueType } from '../value-types.js'

const environmentName = text('production, or any other name')
const isProduction: ValueType<boolean> = {
  takes: environmentName.takes,
  schema: environmentName.schema.transform(name => name === 'production')
}

export const general = {
  title: 'General',
  settings: {
    production: setting('NODE_ENV', isProduction, {
      default: 'development',
      doc: '`production`: the simulator is refused, the origins of the storefront have to be set, logs are JSON'
    }),
    port: setting('PORT', port, {
      default: '3000',
      doc: 'where the ingress listens',
      npmStart: 'another one when 3000 is taken'
    }),
    logLevel: setting('LOG_LEVEL', choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']), {
      default: 'info',
      doc: 'the least that is logged'
    }),
    paymentLogging: setting('PAYMENT_LOGGING_ENABLED', flag, {
      default: 'true',
      doc: '`false`: warnings and errors only'
    }),
    shutdownDelayMs: setting('SHUTDOWN_DELAY_MS', integer(0, 60_000), {
      default: '0',
      doc: 'how long the ingress goes on taking requests after SIGTERM, while `/readyz` says 503, in milliseconds: longer than a balancer takes to look twice'
    }),
    keepAliveMs: setting('KEEP_ALIVE_MS', integer(1_000, 3_600_000), {
      default: '65000',
      doc: 'how long a connection is kept without a request, in milliseconds: longer than your balancer keeps it (60 seconds, most)'
    }),
    maintenance: setting('MAINTENANCE', flag, {
      default: 'false',
      doc: '`true`: new checkouts and orders get 503; webhooks and workers go on'
    })
  }
} satisfies Group

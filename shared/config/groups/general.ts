import { type Group, setting } from '../setting.js'
import { choice, flag, port, text, type ValueType } from '../value-types.js'

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
    maintenance: setting('MAINTENANCE', flag, {
      default: 'false',
      doc: '`true`: new checkouts and orders get 503; webhooks and workers go on'
    })
  }
} satisfies Group

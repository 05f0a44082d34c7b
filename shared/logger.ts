import { type Logger, type LoggerOptions, pino, stdTimeFunctions } from 'pino'
import { maskJson, PERSONAL_FIELDS } from './identity/masking.js'

export type { Logger }

/** Fields that are never written, wherever they stand (two levels deep): secrets, tokens and personal data. */
const SECRET_FIELDS = [
  'authorization',
  'cookie',
  'set-cookie',
  'stripe-signature',
  'password',
  'secret',
  'token',
  ...PERSONAL_FIELDS
]

/** JSON lines; in a terminal outside production, readable ones. */
export function createLogger(options: {
  level: string
  production: boolean
  name: string
  /** Where the lines go instead of the standard output. */
  destination?: { write(line: string): void }
}): Logger {
  const pretty = !options.production && process.stdout.isTTY === true
  const settings: LoggerOptions = {
    name: options.name,
    level: options.level,
    timestamp: stdTimeFunctions.isoTime,
    base: { pid: process.pid },
    formatters: { level: label => ({ level: label }) },
    serializers: { err: errorFields },
    hooks: { streamWrite: maskJson },
    redact: {
      paths: SECRET_FIELDS.flatMap(field => [`["${field}"]`, `*["${field}"]`, `*.*["${field}"]`]),
      censor: '[redacted]'
    },
    ...(pretty
      ? { transport: { target: 'pino-pretty', options: { translateTime: 'HH:MM:ss', ignore: 'pid,name' } } }
      : {})
  }
  return options.destination === undefined ? pino(settings) : pino(settings, options.destination)
}

/** What a log needs of an error. Drivers hang whole connections on theirs, with their settings and without an end. */
function errorFields(error: unknown) {
  if (!(error instanceof Error)) return { message: String(error) }
  const { code } = error as { code?: unknown }
  return { type: error.name, message: error.message, code, stack: error.stack }
}

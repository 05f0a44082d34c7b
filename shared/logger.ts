import { createRequire } from 'node:module'
import { type Logger, type LoggerOptions, pino, stdTimeFunctions } from 'pino'
import { maskJson, PERSONAL_FIELDS } from './identity/masking.js'
import { openLogOutput } from './log-output.js'
import { currentTraceId } from './tracing.js'

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

/** https://github.com/pinojs/pino/blob/main/docs/api.md#logger-level */
const ERROR_LEVEL = 50

type HearError = (fields: unknown, message: string | undefined) => void
let hearError: HearError | undefined

/** Hears of every line of this process that says `error` or `fatal`; undefined for nobody any more. */
export function onLoggedError(hear: HearError | undefined): void {
  hearError = hear
}

/** JSON lines; in a terminal outside production, readable ones. */
export function createLogger(options: {
  level: string
  production: boolean
  name: string
  /** Where the lines go instead of the standard output. */
  destination?: { write(line: string): void }
}): Logger {
  const pretty = !options.production && process.stdout.isTTY === true && hasPretty()
  const settings: LoggerOptions = {
    name: options.name,
    level: options.level,
    timestamp: stdTimeFunctions.isoTime,
    base: { pid: process.pid },
    formatters: { level: label => ({ level: label }) },
    serializers: { err: errorFields },
    mixin: () => {
      const traceId = currentTraceId()
      return traceId === undefined ? {} : { traceId }
    },
    hooks: {
      streamWrite: maskJson,
      logMethod(line, write, level) {
        if (level >= ERROR_LEVEL) hearError?.(line[0], line.length > 1 ? String(line[1]) : undefined)
        write.apply(this, line)
      }
    },
    redact: {
      paths: SECRET_FIELDS.flatMap(field => [`["${field}"]`, `*["${field}"]`, `*.*["${field}"]`]),
      censor: '[redacted]'
    },
    ...(pretty
      ? { transport: { target: 'pino-pretty', options: { translateTime: 'HH:MM:ss', ignore: 'pid,name' } } }
      : {})
  }
  return pretty ? pino(settings) : pino(settings, options.destination ?? openLogOutput())
}

/** What a log needs of an error. Drivers hang whole connections on theirs, with their settings and without an end. */
function errorFields(error: unknown) {
  if (!(error instanceof Error)) return { message: String(error) }
  const { code } = error as { code?: unknown }
  return { type: error.name, message: error.message, code, stack: error.stack }
}

/** It is a development dependency: an installation without those writes JSON. */
function hasPretty(): boolean {
  try {
    createRequire(import.meta.url).resolve('pino-pretty')
    return true
  } catch {
    return false
  }
}

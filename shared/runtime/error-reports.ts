import type { Config } from '../config/config.js'
import { SECOND } from '../duration.js'
import { maskText } from '../identity/masking.js'
import { type Logger, onLoggedError } from '../logger.js'
import { currentTraceId } from '../tracing.js'
import { outgoingFetch } from './outgoing.js'
import type { ErrorReport } from './sentry.js'

export interface ErrorReports {
  /** Waits two seconds for what is still being sent. */
  stop(): Promise<void>
}

/** What goes along with an error. All else that a line of the log has stays here. */
const TAGS = ['alert', 'requestId', 'queue', 'phase'] as const
const IDS = ['orderId', 'checkoutId', 'eventId', 'jobId', 'attempt'] as const

/**
 * Reports what is logged as an error, alerts too, to SENTRY_DSN; undefined, and nothing is loaded, without it. Of a person
 * nothing leaves: our own sentences, ids of rows, and of a foreign error its type, its stack, and its message without what
 * it quotes. A Sentry that is away costs the reports: the log and `ops attention` have everything.
 */
export async function startErrorReports(
  { telemetry, proxies }: Config,
  name: string,
  log: Logger
): Promise<ErrorReports | undefined> {
  if (telemetry.sentryDsn === undefined) return undefined
  const { openSentry } = await import('./sentry.js')
  const sentry = openSentry(telemetry.sentryDsn, log, outgoingFetch(proxies))
  onLoggedError((line, message) => {
    const report = reportOf(line, message)
    if (report !== undefined) sentry.send({ ...report, tags: { ...report.tags, process: name } })
  })
  return {
    async stop() {
      onLoggedError(undefined)
      await sentry.close(2 * SECOND)
    }
  }
}

/** Undefined for the line of an answered request: what made it a 500 has a line of its own. */
export function reportOf(line: unknown, said: string | undefined): ErrorReport | undefined {
  const fields = (typeof line === 'object' && line !== null ? line : {}) as Record<string, unknown>
  if ('res' in fields) return undefined
  const error = line instanceof Error ? line : fields.err instanceof Error ? fields.err : undefined
  const message = said ?? (typeof line === 'string' ? line : 'an error')
  const traceId = currentTraceId()
  return {
    message: maskText(message),
    tags: { ...picked(fields, TAGS), ...(traceId === undefined ? {} : { traceId }) },
    ids: picked(fields, IDS),
    error: error && { type: error.name, message: withoutQuoted(error.message), stack: framesOf(error) }
  }
}

function picked(fields: Record<string, unknown>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap(name => {
      const value = fields[name]
      return typeof value === 'string' || typeof value === 'number' ? [[name, maskText(String(value))]] : []
    })
  )
}

const MOST_OF_MESSAGE = 500

/** Drivers and Stripe quote what they were sent: names and addresses have no form by which they could be known. */
function withoutQuoted(message: string): string {
  const told = message.replace(/=\([^)\n]*\)?/g, '=[quoted]').replace(/(["'`“‘«])[^\n]*?(?:["'`”’»]|$)/gm, '[quoted]')
  return maskText(told.split('\n', 1)[0] ?? '').slice(0, MOST_OF_MESSAGE)
}

/** The lines of the stack that name a place; the message, which stands above them, may look like one. */
function framesOf(error: Error): string {
  const stack = error.stack ?? ''
  const after = stack.startsWith(`${error.name}: ${error.message}`)
    ? stack.slice(error.name.length + 2 + error.message.length)
    : ''
  return after
    .split('\n')
    .filter(line => /^\s+at /.test(line))
    .join('\n')
}

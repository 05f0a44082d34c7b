import { createStackParser, createTransport } from '@sentry/core'
import { nodeStackLineParser, ServerRuntimeClient } from '@sentry/core/server'
import { SECOND } from '../duration.js'
import { messageOf } from '../errors.js'
import type { Logger } from '../logger.js'
import type { Fetch } from './outgoing.js'
import { warnSeldom } from './warn-seldom.js'

export interface ErrorReport {
  message: string
  tags: Record<string, string>
  ids: Record<string, string>
  error: { type: string; message: string; stack: string } | undefined
}

export interface Sentry {
  send(report: ErrorReport): void
  /** Waits `withinMs` milliseconds for what is being sent. */
  close(withinMs: number): Promise<void>
}

const SEND_WITHIN = 5 * SECOND

/** A client without integrations: it collects nothing by itself, and sends what it is given. */
export function openSentry(dsn: string, log: Logger, call: Fetch): Sentry {
  const parseStack = createStackParser(nodeStackLineParser())
  const warn = warnSeldom(log, 'errors could not be reported to SENTRY_DSN')
  const client = new ServerRuntimeClient({
    dsn,
    integrations: [],
    stackParser: parseStack,
    environment: process.env.NODE_ENV ?? 'development',
    transport: options =>
      createTransport(options, async ({ body }) => {
        try {
          return await post(call, options.url, body, options.headers)
        } catch (error) {
          warn(messageOf(error))
          throw error
        }
      })
  })
  client.init()
  return {
    send({ message, tags, ids, error }) {
      const exception = error && {
        values: [
          {
            type: error.type,
            value: error.message,
            stacktrace: { frames: parseStack(`${error.type}\n${error.stack}`) }
          }
        ]
      }
      client.captureEvent({ level: 'error', message, tags, extra: ids, exception, platform: 'node' })
    },
    async close(withinMs) {
      await client.close(withinMs)
    }
  }
}

async function post(call: Fetch, url: string, body: string | Uint8Array, headers: Record<string, string> | undefined) {
  const response = await call(url, {
    method: 'POST',
    body: body as BodyInit,
    headers,
    signal: AbortSignal.timeout(SEND_WITHIN)
  })
  await response.body?.cancel()
  return {
    statusCode: response.status,
    headers: {
      'x-sentry-rate-limits': response.headers.get('x-sentry-rate-limits'),
      'retry-after': response.headers.get('retry-after')
    }
  }
}

import pg from 'pg'
import { SECOND } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import type { Logger } from '../shared/logger.js'
import { CHECKOUT_CHANGED } from '../shared/statements/checkouts.js'

/** Hears from PostgreSQL which checkouts changed, on one connection for the whole process. */
export interface CheckoutWatcher {
  watch(checkoutId: string): Watch
  close(): Promise<void>
}

export interface Watch {
  /**
   * Resolves when the checkout changed since the last call, or after `ms` milliseconds at most. Sooner while the
   * notifications are interrupted: then the caller has to look.
   */
  changed(ms: number): Promise<void>
  /** Ends a wait that is under way. */
  stop(): void
}

const POLL_WHILE_DEAF = SECOND / 4
const RECONNECT_AFTER = SECOND / 2

export function createCheckoutWatcher(connectionString: string, log: Logger): CheckoutWatcher {
  const watched = new Map<string, Set<() => void>>()
  let client: pg.Client | undefined
  let listening = false
  let closed = false
  let reconnect: NodeJS.Timeout | undefined

  async function connect(): Promise<void> {
    if (closed) return
    const connection = new pg.Client({
      connectionString,
      application_name: 'tillworks-watcher',
      keepAlive: true,
      connectionTimeoutMillis: 5 * SECOND
    })
    client = connection
    connection.on('notification', message => wake(message.payload))
    connection.on('error', error => lost(connection, error))
    connection.on('end', () => lost(connection, new Error('the connection ended')))
    try {
      await connection.connect()
      await connection.query(`LISTEN ${CHECKOUT_CHANGED}`)
      listening = true
      // What changed while nobody listened.
      for (const wakers of watched.values()) for (const waker of wakers) waker()
    } catch (error) {
      lost(connection, error)
    }
  }

  function lost(connection: pg.Client, error: unknown): void {
    if (closed || client !== connection) return
    client = undefined
    listening = false
    log.warn({ reason: messageOf(error) }, 'checkout notifications are interrupted; polling until they are back')
    connection.end().catch(() => log.debug('the broken notification connection could not be ended'))
    reconnect = setTimeout(connect, RECONNECT_AFTER)
  }

  function wake(checkoutId: string | undefined): void {
    for (const waker of watched.get(checkoutId ?? '') ?? []) waker()
  }

  void connect()

  return {
    watch(checkoutId) {
      let pending = false
      let resolveWait: (() => void) | undefined
      const waker = () => {
        pending = true
        resolveWait?.()
      }
      const wakers = watched.get(checkoutId) ?? new Set()
      watched.set(checkoutId, wakers.add(waker))
      return {
        async changed(ms) {
          if (!pending) {
            const wait = listening ? ms : Math.min(ms, POLL_WHILE_DEAF)
            await new Promise<void>(resolve => {
              const timer = setTimeout(resolve, wait)
              resolveWait = () => {
                clearTimeout(timer)
                resolve()
              }
            })
          }
          pending = false
          resolveWait = undefined
        },
        stop() {
          wakers.delete(waker)
          if (wakers.size === 0) watched.delete(checkoutId)
          resolveWait?.()
        }
      }
    },
    async close() {
      closed = true
      clearTimeout(reconnect)
      await client?.end()
    }
  }
}

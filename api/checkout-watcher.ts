import { SECOND } from '../shared/duration.js'
import { directAccess } from '../shared/runtime/pooling.js'
import type { Services } from '../shared/runtime/services.js'
import { CHECKOUT_CHANGED } from '../shared/statements/checkouts.js'
import { createProvenListener, deafListener } from './proven-listener.js'

/** Hears from PostgreSQL which checkouts changed, on one connection for the whole process. */
export interface CheckoutWatcher {
  watch(checkoutId: string): Watch
  close(): Promise<void>
}

export interface Watch {
  /**
   * Resolves when the checkout changed since the last call, or after `ms` milliseconds at most. Sooner while notifications
   * may be missed: then the caller has to look.
   */
  changed(ms: number): Promise<void>
  /** Ends a wait that is under way; later ones end at once. */
  stop(): void
}

/** Less and less often, and not all at once. */
const POLL_IN_DOUBT = { first: SECOND / 4, longest: 2 * SECOND }
/** While somebody waits; a checkout is decided before that, as a rule, and nothing is sent. */
const PROVE_EVERY = SECOND

export function createCheckoutWatcher({ config, db, log }: Pick<Services, 'config' | 'db' | 'log'>): CheckoutWatcher {
  const watched = new Map<string, Set<() => void>>()
  let prover: NodeJS.Timeout | undefined
  const { pooling, directUrl } = config.database
  const isHeard = pooling !== 'transaction' || directUrl !== undefined
  const listener = isHeard
    ? createProvenListener({
        access: directAccess(config.database),
        channel: CHECKOUT_CHANGED,
        db: db.pool,
        log,
        onHeard: checkoutId => wake(watched.get(checkoutId ?? '')),
        // What changed while nobody listened; or nobody knows how long the others would wait.
        onChange: () => watched.forEach(wake)
      })
    : deafListener

  return {
    watch(checkoutId) {
      let pending = false
      let stopped = false
      let resolveWait: (() => void) | undefined
      let polls = 0
      const waker = () => {
        pending = true
        resolveWait?.()
      }
      const wakers = watched.get(checkoutId) ?? new Set()
      watched.set(checkoutId, wakers.add(waker))
      prover ??= setInterval(() => listener.prove(), PROVE_EVERY)
      return {
        async changed(ms) {
          if (!pending && !stopped) {
            polls = listener.isSure() ? 0 : polls + 1
            const wait = polls === 0 ? ms : Math.min(ms, pauseBeforePoll(polls))
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
          stopped = true
          wakers.delete(waker)
          if (wakers.size === 0 && watched.get(checkoutId) === wakers) watched.delete(checkoutId)
          if (watched.size === 0) {
            clearInterval(prover)
            prover = undefined
          }
          resolveWait?.()
        }
      }
    },
    async close() {
      clearInterval(prover)
      await listener.close()
    }
  }
}

function pauseBeforePoll(number: number): number {
  const pause = Math.min(POLL_IN_DOUBT.first * 2 ** (number - 1), POLL_IN_DOUBT.longest)
  return pause * (1 - Math.random() / 4)
}

function wake(wakers: Set<() => void> | undefined): void {
  for (const waker of wakers ?? []) waker()
}

import type { Request, Response } from 'express'
import { isGone } from '../shared/runtime/client-gone.js'
import { type CheckoutRow, readCheckout } from '../shared/statements/checkouts.js'
import type { Watch } from './checkout-watcher.js'
import type { Ingress } from './ingress.js'

interface Wait {
  watch: Watch
  id: string
  waitMs: number
  /** Whether it has come to what is waited for. */
  until(checkout: CheckoutRow): boolean
  /** It may have come to it already. */
  lookFirst?: boolean
}

/** The checkout once it has come to what is waited for, or undefined when `waitMs` is over or the client is gone first. */
export async function waitForCheckout(
  ingress: Ingress,
  response: Response,
  { watch, id, waitMs, until, lookFirst = false }: Wait
): Promise<CheckoutRow | undefined> {
  const deadline = performance.now() + waitMs
  for (let look = lookFirst; !isGone(response); look = true) {
    if (look) {
      const checkout = await readCheckout(ingress.db.pool, id)
      if (checkout !== undefined && until(checkout)) return checkout
    }
    const left = deadline - performance.now()
    if (left <= 0) return undefined
    await watch.changed(left)
  }
  return undefined
}

/** RFC 7240. */
export function prefersAsync(request: Request): boolean {
  return /(^|[,;\s])respond-async([,;\s]|$)/i.test(request.get('prefer') ?? '')
}

export function statusPath(checkoutId: string): string {
  return `/api/stripe/checkout/${checkoutId}`
}

import type { Request, Response } from 'express'
import { Problem } from '../shared/errors.js'
import { publicPath } from '../shared/runtime/base-path.js'
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

/** How long somebody who mends a key may take, in seconds. */
const KEY_RETRY_AFTER = '30'

/**
 * The checkout once it has come to what is waited for, or undefined when `waitMs` is over or the client is gone first. Throws as
 * soon as it is known that Stripe refuses our API key: nothing will come of the wait, and the checkout keeps its place.
 */
export async function waitForCheckout(
  ingress: Ingress,
  response: Response,
  { watch, id, waitMs, until, lookFirst = false }: Wait
): Promise<CheckoutRow | undefined> {
  const deadline = performance.now() + waitMs
  const begun = ingress.now()
  let refusedAt: Date | null = null
  for (let look = lookFirst; !isGone(response); look = true) {
    if (look) {
      const checkout = await readCheckout(ingress.db.pool, id)
      if (checkout !== undefined && until(checkout)) return checkout
      refusedAt = checkout?.keyRefusedAt ?? null
    }
    const left = deadline - performance.now()
    // One of before this request may be over: the workers try again.
    if (refusedAt !== null && waitMs > 0 && (refusedAt >= begun || left <= 0)) throw keyRefused(ingress, id)
    if (left <= 0) return undefined
    await watch.changed(left)
  }
  return undefined
}

function keyRefused(ingress: Ingress, checkoutId: string): Problem {
  return new Problem(
    'unavailable',
    {
      detail:
        'The payment provider does not take our requests at the moment. Nothing was charged and the goods are kept: send the same request again, or ask at the address in Location.',
      checkoutId
    },
    { Location: statusPath(ingress, checkoutId), 'Retry-After': KEY_RETRY_AFTER }
  )
}

/** RFC 7240. */
export function prefersAsync(request: Request): boolean {
  return /(^|[,;\s])respond-async([,;\s]|$)/i.test(request.get('prefer') ?? '')
}

export function statusPath({ config }: Ingress, checkoutId: string): string {
  return publicPath(config.basePath, `/api/stripe/checkout/${checkoutId}`)
}

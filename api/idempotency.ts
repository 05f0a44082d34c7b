import { createHash } from 'node:crypto'
import type { Request } from 'express'
import { canonicalJson } from '../shared/canonical-json.js'
import type { Cart } from '../shared/cart.js'
import { Problem } from '../shared/errors.js'

export interface RequestKey {
  key: string
  /** Made from the request because the caller sent none. */
  derived: boolean
  /** Equal for equal requests. */
  fingerprint: string
}

/**
 * The key under which a checkout is claimed: the caller's Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), or
 * one made from user, action and cart. A caller's key is the user's own: two users may send the same one.
 */
export function requestKey(request: Request, userId: string, cart: Cart): RequestKey {
  const fingerprint = hash(canonicalJson({ userId, action: 'checkout', cart: ordered(cart) }))
  const given = request.get('idempotency-key')
  if (given === undefined) return { key: `checkout:derived:${fingerprint}`, derived: true, fingerprint }
  if (given.length < 1 || given.length > 255 || !/^[\x20-\x7e]+$/.test(given)) {
    throw new Problem('invalid_request', {
      detail: 'The Idempotency-Key header is not valid.',
      errors: { 'Idempotency-Key': 'Must have 1 to 255 printable ASCII characters' }
    })
  }
  return { key: `checkout:given:${hash(canonicalJson({ userId, given }))}`, derived: false, fingerprint }
}

/** The order of the lines does not make another cart. */
function ordered(cart: Cart): Cart {
  return { ...cart, items: [...cart.items].sort((a, b) => (a.productId < b.productId ? -1 : 1)) }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

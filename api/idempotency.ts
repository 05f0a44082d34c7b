import { createHash } from 'node:crypto'
import type { Request } from 'express'
import { HOUR } from '../shared/duration.js'
import { Problem } from '../shared/errors.js'
import type { Cart } from '../shared/rules/cart.js'
import { canonicalJson } from './canonical-json.js'

export interface RequestKey {
  key: string
  /** Made from the request because the caller sent none. */
  derived: boolean
  /** Equal for equal requests. */
  fingerprint: string
}

/** How long the caller's key is remembered. */
export const KEY_LIFETIME = 24 * HOUR

/** The key under which a checkout is claimed: the caller's, or one made from user, action and cart. */
export function requestKey(request: Request, userId: string, cart: Cart, currency: string): RequestKey {
  const fingerprint = hash(canonicalJson({ userId, action: 'checkout', cart: ordered(cart) }))
  const key = givenKey(request, userId, 'checkout')
  // The same cart in another currency is another cart.
  if (key === undefined) return { key: `checkout:derived:${hash(fingerprint + currency)}`, derived: true, fingerprint }
  return { key, derived: false, fingerprint }
}

/** The key under which an order is claimed; undefined when the caller sends none: the same cart may be ordered twice. */
export function orderKey(request: Request, userId: string, order: object): Omit<RequestKey, 'derived'> | undefined {
  const key = givenKey(request, userId, 'order')
  if (key === undefined) return undefined
  return { key, fingerprint: hash(canonicalJson({ userId, action: 'order', order })) }
}

/** The caller's Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), the user's own: two may send the same. */
function givenKey(request: Request, userId: string, action: 'checkout' | 'order'): string | undefined {
  const given = readKey(request.get('idempotency-key'))
  return given === undefined ? undefined : `${action}:given:${hash(canonicalJson({ userId, given }))}`
}

/** What a caller gives as Idempotency-Key, if it is one. */
export function readKey(given: string | undefined): string | undefined {
  if (given === undefined) return undefined
  if (given.length < 1 || given.length > 255 || !/^[\x20-\x7e]+$/.test(given)) {
    throw new Problem('invalid_request', {
      detail: 'The Idempotency-Key header is not valid.',
      errors: { 'Idempotency-Key': 'Must have 1 to 255 printable ASCII characters' }
    })
  }
  return given
}

/** The order of the lines does not make another cart. */
function ordered(cart: Cart): Cart {
  return { ...cart, items: [...cart.items].sort((a, b) => (a.productId < b.productId ? -1 : 1)) }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

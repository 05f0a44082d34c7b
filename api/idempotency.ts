import { createHash } from 'node:crypto'
import type { Request } from 'express'
import { HOUR } from '../shared/duration.js'
import { Problem } from '../shared/errors.js'
import type { Cart } from '../shared/rules/cart.js'
import { keyOf } from '../shared/rules/order-line.js'
import type { ShopMetadata } from '../shared/rules/shop-metadata.js'
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

/** In which currency a request is, and in which one that names none. */
export interface RequestCurrency {
  currency: string
  usual: string
}

/** The key under which a checkout is claimed: the caller's, or one made from user, action, cart, the shop's metadata and currency. */
export function requestKey(
  request: Request,
  userId: string,
  { cart, metadata }: { cart: Cart; metadata?: ShopMetadata },
  of: RequestCurrency
): RequestKey {
  const { currency } = of
  const fingerprintOf = (cart: Cart) =>
    hash(canonicalJson({ userId, action: 'checkout', cart: ordered(cart), metadata, ...unlessUsual(of) }))
  const key = givenKey(request, userId, 'checkout')
  if (key !== undefined) return { key, derived: false, fingerprint: fingerprintOf(cart) }
  // The same cart in another language shares its Session; in another currency, also once PAYMENT_CURRENCY is another, it is
  // another cart.
  const fingerprint = fingerprintOf({ ...cart, locale: undefined })
  return { key: `checkout:derived:${hash(fingerprint + currency)}`, derived: true, fingerprint }
}

/** The key under which an order is claimed; undefined when the caller sends none: the same cart may be ordered twice. */
export function orderKey(
  request: Request,
  userId: string,
  order: object,
  of: RequestCurrency
): Omit<RequestKey, 'derived'> | undefined {
  const key = givenKey(request, userId, 'order')
  if (key === undefined) return undefined
  return { key, fingerprint: hash(canonicalJson({ userId, action: 'order', order, ...unlessUsual(of) })) }
}

/** Whoever names the usual currency asks for the same as who names none. */
function unlessUsual({ currency, usual }: RequestCurrency): { currency?: string } {
  return currency === usual ? {} : { currency }
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
  return { ...cart, items: [...cart.items].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)) }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

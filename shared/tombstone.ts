import { createHmac, timingSafeEqual } from 'node:crypto'
import type { ExpiredChain, Tombstone } from './statements/audit-trail.js'

/** What AUTH_SECRET says of a removed chain: HMAC-SHA256 over its name, its length and its last hash. */
export function signTombstone({ chain, rows, lastHash }: ExpiredChain, secret: string): string {
  return createHmac('sha256', secret)
    .update(JSON.stringify(['audit tombstone', chain, rows, lastHash]))
    .digest('hex')
}

export function isSigned(tombstone: Tombstone, secret: string): boolean {
  const expected = Buffer.from(signTombstone(tombstone, secret))
  const given = Buffer.from(tombstone.signature)
  return expected.length === given.length && timingSafeEqual(expected, given)
}

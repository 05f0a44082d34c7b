import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { Config } from '../config/config.js'
import type { SignedChain, Tombstone } from '../statements/audit-trail.js'

export type TombstoneCheck =
  | { signed: true }
  /** `certain` is false when it may also be that the key is not set any more; `missing` says which. */
  | { signed: false; certain: true }
  | { signed: false; certain: false; missing: string }

/** What the keys are in. */
export type Keys = Pick<Config, 'audit' | 'auth'>

interface SigningKey {
  id: string
  key: Buffer
}

/** `v2.KEY.HMAC-SHA256`, over the chain's name, its length and its last hash. */
export function signTombstone(chain: SignedChain, config: Keys): string {
  const [newest] = signingKeys(config) as [SigningKey, ...SigningKey[]]
  return `v2.${newest.id}.${hmac(newest.key, chain)}`
}

/** Reads every key that is set, and what releases before AUDIT_SIGNING_KEY have signed with AUTH_SECRET itself. */
export function checkTombstone(tombstone: Tombstone, config: Keys): TombstoneCheck {
  const [version, id, signature = ''] = tombstone.signature.split('.')
  if (version !== 'v2' || id === undefined) {
    const signed = config.auth.secrets.some(secret => isEqual(hmac(secret, tombstone), tombstone.signature))
    return signed ? { signed } : { signed, certain: false, missing: 'the AUTH_SECRET of that time' }
  }
  const known = signingKeys(config).find(each => each.id === id)
  if (known === undefined) {
    return { signed: false, certain: false, missing: `the key ${id} (of AUDIT_SIGNING_KEY, or of AUTH_SECRET)` }
  }
  return isEqual(hmac(known.key, tombstone), signature) ? { signed: true } : { signed: false, certain: true }
}

/** The newest first. Without a key of its own the trail has one that is derived from AUTH_SECRET (RFC 5869). */
function signingKeys({ audit, auth }: Keys): SigningKey[] {
  return [
    ...audit.signingKeys.map(secret => derive(secret, 'Tillworks AUDIT_SIGNING_KEY')),
    ...auth.secrets.map(secret => derive(secret, 'Tillworks audit tombstones of AUTH_SECRET'))
  ]
}

function derive(secret: string, info: string): SigningKey {
  const key = Buffer.from(hkdfSync('sha256', secret, '', info, 32))
  const id = createHash('sha256').update('key id').update(key).digest('hex').slice(0, 12)
  return { id, key }
}

function hmac(key: Buffer | string, { chain, rows, lastHash }: SignedChain): string {
  return createHmac('sha256', key)
    .update(JSON.stringify(['audit tombstone', chain, rows, lastHash]))
    .digest('hex')
}

function isEqual(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)]
  return a.length === b.length && timingSafeEqual(a, b)
}

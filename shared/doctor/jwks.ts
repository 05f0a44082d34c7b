import { importJWK, type JWK } from 'jose'
import type { Config } from '../config/config.js'
import { SECOND } from '../duration.js'
import { messageOf } from '../errors.js'
import type { Fetch } from '../runtime/outgoing.js'
import { type Finding, fine, must } from './finding.js'
import { reasonOfFetch } from './reason.js'

const ANSWER_WITHIN = 5 * SECOND

type Issuer = NonNullable<Config['auth']['issuer']>

/** Whether the issuer's keys can be fetched, and which of them can check a token that is signed as it may be. */
export async function lookAtJwks({ jwksUrl, algorithms }: Issuer, call: Fetch): Promise<Finding[]> {
  let keys: JWK[]
  try {
    keys = await fetchKeys(jwksUrl, call)
  } catch (error) {
    return [must(`AUTH_JWKS_URL: ${messageOf(error)}. Is it the issuer's jwks_uri, and may this machine reach it?`)]
  }
  const usable = (await Promise.all(keys.map(key => algorithmsOf(key, algorithms)))).filter(found => found.length > 0)
  if (usable.length === 0)
    return [
      must(
        `AUTH_JWKS_URL has no key for ${algorithms.join(', ')} among ${keys.length}: set AUTH_JWT_ALGORITHMS to what the issuer signs with`
      )
    ]
  const which = usable.length === keys.length ? `${keys.length}` : `${usable.length} of ${keys.length}`
  return [fine(`${which} keys at AUTH_JWKS_URL can be used, for ${[...new Set(usable.flat())].join(', ')}`)]
}

async function fetchKeys(url: string, call: Fetch): Promise<JWK[]> {
  let response: Response
  try {
    response = await call(url, { headers: { accept: 'application/json' }, signal: AbortSignal.timeout(ANSWER_WITHIN) })
  } catch (error) {
    throw new Error(`it ${reasonOfFetch(error, ANSWER_WITHIN)}`)
  }
  if (!response.ok) throw new Error(`it answers ${response.status}`)
  const body = (await response.json().catch(() => undefined)) as { keys?: unknown } | undefined
  if (!Array.isArray(body?.keys)) throw new Error('what it answers is no JSON Web Key Set')
  return body.keys as JWK[]
}

/** Those of `allowed` that a token could be checked with by this key. */
async function algorithmsOf(key: JWK, allowed: readonly string[]): Promise<string[]> {
  if (key.use === 'enc') return []
  const candidates =
    key.alg === undefined ? allowed.filter(alg => fits(key, alg)) : allowed.filter(alg => alg === key.alg)
  const imported = await Promise.all(
    candidates.map(alg =>
      importJWK(key, alg).then(
        () => alg,
        () => undefined
      )
    )
  )
  return imported.filter(alg => alg !== undefined)
}

/** RFC 7518, section 6, and RFC 8037: what kind of key an algorithm is for. */
function fits({ kty, crv }: JWK, alg: string): boolean {
  if (/^(RS|PS)/.test(alg)) return kty === 'RSA'
  if (alg === 'EdDSA' || alg === 'Ed25519') return kty === 'OKP' && crv === 'Ed25519'
  return kty === 'EC' && crv === { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }[alg]
}

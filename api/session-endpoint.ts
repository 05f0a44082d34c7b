import { createHash } from 'node:crypto'
import type { Config } from '../shared/config/config.js'
import { SECOND } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import { readClaim } from '../shared/identity/claims.js'
import { type ClaimNames, type Customer, customerOf, STANDARD_CLAIMS } from '../shared/identity/customer-claims.js'
import type { Fetch } from '../shared/runtime/outgoing.js'

const TIMEOUT = 5 * SECOND
const MOST_BYTES = 64 * 1024
/** Sessions whose answer is kept; the one that was asked about longest ago goes first. */
const MOST_KEPT = 10_000
/** Calls under way. Others are told to come again. */
const MOST_CALLS = 200
/** That nobody is signed in is believed for less: whoever signs in may keep the cookie. */
const NOBODY_FOR = SECOND

/** The shop's session endpoint cannot be asked, or says what cannot be read: nobody can tell who is signed in. */
export class SessionEndpointError extends Error {
  override readonly name = 'SessionEndpointError'
}

/** The headers of a request by which the endpoint knows its session. */
export interface SessionHeaders {
  cookie?: string
  authorization?: string
}

/** Who is signed in, by the shop's own word; undefined for nobody. Throws a SessionEndpointError. */
export type AskSessionEndpoint = (headers: SessionHeaders) => Promise<Customer | undefined>

interface Kept {
  customer: Customer | undefined
  until: number
}

/**
 * Asks AUTH_SESSION_URL. Requests of one session at one time share a call, and its answer for as long as it is kept; what
 * is kept is named by a hash, so that no cookie stays in memory.
 */
export function sessionEndpoint(
  { url, cacheMs }: NonNullable<Config['auth']['session']>,
  claims: ClaimNames,
  { mostKept = MOST_KEPT, mostCalls = MOST_CALLS, timeoutMs = TIMEOUT, call = fetch as Fetch } = {}
): AskSessionEndpoint {
  const kept = new Map<string, Kept>()
  const calls = new Map<string, Promise<Customer | undefined>>()

  const askNow = async (key: string, headers: SessionHeaders) => {
    const customer = customerIn(await fetchSession(url, headers, timeoutMs, call), claims)
    const until = performance.now() + (customer === undefined ? Math.min(cacheMs, NOBODY_FOR) : cacheMs)
    kept.delete(key)
    if (cacheMs > 0) kept.set(key, { customer, until })
    if (kept.size > mostKept) kept.delete(kept.keys().next().value as string)
    return customer
  }

  return async headers => {
    const key = keyOf(headers)
    const known = kept.get(key)
    if (known !== undefined && known.until > performance.now()) return known.customer
    const underWay = calls.get(key)
    if (underWay !== undefined) return await underWay
    if (calls.size >= mostCalls) throw new SessionEndpointError(`${mostCalls} calls are under way`)
    const call = askNow(key, headers).finally(() => calls.delete(key))
    calls.set(key, call)
    return await call
  }
}

function keyOf({ cookie = '', authorization = '' }: SessionHeaders): string {
  return createHash('sha256')
    .update(JSON.stringify([cookie, authorization]))
    .digest('base64')
}

/** The endpoint's answer; null when it says that nobody is signed in. */
async function fetchSession(url: string, headers: SessionHeaders, timeoutMs: number, call: Fetch): Promise<unknown> {
  try {
    const response = await call(url, {
      headers: { Accept: 'application/json', 'User-Agent': 'Tillworks', ...headers },
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs)
    })
    if (saysNobody(response.status)) {
      await response.body?.cancel()
      return null
    }
    if (!response.ok) {
      await response.body?.cancel()
      throw new Error(`it answers ${response.status}`)
    }
    const text = await readText(response)
    return text === '' ? null : JSON.parse(text)
  } catch (error) {
    throw new SessionEndpointError(error instanceof SyntaxError ? 'its answer is not JSON' : messageOf(error))
  }
}

/** 204 says so, 401 and 403, and a redirect to a page to sign in at. A page that moved for good (301, 308) is another matter. */
function saysNobody(status: number): boolean {
  return [204, 302, 303, 307, 401, 403].includes(status)
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    // Leaving the loop cancels what is still to come.
    if (bytes > MOST_BYTES) throw new Error(`its answer has more than ${MOST_BYTES} bytes`)
    chunks.push(chunk)
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)).trim()
}

/**
 * The customer of an answer: by the claims that are set, or as Auth.js (`{user: {id, email}}`,
 * https://authjs.dev/reference/core/types#session) and better-auth (`{session, user}`) answer. Nobody in null, {} and what has
 * no user at all; a user without an id is a mistake of the settings and no customer who is not signed in.
 */
function customerIn(answer: unknown, claims: ClaimNames): Customer | undefined {
  if (typeof answer !== 'object' || answer === null) {
    if (answer === null || answer === false) return undefined
    throw new SessionEndpointError('its answer is no object')
  }
  // A claim that is set is the only one: another id would be another customer.
  const name = (of: keyof ClaimNames, usual: string) =>
    claims[of] === STANDARD_CLAIMS[of] && !isThere(readClaim(answer, claims[of])) ? usual : claims[of]
  const names = { user: name('user', 'user.id'), email: name('email', 'user.email') }
  if (!isThere(readClaim(answer, names.user)) && !isThere(readClaim(answer, 'user'))) return undefined
  try {
    return customerOf(answer, names)
  } catch (error) {
    throw new SessionEndpointError(
      `${messageOf(error)} in its answer; let it tell the user's id, or set AUTH_USER_CLAIM`
    )
  }
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null
}

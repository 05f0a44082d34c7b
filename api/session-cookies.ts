import { hkdfSync } from 'node:crypto'
import { jwtDecrypt } from 'jose'
import { type ClaimNames, type Customer, customerOf } from '../shared/identity/customer-claims.js'
import { SESSION_COOKIE, verifySessionToken } from '../shared/identity/session-token.js'

/** Of NextAuth and Auth.js: their own tolerance. */
const CLOCK_TOLERANCE_SECONDS = 15
const MAX_CHUNKS = 20

interface CookieScheme {
  /** With and without the prefix that browsers hold to HTTPS. */
  names: string[]
  read(token: string, secret: string, name: string, claims: ClaimNames): Promise<Customer>
}

/** The session cookies that a shop's sign-in may already set, and how each is read; ours first. */
const SCHEMES: CookieScheme[] = [
  {
    names: [SESSION_COOKIE, `__Secure-${SESSION_COOKIE}`],
    // Made by us, with our claims.
    read: (token, secret) => verifySessionToken(token, secret)
  },
  {
    names: ['__Secure-authjs.session-token', 'authjs.session-token'],
    read: (token, secret, name, claims) => decrypt(token, authJsKey(secret, name), 'A256CBC-HS512', claims)
  },
  {
    names: ['__Secure-next-auth.session-token', 'next-auth.session-token'],
    read: (token, secret, _name, claims) => decrypt(token, nextAuthKey(secret), 'A256GCM', claims)
  }
]

export interface SessionCookie extends Pick<CookieScheme, 'read'> {
  name: string
  value: string
}

/** The first session cookie of a request, put together from its chunks. */
export function findSessionCookie(header: string, { onlyOurs = false } = {}): SessionCookie | undefined {
  const cookies = parseCookies(header)
  for (const { names, read } of onlyOurs ? SCHEMES.slice(0, 1) : SCHEMES) {
    for (const name of names) {
      const value = cookies.get(name) ?? joinChunks(cookies, name)
      if (value !== undefined) return { name, value, read }
    }
  }
  return undefined
}

/** A Cookie header without what we have set ourselves. */
export function cookiesOfOthers(header: string): string {
  const others = [...parseCookies(header)].filter(([name]) => !/^(__Secure-)?tillworks\./.test(name))
  return others.map(([name, value]) => `${name}=${value}`).join('; ')
}

/** Large cookies come as name.0, name.1 and so on. */
function joinChunks(cookies: Map<string, string>, name: string): string | undefined {
  const parts: string[] = []
  for (let index = 0; index < MAX_CHUNKS; index++) {
    const part = cookies.get(`${name}.${index}`)
    if (part === undefined) break
    parts.push(part)
  }
  return parts.length === 0 ? undefined : parts.join('')
}

/** RFC 6265, section 4.2; of two cookies of one name the first counts. */
export function parseCookies(header: string): Map<string, string> {
  const cookies = new Map<string, string>()
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=')
    const name = pair.slice(0, at).trim()
    if (at > 0 && !cookies.has(name)) cookies.set(name, pair.slice(at + 1).trim())
  }
  return cookies
}

/** JWE, compact, with the key itself ("dir") and one content encryption: RFC 7516. */
async function decrypt(token: string, key: Uint8Array, encryption: string, claims: ClaimNames): Promise<Customer> {
  const { payload } = await jwtDecrypt(token, key, {
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    keyManagementAlgorithms: ['dir'],
    contentEncryptionAlgorithms: [encryption],
    requiredClaims: ['exp']
  })
  return customerOf(payload, claims)
}

/** https://github.com/nextauthjs/next-auth/blob/v4/packages/next-auth/src/jwt/index.ts */
function nextAuthKey(secret: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, '', 'NextAuth.js Generated Encryption Key', 32))
}

/** https://github.com/nextauthjs/next-auth/blob/main/packages/core/src/jwt.ts: the salt is the cookie's name. */
function authJsKey(secret: string, salt: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, salt, `Auth.js Generated Encryption Key (${salt})`, 64))
}

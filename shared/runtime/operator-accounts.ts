import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Request } from 'express'
import type { Config } from '../config/config.js'
import { withinNetworks } from '../identity/networks.js'

export interface Operator {
  name: string
  /** `catalogue` reads and changes products and nothing else. */
  role: 'operator' | 'viewer' | 'catalogue'
}

/** Who an operator is: signed in by a trusted proxy, or by the name and password of an account (RFC 7617). */
export interface OperatorAccounts {
  byProxy(request: Request): Operator | undefined
  byPassword(credentials: Credentials): Operator | undefined
  /** What a request gives as name and password; undefined when it gives nothing. */
  credentialsOf(request: Request): Credentials | undefined
  /**
   * A mark for who has given these credentials and was let in. It tells nothing, and lets nobody in by itself. All processes
   * of one AUTH_SECRET have the same: a browser keeps one cookie for a host, whatever the port.
   */
  passFor(credentials: Credentials): string
  /** Whether `pass` was made for these credentials, with any AUTH_SECRET of the list, and since a password last changed. */
  isPassFor(credentials: Credentials, pass: string): boolean
}

/** A name and a password, in forms in which they cannot be read. */
export interface Credentials {
  /** By a key of this process alone: what is kept of a wrong password can be tried against nothing. */
  digest: Buffer
  /** One for each AUTH_SECRET, the newest first. */
  passes: readonly string[]
}

export function operatorAccounts({ ops, auth }: Config): OperatorAccounts {
  const key = randomBytes(32)
  const digest = (text: string) => createHmac('sha256', key).update(text).digest()
  const accounts: { credentials: Buffer; operator: Operator }[] = [
    { credentials: digest(`${ops.user}:${ops.password}`), operator: { name: ops.user, role: 'operator' } }
  ]
  if (ops.viewerPassword !== undefined) {
    const { viewerUser: name, viewerPassword } = ops
    accounts.push({ credentials: digest(`${name}:${viewerPassword}`), operator: { name, role: 'viewer' } })
  }
  if (ops.cataloguePassword !== undefined) {
    const { catalogueUser: name, cataloguePassword } = ops
    accounts.push({ credentials: digest(`${name}:${cataloguePassword}`), operator: { name, role: 'catalogue' } })
  }
  const passwords = [
    ops.user,
    ops.password,
    ops.viewerUser,
    ops.viewerPassword ?? null,
    ops.catalogueUser,
    ops.cataloguePassword ?? null
  ]
  const passKeys = auth.secrets.map(secret =>
    // RFC 5869.
    Buffer.from(hkdfSync('sha256', JSON.stringify([secret, ...passwords]), '', 'tillworks operations pass', 32))
  )
  const isProxy = withinNetworks(ops.trustProxy)
  return {
    byProxy(request) {
      const name = ops.proxyUserHeader === undefined ? undefined : request.get(ops.proxyUserHeader)
      if (!name || !isProxy(request.socket.remoteAddress ?? '')) return undefined
      return { name, role: ops.operators.includes(name) ? 'operator' : 'viewer' }
    },
    byPassword(credentials) {
      // Every account is compared, in constant time.
      return accounts.filter(account => timingSafeEqual(account.credentials, credentials.digest))[0]?.operator
    },
    credentialsOf(request) {
      const header = request.get('authorization')
      if (header === undefined) return undefined
      const basic = /^Basic +(\S+)$/i.exec(header)?.[1]
      // What is no name and password is as wrong as one that is.
      const text = basic === undefined ? `not basic: ${header}` : Buffer.from(basic, 'base64').toString()
      return {
        digest: digest(text),
        passes: passKeys.map(passKey => createHmac('sha256', passKey).update(text).digest('base64url'))
      }
    },
    passFor: ({ passes }) => passes[0] ?? '',
    isPassFor: ({ passes }, pass) => passes.some(each => timingSafeEqual(digest(each), digest(pass)))
  }
}

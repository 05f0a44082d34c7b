import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { BlockList, isIPv6 } from 'node:net'
import type { Request } from 'express'
import type { Config } from '../config/config.js'
import { plainAddress } from '../identity/ip-address.js'

export interface Operator {
  name: string
  role: 'operator' | 'viewer'
}

/** Who an operator is: signed in by a trusted proxy, or by the name and password of an account (RFC 7617). */
export interface OperatorAccounts {
  byProxy(request: Request): Operator | undefined
  byPassword(credentials: Buffer): Operator | undefined
  /** What a request gives as name and password, as a digest; undefined when it gives nothing. */
  credentialsOf(request: Request): Buffer | undefined
  /** A mark for who has given these credentials and was let in. It tells nothing, and lets nobody in by itself. */
  passFor(credentials: Buffer): string
}

export function operatorAccounts({ ops }: Config): OperatorAccounts {
  // Of this process alone: what is kept of a wrong password can be tried against nothing.
  const key = randomBytes(32)
  const digest = (text: string) => createHmac('sha256', key).update(text).digest()
  const accounts: { credentials: Buffer; operator: Operator }[] = [
    { credentials: digest(`${ops.user}:${ops.password}`), operator: { name: ops.user, role: 'operator' } }
  ]
  if (ops.viewerPassword !== undefined) {
    const { viewerUser: name, viewerPassword } = ops
    accounts.push({ credentials: digest(`${name}:${viewerPassword}`), operator: { name, role: 'viewer' } })
  }
  const proxies = networks(ops.trustProxy)
  return {
    byProxy(request) {
      const name = ops.proxyUserHeader === undefined ? undefined : request.get(ops.proxyUserHeader)
      if (!name || !isFrom(proxies, request.socket.remoteAddress ?? '')) return undefined
      return { name, role: ops.operators.includes(name) ? 'operator' : 'viewer' }
    },
    byPassword(credentials) {
      // Every account is compared, in constant time.
      return accounts.filter(account => timingSafeEqual(account.credentials, credentials))[0]?.operator
    },
    credentialsOf(request) {
      const header = request.get('authorization')
      if (header === undefined) return undefined
      const basic = /^Basic +(\S+)$/i.exec(header)?.[1]
      // What is no name and password is as wrong as one that is.
      return digest(basic === undefined ? `not basic: ${header}` : Buffer.from(basic, 'base64').toString())
    },
    passFor: credentials => createHmac('sha256', key).update('pass').update(credentials).digest('base64url')
  }
}

function networks(list: readonly string[]): BlockList {
  const blocks = new BlockList()
  for (const entry of list) {
    const [address = '', bits] = entry.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) blocks.addAddress(address, family)
    else blocks.addSubnet(address, Number(bits), family)
  }
  return blocks
}

function isFrom(blocks: BlockList, remote: string): boolean {
  const address = plainAddress(remote) ?? ''
  return blocks.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

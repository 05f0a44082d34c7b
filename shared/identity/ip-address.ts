import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** What one customer of an IPv6 provider is given at least: RFC 6177, section 2. */
const IPV6_BITS = 64

/** An IP address in its usual form, IPv4 in IPv6's clothes as IPv4; null when the text is none. */
export function plainAddress(text: string): string | null {
  return isIP(text) !== 0 ? ipaddr.process(text).toString() : null
}

/**
 * What of an address one customer has to themselves, for counting: all of IPv4, the first 64 bits of IPv6, within which
 * everybody can take another address for each request. Null when the text is no address.
 */
export function networkOf(text: string): string | null {
  const plain = plainAddress(text)
  if (plain === null || ipaddr.IPv4.isValid(plain)) return plain
  const cidr = `${plain.replace(/%.*$/, '')}/${IPV6_BITS}`
  return `${ipaddr.IPv6.networkAddressFromCIDR(cidr).toString()}/${IPV6_BITS}`
}

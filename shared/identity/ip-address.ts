import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** What one customer of an IPv6 provider is given at least: RFC 6177, section 2. */
const IPV6_BITS = 64

/**
 * An IP address in its usual form, IPv4 in IPv6's clothes as IPv4, without a zone, which means something on one machine
 * alone (RFC 4007, section 6); null when the text is none.
 */
export function plainAddress(text: string): string | null {
  return isIP(text) !== 0 ? ipaddr.process(text.replace(/%.*$/, '')).toString() : null
}

/**
 * What of an address one customer has to themselves, for counting: all of IPv4, the first 64 bits of IPv6, within which
 * everybody can take another address for each request. Null when the text is no address.
 */
export function networkOf(text: string): string | null {
  const plain = plainAddress(text)
  if (plain === null || ipaddr.IPv4.isValid(plain)) return plain
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${plain}/${IPV6_BITS}`).toString()}/${IPV6_BITS}`
}

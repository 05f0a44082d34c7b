import { BlockList, isIPv6 } from 'node:net'
import { plainAddress } from './ip-address.js'

/** Names for several networks, as Express has them. RFC 1122, 3927, 4291, 1918 and 4193. */
const NAMED: Record<string, readonly string[]> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']
}

export const networkNames: readonly string[] = Object.keys(NAMED)

/** Whether an address is of one of these networks: addresses, addresses with a length such as 10.0.0.0/8, or names. */
export function withinNetworks(networks: readonly string[]): (address: string) => boolean {
  const blocks = new BlockList()
  for (const network of networks.flatMap(each => NAMED[each] ?? each)) addNetwork(blocks, network)
  return text => {
    const address = plainAddress(text)
    return address !== null && blocks.check(address, familyOf(address))
  }
}

function addNetwork(blocks: BlockList, network: string): void {
  const [text = '', bits] = network.split('/')
  const address = plainAddress(text) ?? text
  if (bits === undefined) return blocks.addAddress(address, familyOf(address))
  const isMapped = isIPv6(text) && !isIPv6(address)
  blocks.addSubnet(address, isMapped ? Math.max(Number(bits) - 96, 0) : Number(bits), familyOf(address))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4'
}

import { addressesFromRight } from './forwarded-addresses.js'
import { plainAddress } from './ip-address.js'
import { withinNetworks } from './networks.js'

/** Which addresses are proxies of the shop: those of some networks, or so many, counted from here. */
export type ProxyTrust = { networks: readonly string[] } | { hops: number }

/** Whether what stands `hop` steps before this process is a proxy of the shop; the peer of the connection is 0 steps away. */
export type IsProxy = (address: string, hop: number) => boolean

export function proxiesOf(trust: ProxyTrust): IsProxy {
  return 'hops' in trust ? (_address, hop) => hop < trust.hops : withinNetworks(trust.networks)
}

interface Forwarded {
  /** The peer of the connection. */
  peer: string | undefined
  header: string
  /** All that the header says, its lines joined by commas; undefined without one. */
  text: string | undefined
}

/**
 * The address of the client: the first one from the right that is no proxy of the shop. Where a proxy names none that can
 * be read, it is that proxy's own, never what stands further left, which anybody can write.
 */
export function clientAddress({ peer, header, text }: Forwarded, isProxy: IsProxy): string | null {
  let address = plainAddress(peer ?? '')
  let hop = 0
  if (address === null || !isProxy(address, hop)) return address
  for (const before of addressesFromRight(header, text ?? '')) {
    if (before === null) return address
    address = before
    if (!isProxy(address, ++hop)) return address
  }
  return address
}

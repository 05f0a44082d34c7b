import { fetch as fetchBy, ProxyAgent } from 'undici'
import { SECOND } from '../duration.js'

/** As fetch(), of a URL. */
export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>

/** Connections to a proxy are kept so long without a call. */
const KEEP_ALIVE = 60 * SECOND

/** fetch() by way of a proxy; `token` is its Proxy-Authorization. */
export function fetchBehind(uri: string, token: string | undefined): { call: Fetch; close(): Promise<void> } {
  // CONNECT is for TLS: proxies refuse it to the ports of plain HTTP.
  const dispatcher = new ProxyAgent({ uri, token, proxyTunnel: false, keepAliveTimeout: KEEP_ALIVE })
  // Its types are those of another release of what Node has.
  const call = fetchBy as unknown as (url: string | URL, init: object) => Promise<Response>
  return { call: (url, init) => call(url, { ...init, dispatcher }), close: () => dispatcher.destroy() }
}

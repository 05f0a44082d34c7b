import createClient, { type Client } from 'openapi-fetch'
import type { paths } from './generated/api.js'

export interface ClientOptions {
  /** Where Tillworks is, with its BASE_PATH: https://pay.shop.example or https://shop.example/payments */
  baseUrl: string
  /** Sent with every request: on a server, the customer's `Authorization`, or `Cookie` and `Origin`. */
  headers?: Record<string, string>
  /** Bounds every wait of a request that is not a stream; 30 seconds by default. */
  timeoutMs?: number
}

export interface Tillworks {
  /** Every route, typed: `api.GET('/api/products')`. */
  api: Client<paths>
  /** A request with the session of the client, for what is no JSON. */
  open(path: string, init: { headers?: Record<string, string>; signal: AbortSignal }): Promise<Response>
}

const TIMEOUT = 30_000

/** In a browser the session's cookie goes along by itself. */
export function createTillworks({ baseUrl, headers = {}, timeoutMs = TIMEOUT }: ClientOptions): Tillworks {
  const base = baseUrl.replace(/\/+$/, '')
  const bounded = (request: Request) =>
    fetch(new Request(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(timeoutMs)]) }))
  return {
    api: createClient<paths>({ baseUrl: base, headers, credentials: 'include', fetch: bounded }),
    open: (path, init) =>
      fetch(`${base}${path}`, { credentials: 'include', ...init, headers: { ...headers, ...init.headers } })
  }
}

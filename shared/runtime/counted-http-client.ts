import Stripe from 'stripe'
import { type Proxies, proxyFor } from '../config/proxies.js'
import { SECOND } from '../duration.js'
import { countStripeRequest, countStripeRetry, operationOf } from '../metrics/stripe-calls.js'
import { tracedCall } from '../tracing.js'
import { outgoingFetch } from './outgoing.js'

/** So many failed requests are remembered, to tell a retry. */
const MOST_FAILED = 1_000

/** The library's own client for HTTP, which tells the metrics of each request: the library's retries are requests, too. */
export function countedHttpClient(proxies: Proxies, base: URL): Stripe.HttpClient {
  const inner =
    proxyFor(proxies, base) === undefined
      ? Stripe.createNodeHttpClient()
      : Stripe.createFetchHttpClient(outgoingFetch(proxies) as typeof fetch)
  const failed = new Set<string>()
  return {
    getClientName: () => inner.getClientName(),
    async makeRequest(...request) {
      const [, , path, method, headers] = request
      const same = `${method} ${path} ${(headers as Record<string, unknown>)['Idempotency-Key'] ?? ''}`
      if (failed.delete(same)) countStripeRetry()
      const begun = performance.now()
      let status: number | undefined
      try {
        return await tracedCall(
          operationOf(method, path),
          { 'server.address': request[0], 'http.request.method': method },
          async span => {
            const response = await inner.makeRequest(...request)
            status = response.getStatusCode()
            span?.setAttribute('http.response.status_code', status)
            return response
          }
        )
      } finally {
        countStripeRequest(method, path, status, (performance.now() - begun) / SECOND)
        if (mayWorkLater(status) && failed.size < MOST_FAILED) failed.add(same)
      }
    }
  }
}

function mayWorkLater(status: number | undefined): boolean {
  return status === undefined || status === 409 || status === 429 || status >= 500
}

import { type Proxies, proxyFor } from '../../config/proxies.js'
import type { Check } from '../check.js'
import { fine, should } from '../finding.js'

/** Through which proxy others are called. Whether it leads there, the checks of those others tell. */
export const proxies: Check = {
  name: 'proxy',
  needs: ['STRIPE_SECRET_KEY', 'HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY'],
  async run({ config }) {
    const { proxies: set, stripe, auth, notifications, telemetry } = config
    if (set.http === undefined && set.https === undefined)
      return [fine('none: HTTPS_PROXY and HTTP_PROXY are not set, others are called directly')]
    const called = [
      stripe.apiBase ?? 'https://api.stripe.com',
      auth.issuer?.jwksUrl,
      auth.session?.url,
      notifications?.url,
      telemetry.sentryDsn
    ].filter(url => url !== undefined)
    const hosts = [...new Set(called.map(url => new URL(url).host))]
    const ways = hosts.map(host => `${host} ${wayOf(set, called.find(url => new URL(url).host === host) ?? '')}`)
    const findings = [fine(ways.join(', '))]
    if (telemetry.otlpEndpoint !== undefined && proxyFor(set, telemetry.otlpEndpoint) !== undefined)
      findings.push(
        should('OTEL_EXPORTER_OTLP_ENDPOINT is called directly: spans need a collector that can be reached so')
      )
    return findings
  }
}

function wayOf(set: Proxies, url: string): string {
  const server = proxyFor(set, url)
  if (server === undefined) return 'directly'
  const login = server.authorization === undefined ? '' : ' with a user and a password'
  return `through ${server.url} (${server.variable}${login})`
}

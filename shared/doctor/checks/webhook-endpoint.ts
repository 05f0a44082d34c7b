import Stripe from 'stripe'
import type { Config } from '../../config/config.js'
import { neededEventTypes } from '../../orders/events/handlers.js'
import { publicPath } from '../../runtime/base-path.js'
import { permissionsIn } from '../../runtime/stripe-permission.js'
import { PINNED_API_VERSION } from '../../runtime/stripe-version.js'
import type { Check } from '../check.js'
import { type Finding, fine, must, should } from '../finding.js'

/** Where the ingress takes deliveries, below BASE_PATH and whatever name a proxy gives it. */
const PATH = '/api/stripe/webhook'
const DASHBOARD = 'https://dashboard.stripe.com/webhooks'

/** Whether Stripe delivers what we need, to us. */
export const webhookEndpoint: Check = {
  name: 'webhook endpoint',
  needs: ['STRIPE_SECRET_KEY', 'STRIPE_API_BASE'],
  async run(subject) {
    const stripe = await subject.stripe()
    const { config, webhookUrl } = subject
    let all: Stripe.WebhookEndpoint[]
    try {
      all = await stripe.webhookEndpoints.list({ limit: 100 }).autoPagingToArray({ limit: 1_000 })
    } catch (error) {
      if (!(error instanceof Stripe.errors.StripePermissionError)) throw error
      return [
        should(
          `the restricted key may not list the endpoints; ${permissionsIn(error.message)} would let this command compare them`
        )
      ]
    }
    const ours = all.filter(({ url }) => (webhookUrl === undefined ? isOurs(config, url) : url === webhookUrl))
    if (ours.length === 0) return [missing(config, webhookUrl, all)]
    const findings = ours.map(endpoint => findingsOf(endpoint, config))
    const sound = findings.filter(of => of.every(({ state }) => state !== 'must'))
    // Of several, which may be those of other installations, one has to be right.
    if (sound.length > 0) return sound.flat()
    return findings.flat()
  }
}

function isOurs({ basePath }: Config, url: string): boolean {
  return URL.canParse(url) && new URL(url).pathname.replace(/\/$/, '').endsWith(publicPath(basePath, PATH))
}

function missing({ stripe, basePath }: Config, wanted: string | undefined, all: Stripe.WebhookEndpoint[]): Finding {
  const path = publicPath(basePath, PATH)
  const where = wanted ?? `https://YOUR_HOST${path}`
  const there = all.length === 0 ? 'none is registered' : `none of ${all.length} is ${wanted ?? `for ${path}`}`
  const todo = `register ${where} at ${DASHBOARD} and set STRIPE_WEBHOOK_SECRET to its secret`
  if (stripe.livemode) return must(`${there}: ${todo}`)
  return should(`${there}: ${todo} (\`stripe listen\` needs none)`)
}

function findingsOf(endpoint: Stripe.WebhookEndpoint, { production }: Config): Finding[] {
  const { enabled_events: enabled, status, api_version: version } = endpoint
  const url = withoutQuery(endpoint.url)
  const findings: Finding[] = []
  if (status !== 'enabled') findings.push(must(`${url} is ${status}: enable it at ${DASHBOARD}`))
  if (production && !endpoint.url.startsWith('https:')) findings.push(must(`${url} is not https: register it anew`))
  const lacking = enabled.includes('*') ? [] : neededEventTypes.filter(type => !enabled.includes(type))
  if (lacking.length > 0) findings.push(must(`${url} is not sent ${lacking.join(', ')}: add them at ${DASHBOARD}`))
  if (version !== PINNED_API_VERSION)
    findings.push(
      should(
        `${url} sends events of API version ${version ?? "that is the account's default"}, this release reads ${PINNED_API_VERSION}: an endpoint keeps its version, so register it anew`
      )
    )
  const which = enabled.includes('*') ? 'all events' : `all ${neededEventTypes.length} events that are needed`
  return findings.length > 0 ? findings : [fine(`${url}: ${which}, API version ${version}`)]
}

function withoutQuery(url: string): string {
  return url.replace(/\?.*$/, '')
}

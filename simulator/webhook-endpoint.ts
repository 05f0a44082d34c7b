import Stripe from 'stripe'

const CREATED = Date.parse('2026-01-01T00:00:00Z') / 1000

/** Where events go: https://docs.stripe.com/api/webhook_endpoints/object */
export interface WebhookEndpoint {
  url: string
  secret: string
  /** All unless given; others are not sent. */
  enabledEvents?: string[]
  /** That of the installed stripe package unless given; null for the account's default. */
  apiVersion?: string | null
  status?: 'enabled' | 'disabled'
}

export function takesEvent({ enabledEvents = ['*'], status = 'enabled' }: WebhookEndpoint, type: string): boolean {
  return status === 'enabled' && enabledEvents.some(enabled => enabled === '*' || enabled === type)
}

/** The secret is shown only when an endpoint is made. */
export function shownEndpoint(endpoint: WebhookEndpoint): Stripe.WebhookEndpoint {
  const { url, enabledEvents = ['*'], apiVersion = Stripe.API_VERSION, status = 'enabled' } = endpoint
  return {
    id: 'we_1TillworksDemo0000',
    object: 'webhook_endpoint',
    api_version: apiVersion,
    application: null,
    created: CREATED,
    description: null,
    enabled_events: enabledEvents,
    livemode: false,
    metadata: {},
    status,
    url
  }
}

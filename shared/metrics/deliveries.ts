import { Counter } from 'prom-client'
import { registry } from './registry.js'

/** What became of a delivery; `unsigned` is what anybody can send, and the four before it are Stripe's, or somebody's who knows how it signs. */
export const deliveryOutcomes = [
  'stored',
  'duplicate',
  'wrong_secret',
  'wrong_clock',
  'malformed',
  'unsigned',
  'not_an_event'
] as const

export type DeliveryOutcome = (typeof deliveryOutcomes)[number]

const deliveries = new Counter({
  name: 'tillworks_webhook_deliveries_total',
  help: 'Deliveries to the webhook endpoint: acknowledged (stored, duplicate) or refused, and why.',
  labelNames: ['outcome'] as const,
  registers: [registry]
})

for (const outcome of deliveryOutcomes) deliveries.inc({ outcome }, 0)

export function countDelivery(outcome: DeliveryOutcome): void {
  deliveries.inc({ outcome })
}

import Stripe from 'stripe'
import type { Shopper } from '../../local/shopper.js'
import { WEBHOOK_SECRET } from './shop.js'

/** As Stripe delivers it. */
export async function post(customer: Shopper, event: object | string): Promise<{ status: number; text: string }> {
  const payload = typeof event === 'string' ? event : JSON.stringify(event)
  const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: WEBHOOK_SECRET })
  const headers = { 'Stripe-Signature': signature }
  const response = await customer.request('/api/stripe/webhook', { method: 'POST', body: payload, headers })
  return { status: response.status, text: await response.text() }
}

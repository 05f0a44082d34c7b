import { setTimeout as sleep } from 'node:timers/promises'
import Stripe from 'stripe'
import type { DeliveryFaults } from './faults.js'
import type { Delivery, Store } from './store.js'
import { takesEvent, type WebhookEndpoint } from './webhook-endpoint.js'

/**
 * Waits between tries, in milliseconds. Stripe retries for three days with growing gaps
 * (https://docs.stripe.com/webhooks#retries); the first ones are shorter here, so that a demo need not wait.
 */
const RETRY_AFTER = [1_000, 2_000, 5_000, 15_000, 60_000, 300_000, 1_800_000, 7_200_000, 21_600_000]
const TIMEOUT_MS = 20_000

/** Sends events to the endpoint, signed, each until it is answered with 2xx. */
export class Deliveries {
  readonly #store: Store
  readonly #endpoint: WebhookEndpoint | undefined
  readonly #faults: DeliveryFaults
  readonly #now: () => number
  readonly #underWay = new Set<Promise<void>>()
  readonly #busy = new Set<string>()
  #stopped = false

  constructor(options: {
    store: Store
    endpoint: WebhookEndpoint | undefined
    faults: DeliveryFaults
    now: () => number
  }) {
    this.#store = options.store
    this.#endpoint = options.endpoint
    this.#faults = options.faults
    this.#now = options.now
  }

  /** How many endpoints an event of this type waits for. */
  endpointsFor(type: string): number {
    return this.#endpoint !== undefined && takesEvent(this.#endpoint, type) ? 1 : 0
  }

  send({ id: eventId, type }: { id: string; type: string }): void {
    if (this.endpointsFor(type) === 0) return
    const delivery: Delivery = { eventId, attempts: 0, delivered: false, nextAt: this.#now() }
    this.#store.deliveries.set(eventId, delivery)
    if (this.#faults.dropped()) {
      // Every try of it fails, as when the endpoint is down for three days.
      delivery.attempts = RETRY_AFTER.length + 1
      return
    }
    for (let copy = 0; copy < this.#faults.copies(); copy++) this.#start(delivery)
  }

  /** Tries again what is due. */
  retryDue(): void {
    for (const delivery of this.#store.deliveries.values()) {
      const open = !delivery.delivered && delivery.attempts <= RETRY_AFTER.length && delivery.nextAt <= this.#now()
      if (open && !this.#busy.has(delivery.eventId)) this.#start(delivery)
    }
  }

  /** Waits for the tries that are under way. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }

  stop(): void {
    this.#stopped = true
  }

  #start(delivery: Delivery): void {
    this.#busy.add(delivery.eventId)
    const attempt = this.#attempt(delivery).finally(() => {
      this.#underWay.delete(attempt)
      this.#busy.delete(delivery.eventId)
    })
    this.#underWay.add(attempt)
  }

  async #attempt(delivery: Delivery): Promise<void> {
    const delay = this.#faults.delay()
    if (delay > 0) await sleep(delay, undefined, { ref: false })
    if (this.#stopped || this.#endpoint === undefined) return
    const event = this.#store.table('event').get(delivery.eventId)
    if (event === undefined) return
    delivery.attempts++
    const delivered = await post(this.#endpoint, event)
    if (delivered) {
      delivery.delivered = true
      event.pending_webhooks = 0
    } else {
      delivery.nextAt = this.#now() + (RETRY_AFTER[delivery.attempts - 1] ?? Number.POSITIVE_INFINITY)
    }
    this.#store.changed()
  }
}

async function post(endpoint: WebhookEndpoint, event: Stripe.Event): Promise<boolean> {
  // Stripe sends its events indented.
  const payload = JSON.stringify(event, null, 2)
  const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: endpoint.secret })
  try {
    const response = await fetch(endpoint.url, {
      method: 'POST',
      body: payload,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        'Content-Type': 'application/json; charset=utf-8',
        'User-Agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
        'Cache-Control': 'no-cache',
        'Stripe-Signature': signature
      }
    })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import Stripe from 'stripe'
import { eventually } from '../eventually.js'
import { data, type Line, lineOf, type Shopper } from '../shopper.js'
import { DRILL_WEBHOOK_SECRET } from './drill-shop.js'

/** A checkout that the ingress has acknowledged. */
export interface AcknowledgedCheckout {
  id: string
  orderId: string | null
  key: string
  at: number
  url?: string
  openAt?: number
  /** When the customer's payment was taken by Stripe, and when we said that it is paid. */
  payedAt?: number
  paidAt?: number
}

export interface Acknowledged {
  checkouts: AcknowledgedCheckout[]
  events: { id: string; at: number }[]
  /** The body that each checkout was sent with. */
  body: { items: Line[] }
}

const CHECKOUT_EVERY_MS = 250
const EVENT_EVERY_MS = 100
const LOOK_EVERY_MS = 100
const LOOKED_AT = 8
const REQUEST_CAP_MS = 60_000

/** One customer who buys and pays all the time, and an account whose events arrive all the time; remembers what was acknowledged. */
export class PaymentLoad {
  readonly acknowledged: Acknowledged
  readonly refused: Record<string, number> = {}
  slowestAnswerMs = 0
  readonly #shopper: Shopper
  readonly #requests = new Set<Promise<void>>()
  readonly #loops: Promise<void>[] = []
  #isOver = false
  #number = 0

  private constructor(shopper: Shopper, items: Line[]) {
    this.#shopper = shopper
    this.acknowledged = { checkouts: [], events: [], body: { items } }
    this.#loops.push(
      this.#every(CHECKOUT_EVERY_MS, () => this.#checkOut()),
      this.#every(EVENT_EVERY_MS, () => this.#deliver()),
      this.#lookAndPay()
    )
  }

  static async begin(shopper: Shopper): Promise<PaymentLoad> {
    return new PaymentLoad(shopper, [lineOf(await shopper.product('stoneware-mug'), 1)])
  }

  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#loops)
    await Promise.all(this.#requests)
  }

  /** When something of each kind that was asked for after `moment` first succeeded. */
  firstSince(moment: number) {
    const { checkouts, events } = this.acknowledged
    const later = checkouts.filter(({ at }) => at >= moment)
    const first = (times: (number | undefined)[]) => {
      const seen = times.filter(time => time !== undefined && time >= moment) as number[]
      return seen.length === 0 ? undefined : Math.min(...seen)
    }
    return {
      event: first(events.map(({ at }) => at)),
      checkout: first(checkouts.map(({ at }) => at)),
      open: first(later.map(({ openAt }) => openAt)),
      paid: first(later.map(({ paidAt }) => paidAt))
    }
  }

  async untilAgain(moment: number, patienceMs: number): Promise<void> {
    await eventually(
      async () => this.firstSince(moment),
      again => Object.values(again).every(at => at !== undefined),
      patienceMs
    )
  }

  counts() {
    const { checkouts, events } = this.acknowledged
    return {
      checkouts: checkouts.length,
      events: events.length,
      paid: checkouts.filter(({ payedAt }) => payedAt !== undefined).length
    }
  }

  async #every(ms: number, send: () => Promise<void>): Promise<void> {
    while (!this.#isOver) {
      const request = send().finally(() => this.#requests.delete(request))
      this.#requests.add(request)
      await sleep(ms)
    }
  }

  async #timed<T extends { status: number }>(kind: string, ask: () => Promise<T>): Promise<T | undefined> {
    const began = Date.now()
    const answer = await ask().catch(() => undefined)
    this.slowestAnswerMs = Math.max(this.slowestAnswerMs, Date.now() - began)
    if (answer !== undefined && answer.status < 300) return answer
    const name = `${kind} ${answer?.status ?? 'without an answer'}`
    this.refused[name] = (this.refused[name] ?? 0) + 1
    return undefined
  }

  async #checkOut(): Promise<void> {
    const key = `drill-${++this.#number}`
    const headers = { 'Idempotency-Key': key, Prefer: 'respond-async' }
    const answer = await this.#timed('checkout', () => this.#shopper.checkout(this.acknowledged.body, headers))
    if (answer === undefined) return
    const { checkoutId, orderId } = data(answer)
    this.acknowledged.checkouts.push({ id: checkoutId, orderId: orderId ?? null, key, at: Date.now() })
  }

  /** An event that is stored, looked at and left alone. */
  async #deliver(): Promise<void> {
    const id = `evt_drill_${randomBytes(8).toString('hex')}`
    const created = Math.floor(Date.now() / 1000)
    const event = { id, object: 'event', type: 'customer.created', created, livemode: false, data: { object: {} } }
    const payload = JSON.stringify(event)
    const header = Stripe.webhooks.generateTestHeaderString({ payload, secret: DRILL_WEBHOOK_SECRET })
    const answer = await this.#timed('event', async () => {
      const response = await this.#shopper.request('/api/stripe/webhook', {
        method: 'POST',
        body: payload,
        headers: { 'Stripe-Signature': header, 'Content-Type': 'application/json' },
        signal: AbortSignal.timeout(REQUEST_CAP_MS)
      })
      await response.arrayBuffer()
      return response
    })
    if (answer !== undefined) this.acknowledged.events.push({ id, at: Date.now() })
  }

  /** Looks at the oldest and the newest checkouts as their customer does, and pays those that are open. */
  async #lookAndPay(): Promise<void> {
    for (; !this.#isOver; await sleep(LOOK_EVERY_MS)) {
      const unpaid = this.acknowledged.checkouts.filter(({ paidAt }) => paidAt === undefined)
      const seen = new Set([...unpaid.slice(0, LOOKED_AT), ...unpaid.slice(-LOOKED_AT)])
      await Promise.all([...seen].map(checkout => this.#lookAt(checkout).catch(() => undefined)))
    }
  }

  async #lookAt(checkout: AcknowledgedCheckout): Promise<void> {
    const { status, url } = data(await this.#shopper.checkoutStatus(checkout.id))
    if (status === 'PAID') checkout.paidAt ??= Date.now()
    if (status !== 'OPEN') return
    checkout.openAt ??= Date.now()
    if (url === undefined || url === null || checkout.payedAt !== undefined) return
    const paid = await this.#shopper.pay(url)
    if (paid.status < 400) checkout.payedAt = Date.now()
  }
}

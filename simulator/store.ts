import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import type Stripe from 'stripe'

/** An event on its way to one endpoint. */
export interface Delivery {
  eventId: string
  attempts: number
  delivered: boolean
  /** Milliseconds. */
  nextAt: number
}

/** A kept answer, or a request under way: https://docs.stripe.com/api/idempotent_requests */
export interface StoredAnswer {
  path: string
  params: string
  createdAt: number
  answer?: { status: number; body: string; requestId: string }
}

/** What a Session tells the PaymentIntent that it will make. */
export interface StoredIntentData {
  captureMethod: 'automatic' | 'automatic_async' | 'manual'
  description: string | null
  metadata: Record<string, string>
  receiptEmail: string | null
  shipping: Stripe.PaymentIntent['shipping']
  statementDescriptor: string | null
  statementDescriptorSuffix: string | null
}

export interface Tables {
  'checkout.session': Stripe.Checkout.Session
  payment_intent: Stripe.PaymentIntent
  payment_method: Stripe.PaymentMethod
  charge: Stripe.Charge
  refund: Stripe.Refund
  balance_transaction: Stripe.BalanceTransaction
  price: Stripe.Price
  product: Stripe.Product
  shipping_rate: Stripe.ShippingRate
  dispute: Stripe.Dispute
  review: Stripe.Review
  'radar.early_fraud_warning': Stripe.Radar.EarlyFraudWarning
  event: Stripe.Event
}

export type TableName = keyof Tables

const TABLE_NAMES: TableName[] = [
  'checkout.session',
  'payment_intent',
  'payment_method',
  'charge',
  'refund',
  'balance_transaction',
  'price',
  'product',
  'shipping_rate',
  'dispute',
  'review',
  'radar.early_fraud_warning',
  'event'
]

/** What the simulated account holds, in memory; with a `file`, kept across restarts. */
export class Store {
  readonly #tables = new Map<TableName, Map<string, unknown>>(TABLE_NAMES.map(name => [name, new Map()]))
  readonly lineItems = new Map<string, Stripe.LineItem[]>()
  readonly intentData = new Map<string, StoredIntentData>()
  readonly answers = new Map<string, StoredAnswer>()
  readonly deliveries = new Map<string, Delivery>()
  /** Bank debits under way: Session id to how and when (milliseconds) they end. */
  readonly debits = new Map<string, { succeeds: boolean; at: number }>()
  /** Charges to cards whose refunds do not end at once. */
  readonly refundKinds = new Map<string, 'pending' | 'fail'>()
  /** Refunds under way: id to how and when (milliseconds) they end. */
  readonly refundEnds = new Map<string, { status: 'succeeded' | 'failed'; at: number }>()
  readonly #file: string | undefined
  #saving: NodeJS.Timeout | undefined

  constructor(file?: string) {
    this.#file = file
    if (file !== undefined && existsSync(file)) this.#load(JSON.parse(readFileSync(file, 'utf8')))
  }

  /** Oldest first. */
  table<N extends TableName>(name: N): Map<string, Tables[N]> {
    return this.#tables.get(name) as Map<string, Tables[N]>
  }

  put<N extends TableName>(name: N, object: Tables[N] & { id: string }): void {
    this.table(name).set(object.id, object)
    this.changed()
  }

  find(id: string): unknown {
    for (const table of this.#tables.values()) {
      const found = table.get(id)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Saves soon; several changes in a moment are one save. */
  changed(): void {
    if (this.#file === undefined || this.#saving !== undefined) return
    this.#saving = setTimeout(() => this.save(), 200)
  }

  save(): void {
    clearTimeout(this.#saving)
    this.#saving = undefined
    if (this.#file === undefined) return
    const content = {
      tables: [...this.#tables].map(([name, table]) => [name, [...table]]),
      lineItems: [...this.lineItems],
      intentData: [...this.intentData],
      answers: [...this.answers],
      deliveries: [...this.deliveries],
      debits: [...this.debits],
      refundKinds: [...this.refundKinds],
      refundEnds: [...this.refundEnds]
    }
    writeFileSync(`${this.#file}.new`, JSON.stringify(content))
    renameSync(`${this.#file}.new`, this.#file)
  }

  // biome-ignore lint/suspicious/noExplicitAny: what save() wrote
  #load(content: any): void {
    for (const [name, rows] of content.tables) this.#tables.set(name, new Map(rows))
    for (const part of [
      'lineItems',
      'intentData',
      'answers',
      'deliveries',
      'debits',
      'refundKinds',
      'refundEnds'
    ] as const) {
      for (const [key, value] of content[part] ?? []) (this[part] as Map<string, unknown>).set(key, value)
    }
    // Requests that were under way when the last process ended.
    for (const [key, kept] of this.answers) if (kept.answer === undefined) this.answers.delete(key)
  }
}

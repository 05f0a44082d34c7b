import type { Store } from './store.js'
import type { WebhookEndpoint } from './webhook-endpoint.js'

/** What every part of the simulated account needs. */
export interface Account {
  store: Store
  /** Milliseconds. */
  now(): number
  /** Where the hosted payment pages are, such as http://localhost:12111. */
  publicUrl: string
  emit: Emit
  /** What is let go of without having been captured is a refund, as for requests before 2025-03-31.basil. */
  refundsReleases: boolean
  /** How long a bank debit takes, in milliseconds. */
  debitMs: number
  /** What the account is paid out in; undefined for whatever was charged. In lower case. */
  settlementCurrency: string | undefined
  /** Where events go. */
  endpoint: WebhookEndpoint | undefined
}

/** The API request that caused an event, as events show it. */
export interface Cause {
  id: string | null
  idempotency_key: string | null
}

export const NO_REQUEST: Cause = { id: null, idempotency_key: null }

export type Emit = (type: string, object: object, cause: Cause, previous?: object) => void

export function seconds(account: Account): number {
  return Math.floor(account.now() / 1000)
}

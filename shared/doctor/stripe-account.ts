import Stripe from 'stripe'
import { reasonOf } from './reason.js'

/** What Stripe says to the question whose key we have, and when by its own clock. */
export type AccountAnswer = (
  | { state: 'known'; account: Stripe.Account }
  /** A restricted key that may not read the account works all the same. */
  | { state: 'hidden'; reason: string }
  | { state: 'refused'; reason: string }
  | { state: 'away'; reason: string }
) & { heard: Heard | undefined }

/** A clock that is not ours: what it said, between two moments of ours. */
export interface Heard {
  at: Date
  sentAt: Date
  answeredAt: Date
}

export async function askForAccount(stripe: Stripe, now: () => Date): Promise<AccountAnswer> {
  const sentAt = now()
  const heard = (headers: Record<string, string> | undefined): Heard | undefined =>
    headers?.date === undefined ? undefined : { at: new Date(headers.date), sentAt, answeredAt: now() }
  try {
    const account = await stripe.accounts.retrieveCurrent()
    return { state: 'known', account, heard: heard(account.lastResponse.headers) }
  } catch (error) {
    const reason = reasonOf(error)
    if (!(error instanceof Stripe.errors.StripeError)) return { state: 'away', reason, heard: undefined }
    const state = stateOf(error)
    return { state, reason, heard: heard(error.headers as Record<string, string> | undefined) }
  }
}

function stateOf(error: Stripe.errors.StripeError): 'hidden' | 'refused' | 'away' {
  if (error instanceof Stripe.errors.StripePermissionError) return 'hidden'
  if (error instanceof Stripe.errors.StripeAuthenticationError) return 'refused'
  return (error.statusCode ?? 500) >= 500 || error.statusCode === 429 ? 'away' : 'refused'
}

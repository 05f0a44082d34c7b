import type Stripe from 'stripe'
import { DAY, SECOND } from '../../duration.js'
import { idOf } from '../../orders/events/context.js'
import { type Owner, ownerOf } from '../../rules/ownership.js'
import type { Services } from '../../runtime/services.js'
import { findKnownCheckouts } from '../../statements/checkouts.js'
import { readInstallation } from '../../statements/installation.js'
import { findKnownIntents, findUnfinished } from '../../statements/payment-facts.js'
import { inPages } from '../pages.js'

/** Something at Stripe that may be of this shop: a PaymentIntent by its id, or a Session that has none. */
export interface Candidate {
  key: string
  intentId?: string
  session?: Stripe.Checkout.Session
  sessionId?: string
  /** With its latest charge, when the list has told it. */
  intent?: Stripe.PaymentIntent
  /** What its metadata says of whose it is; undefined when it has none of the payment's. */
  owner?: Owner
}

const PAGE = 100

/** What was made or moved at Stripe in a time, in pages; each thing once. */
export async function* candidatesOf(services: Services, created: Stripe.RangeQueryParam): AsyncGenerator<Candidate[]> {
  const names = await readInstallation(services.db.pool)
  const seen = new Set<string>()
  for (const list of LISTS) {
    for await (const page of inPages(list(services.stripe, { created, limit: PAGE }, names), PAGE)) {
      const fresh = new Map(page.filter(({ key }) => key !== '' && !seen.has(key)).map(each => [each.key, each]))
      for (const key of fresh.keys()) seen.add(key)
      yield await ownOf(services, [...fresh.values()])
    }
  }
}

type List = (
  stripe: Stripe,
  of: { created: Stripe.RangeQueryParam; limit: number },
  names: string[]
) => AsyncIterable<Candidate>

/** Those first that tell most at once: an intent comes with its charge. */
const LISTS: List[] = [
  (stripe, of, names) =>
    map(stripe.paymentIntents.list({ ...of, expand: ['data.latest_charge'] }), intent => ({
      ...byIntent(intent, names),
      intent
    })),
  (stripe, of, names) => map(stripe.checkout.sessions.list(of), session => bySession(session, names)),
  (stripe, of, names) =>
    map(stripe.refunds.list({ ...of, expand: ['data.payment_intent'] }), refund =>
      byIntent(refund.payment_intent, names)
    ),
  (stripe, of, names) =>
    map(stripe.disputes.list({ ...of, expand: ['data.payment_intent'] }), dispute =>
      byIntent(dispute.payment_intent, names)
    ),
  // Captures of older authorizations, refunds that failed, money of older disputes.
  (stripe, of, names) =>
    map(stripe.balanceTransactions.list({ ...of, expand: ['data.source'] }), ({ source }) => bySource(source, names))
]

async function* map<T, U>(items: AsyncIterable<T>, change: (item: T) => U): AsyncGenerator<U> {
  for await (const item of items) yield change(item)
}

function byIntent(intent: string | Stripe.PaymentIntent | null, names: string[]): Candidate {
  if (intent === null) return { key: '' }
  if (typeof intent === 'string') return { key: intent, intentId: intent }
  return { key: intent.id, intentId: intent.id, owner: ownerOf(intent.metadata, names) }
}

export function bySession(session: Stripe.Checkout.Session, names: string[]): Candidate {
  const intentId = idOf(session.payment_intent)
  const owner = ownerOf(session.metadata, names)
  return intentId === null ? { key: session.id, session, owner } : { key: intentId, intentId, owner }
}

/** A charge carries its intent's metadata; a refund and a dispute do not. */
function bySource(source: Stripe.BalanceTransaction['source'], names: string[]): Candidate {
  if (typeof source !== 'object' || source === null || !('payment_intent' in source)) return { key: '' }
  const intentId = idOf(source.payment_intent)
  if (intentId === null) return { key: '' }
  if (source.object !== 'charge') return { key: intentId, intentId }
  return { key: intentId, intentId, owner: ownerOf(source.metadata, names) }
}

/**
 * Without the neighbours on the same Stripe account: what bears our name stays, and what has a row here. An older payment,
 * of which only a movement of money is listed, has one, for it was made before the backup; a newer one was listed itself.
 */
async function ownOf({ db }: Services, all: Candidate[]): Promise<Candidate[]> {
  const doubtful = all.filter(({ owner }) => owner?.whose !== 'named' && owner?.whose !== 'another')
  if (doubtful.length === 0) return all.filter(({ owner }) => owner?.whose === 'named')
  const intents = await findKnownIntents(
    db.pool,
    doubtful.flatMap(({ intentId }) => intentId ?? [])
  )
  const checkouts = await findKnownCheckouts(
    db.pool,
    doubtful.flatMap(({ owner }) => owner?.checkoutId ?? [])
  )
  const isHere = ({ intentId, owner }: Candidate) =>
    intents.has(intentId ?? '') || checkouts.has(owner?.checkoutId ?? '')
  return all.filter(each => each.owner?.whose === 'named' || (each.owner?.whose !== 'another' && isHere(each)))
}

/** Rows of ours that are not final, whatever their age, in pages. */
export async function* unfinishedRows({ db }: Services): AsyncGenerator<Candidate[]> {
  for (const table of ['Payment', 'Refund', 'Dispute', 'Checkout'] as const) {
    let after = ''
    for (;;) {
      const rows = await findUnfinished(db.pool, table, after, PAGE)
      yield rows.map(({ reference }) =>
        table === 'Checkout' ? { key: reference, sessionId: reference } : { key: reference, intentId: reference }
      )
      const last = rows.at(-1)
      if (last === undefined || rows.length < PAGE) break
      after = last.id
    }
  }
}

/** The days from `from` on, oldest first; the last one is open, so that nothing is missed while the others are read. */
export function* daysFrom(from: Date, now: Date): Generator<{ begins: Date; created: Stripe.RangeQueryParam }> {
  for (let begins = from.getTime(); ; begins += DAY) {
    const ends = begins + DAY
    const gte = Math.floor(begins / SECOND)
    const isLast = ends >= now.getTime()
    yield { begins: new Date(begins), created: isLast ? { gte } : { gte, lt: Math.floor(ends / SECOND) } }
    if (isLast) return
  }
}

import type Stripe from 'stripe'
import { writeAudit } from '../audit/audit.js'
import { isDatabaseUnavailable, transaction } from '../database/database.js'
import { DAY, HOUR, MINUTE, SECOND } from '../duration.js'
import { messageOf } from '../errors.js'
import { countFound } from '../metrics/repairs.js'
import { intentEvent, type SyntheticEvent, sessionEvent, storeSyntheticEvent } from '../orders/synthetic-events.js'
import { reportUnknownSession } from '../orders/unknown-session.js'
import type { Services } from '../runtime/services.js'
import { isStripeAway, isUnknownToStripe } from '../runtime/stripe-client.js'
import { reachCheckpoint, readCheckpoint } from '../statements/checkpoints.js'
import { findOverdueCheckouts, type OverdueCheckout, recordPoll } from '../statements/due-rows.js'
import { readInstallation } from '../statements/installation.js'
import { findUnbookedCaptures } from '../statements/ledger.js'
import { storeEvents } from '../statements/webhook-events.js'
import { askEach } from './ask-each.js'
import { isNeighbours } from './at-sight.js'
import { bookBalanceTransactions } from './balance.js'
import { inPages } from './pages.js'

/** Stripe lists events of the last 30 days: https://docs.stripe.com/api/events/list */
export const LOOK_BACK_DAYS = 30
const PAGE = 100
const MAX_CHECKOUTS = 1_000
/** Between two scheduled runs: an event is undelivered from the moment it is made. */
const OVERLAP = HOUR
/** The whole time that Stripe tells is read again once in so long, whatever earlier runs have seen. */
const FULL_EVERY = DAY

export interface ReconcileReport {
  since: Date
  /** Events that Stripe could not deliver: how many there are, and the ids of those that we did not have. */
  undelivered: number
  /** Those of them that are of neighbours on the same account, by what they say themselves. */
  neighbours: number
  recovered: string[]
  /** Checkouts that are open past their time: how many were polled, and what was found of which. */
  polled: number
  found: { checkoutId: string; type: string }[]
  /** Balance transactions whose fees were booked. */
  booked: number
  errors: string[]
  /** Those of the errors that waiting may mend: Stripe or the database was away. */
  outages: unknown[]
}

export interface ReconcileOptions {
  /** Undelivered events from then on; without it, all that Stripe tells. */
  since?: Date
  requestId: string
  /** Goes on where the run before ended, and asks again about what is still under way less and less often. */
  scheduled?: boolean
}

/**
 * Finds what no webhook has told: lists undelivered events, and asks Stripe about what is open past its time. All of it
 * is stored as events and takes the way that a delivered one takes.
 */
export async function reconcile(services: Services, options: ReconcileOptions): Promise<ReconcileReport> {
  const since = await lookBack(services, options)
  const report: ReconcileReport = {
    since,
    undelivered: 0,
    neighbours: 0,
    recovered: [],
    polled: 0,
    found: [],
    booked: 0,
    errors: [],
    outages: []
  }
  // One part that fails does not keep the others from their work.
  const parts = [recoverEvents, askAboutCheckouts, askAboutCaptures, bookFees]
  for (const part of parts) {
    await part(services, report, options).catch(error => {
      report.errors.push(messageOf(error))
      if (isStripeAway(error) || isDatabaseUnavailable(error)) report.outages.push(error)
    })
  }
  const repaired = report.recovered.length + report.found.length
  countFound('undelivered event', report.recovered.length)
  countFound('unknown end', report.found.length)
  const line = { undelivered: report.undelivered, recovered: report.recovered.length, polled: report.polled }
  if (repaired > 0) {
    services.log.warn({ ...line, found: report.found }, 'reconcile found events that no webhook has delivered')
    await writeAudit(services.db.pool, {
      action: 'reconciled',
      status: 'SUCCESS',
      requestId: options.requestId,
      metadata: { ...line, found: report.found.slice(0, 100) }
    })
  }
  return report
}

async function lookBack({ db, now }: Services, { since, scheduled }: ReconcileOptions): Promise<Date> {
  const time = now().getTime()
  const earliest = new Date(time - LOOK_BACK_DAYS * DAY)
  if (since !== undefined) return since > earliest ? since : earliest
  if (!scheduled) return earliest
  const [full, last] = [await readCheckpoint(db.pool, FULL_RUN), await readCheckpoint(db.pool, LAST_RUN)]
  if (full === undefined || last === undefined || time - full.getTime() >= FULL_EVERY) return earliest
  return new Date(last.getTime() - OVERLAP)
}

const LAST_RUN = 'reconcile'
const FULL_RUN = 'reconcile of all events'

async function recoverEvents(
  services: Services,
  report: ReconcileReport,
  { since, requestId }: ReconcileOptions
): Promise<void> {
  const begun = services.now()
  const gte = Math.floor(report.since.getTime() / SECOND)
  const events = services.stripe.events.list({ delivery_success: false, created: { gte }, limit: PAGE })
  for await (const page of inPages(events, PAGE)) await storePage(services, page, report, requestId)
  if (since !== undefined) return
  await reachCheckpoint(services.db.pool, LAST_RUN, begun)
  const isFull = begun.getTime() - report.since.getTime() >= (LOOK_BACK_DAYS - 1) * DAY
  if (isFull) await reachCheckpoint(services.db.pool, FULL_RUN, begun)
}

async function storePage(
  services: Services,
  page: Stripe.Event[],
  report: ReconcileReport,
  requestId: string
): Promise<void> {
  report.undelivered += page.length
  const names = await readInstallation(services.db.pool)
  const ours = page.filter(event => !isNeighbours(event, names))
  report.neighbours += page.length - ours.length
  const stored = await storeEvents(
    services.db.pool,
    // Oldest first, as they would have come.
    [...ours].reverse().map(event => ({
      id: event.id,
      type: event.type,
      apiVersion: event.api_version,
      livemode: event.livemode,
      created: new Date(event.created * SECOND),
      payload: JSON.stringify(event),
      requestId,
      receivedAt: services.now()
    }))
  )
  // Together, so that they share bulk calls.
  await Promise.all([...stored].map(id => services.queues.offer('webhook-processing', id)))
  report.recovered.push(...stored)
}

async function askAboutCheckouts(
  services: Services,
  report: ReconcileReport,
  { requestId, scheduled }: ReconcileOptions
): Promise<void> {
  const { pool } = services.db
  const now = services.now()
  const before = new Date(now.getTime() - services.config.schedules.reconcileGraceMinutes * MINUTE)
  const overdue = await findOverdueCheckouts(pool, { before, now, patient: scheduled === true, limit: MAX_CHECKOUTS })
  await askEach(overdue, report.errors, async checkout => {
    report.polled++
    await recordPoll(pool, 'Checkout', checkout.id, now)
    const all = await ask(services.stripe, checkout).catch(async error => {
      if (isUnknownToStripe(error)) {
        await transaction(pool, client => reportUnknownSession(client, services.log, checkout, requestId))
      }
      throw error
    })
    for (const event of all) await recordSyntheticEvent(services, report, checkout.id, event, requestId)
  })
}

/** Stores and enqueues what was found, unless it is known already. */
async function recordSyntheticEvent(
  services: Services,
  report: ReconcileReport,
  checkoutId: string,
  event: SyntheticEvent,
  requestId: string
): Promise<void> {
  const eventId = await storeSyntheticEvent(services, event, requestId)
  if (eventId === undefined) return
  report.found.push({ checkoutId, type: event.type })
  await services.queues.offer('webhook-processing', eventId)
}

/** After an upgrade from a release without a ledger, or a return to it: payments whose money was never booked. */
async function askAboutCaptures(
  services: Services,
  report: ReconcileReport,
  { requestId }: ReconcileOptions
): Promise<void> {
  const { pool } = services.db
  const captures = await findUnbookedCaptures(pool, MAX_CHECKOUTS)
  await askEach(captures, report.errors, async ({ paymentIntentId, checkoutId }) => {
    report.polled++
    await recordPoll(pool, 'Payment', paymentIntentId, services.now())
    const intent = await services.stripe.paymentIntents.retrieve(paymentIntentId)
    const event = intentEvent(intent)
    if (event !== undefined) await recordSyntheticEvent(services, report, checkoutId, event, requestId)
  })
}

async function ask(stripe: Stripe, checkout: OverdueCheckout) {
  const session = await stripe.checkout.sessions.retrieve(checkout.sessionId, { expand: ['payment_intent'] })
  const intent = typeof session.payment_intent === 'object' ? session.payment_intent : null
  // A payment that is still under way is no news.
  const isNews =
    checkout.status !== 'PROCESSING' ||
    session.payment_status !== 'unpaid' ||
    intent?.status === 'requires_payment_method'
  const all = [isNews ? sessionEvent(session, intent) : undefined, intent === null ? undefined : intentEvent(intent)]
  return all.filter(event => event !== undefined)
}

async function bookFees(services: Services, report: ReconcileReport): Promise<void> {
  report.booked = await bookBalanceTransactions(services, report.errors)
}

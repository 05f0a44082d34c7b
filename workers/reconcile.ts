import type Stripe from 'stripe'
import { writeAudit } from '../shared/audit.js'
import { DAY, MINUTE, SECOND } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import { inPages } from '../shared/pages.js'
import type { Services } from '../shared/services.js'
import { findOverdueCheckouts, type OverdueCheckout } from '../shared/statements/due-rows.js'
import { findUnbookedCaptures } from '../shared/statements/ledger.js'
import { storeEvents } from '../shared/statements/webhook-events.js'
import { bookBalanceTransactions } from './balance.js'
import { foundIntent, foundSession, storeFound } from './found-events.js'
import type { Job } from './job.js'

/** Stripe lists events of the last 30 days: https://docs.stripe.com/api/events/list */
export const LOOK_BACK_DAYS = 30
const PAGE = 100
const MAX_CHECKOUTS = 1_000

export interface ReconcileReport {
  since: Date
  /** Events that Stripe could not deliver: how many there are, and the ids of those that we did not have. */
  undelivered: number
  recovered: string[]
  /** Checkouts that are open past their time: how many were asked about, and what was found about which. */
  asked: number
  found: { checkoutId: string; type: string }[]
  /** Balance transactions whose fees were booked. */
  booked: number
  errors: string[]
}

export const reconcileJob: Job<'reconcile'> = {
  name: 'reconcile',
  async handle(services, _payload, job) {
    const report = await reconcile(services, { requestId: `reconcile-${job.id}` })
    if (report.errors.length > 0) throw new Error(`reconcile was not complete: ${report.errors.join('; ')}`)
  }
}

/**
 * Finds what no webhook has told: lists undelivered events, and asks Stripe about what is open past its time. All of it
 * is stored as events and takes the way that a delivered one takes.
 */
export async function reconcile(
  services: Services,
  options: { since?: Date; requestId: string }
): Promise<ReconcileReport> {
  const now = services.now().getTime()
  const earliest = new Date(now - LOOK_BACK_DAYS * DAY)
  const since = options.since !== undefined && options.since > earliest ? options.since : earliest
  const report: ReconcileReport = { since, undelivered: 0, recovered: [], asked: 0, found: [], booked: 0, errors: [] }
  // One part that fails does not keep the others from their work.
  const parts = [recoverEvents, askAboutCheckouts, askAboutCaptures, bookFees]
  for (const part of parts) {
    await part(services, report, options.requestId).catch(error => report.errors.push(messageOf(error)))
  }
  const repaired = report.recovered.length + report.found.length
  const line = { undelivered: report.undelivered, recovered: report.recovered.length, asked: report.asked }
  if (repaired > 0) {
    services.log.warn({ ...line, found: report.found }, 'reconcile found what no webhook has told')
    await writeAudit(services.db.pool, {
      action: 'reconciled',
      status: 'SUCCESS',
      requestId: options.requestId,
      metadata: { ...line, found: report.found.slice(0, 100) }
    })
  }
  return report
}

async function recoverEvents(services: Services, report: ReconcileReport, requestId: string): Promise<void> {
  const gte = Math.floor(report.since.getTime() / SECOND)
  const events = services.stripe.events.list({ delivery_success: false, created: { gte }, limit: PAGE })
  for await (const page of inPages(events, PAGE)) await storePage(services, page, report, requestId)
}

async function storePage(
  services: Services,
  page: Stripe.Event[],
  report: ReconcileReport,
  requestId: string
): Promise<void> {
  report.undelivered += page.length
  const stored = await storeEvents(
    services.db.pool,
    // Oldest first, as they would have come.
    [...page].reverse().map(event => ({
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

async function askAboutCheckouts(services: Services, report: ReconcileReport, requestId: string): Promise<void> {
  const grace = services.config.schedules.reconcileGraceMinutes * MINUTE
  const before = new Date(services.now().getTime() - grace)
  for (const checkout of await findOverdueCheckouts(services.db.pool, before, MAX_CHECKOUTS)) {
    report.asked++
    for (const found of await ask(services.stripe, checkout)) {
      const eventId = await storeFound(services, found, requestId)
      if (eventId === undefined) continue
      report.found.push({ checkoutId: checkout.id, type: found.type })
      await services.queues.offer('webhook-processing', eventId)
    }
  }
}

/** After an upgrade from a release without a ledger, or a return to it: payments whose money was never booked. */
async function askAboutCaptures(services: Services, report: ReconcileReport, requestId: string): Promise<void> {
  for (const { paymentIntentId, checkoutId } of await findUnbookedCaptures(services.db.pool, MAX_CHECKOUTS)) {
    report.asked++
    const intent = await services.stripe.paymentIntents.retrieve(paymentIntentId)
    const found = foundIntent(intent)
    const eventId = found === undefined ? undefined : await storeFound(services, found, requestId)
    if (found === undefined || eventId === undefined) continue
    report.found.push({ checkoutId, type: found.type })
    await services.queues.offer('webhook-processing', eventId)
  }
}

async function ask(stripe: Stripe, checkout: OverdueCheckout) {
  const session = await stripe.checkout.sessions.retrieve(checkout.sessionId, { expand: ['payment_intent'] })
  const intent = typeof session.payment_intent === 'object' ? session.payment_intent : null
  // A payment that is still under way is no news.
  const isNews =
    checkout.status !== 'PROCESSING' ||
    session.payment_status !== 'unpaid' ||
    intent?.status === 'requires_payment_method'
  const all = [isNews ? foundSession(session, intent) : undefined, intent === null ? undefined : foundIntent(intent)]
  return all.filter(found => found !== undefined)
}

async function bookFees(services: Services, report: ReconcileReport): Promise<void> {
  report.booked = await bookBalanceTransactions(services)
}

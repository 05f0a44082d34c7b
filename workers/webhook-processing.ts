import { alertOnce, alertUnlessOpen } from '../shared/audit/alerts.js'
import { isDatabaseUnavailable, isOfOneTransaction, transaction } from '../shared/database/database.js'
import { onCommit } from '../shared/database/on-commit.js'
import { messageOf, TerminalError } from '../shared/errors.js'
import { countDeadEvent } from '../shared/metrics/events.js'
import { applyEvent } from '../shared/orders/apply-event.js'
import { UnknownCheckoutError } from '../shared/orders/events/context.js'
import type { JobContext } from '../shared/queue/queues.js'
import type { Services } from '../shared/runtime/services.js'
import { isStripeAway } from '../shared/runtime/stripe-client.js'
import { buryEvent, recordEventFailure } from '../shared/statements/webhook-events.js'
import type { Job } from './job.js'

const STUCK_AFTER_ATTEMPTS = 40

/** Applies one stored event; after its last try it is DEAD. Or several that came at the same time. */
export const webhookProcessing: Job<'webhook-processing'> = {
  name: 'webhook-processing',
  async handle(services, payload, job) {
    if ('eventIds' in payload) await applyGathered(services, payload.eventIds)
    else await applyOne(services, payload.eventId, job)
  }
}

async function applyOne(services: Services, eventId: string, job: JobContext): Promise<void> {
  try {
    await applyEvent(services, eventId)
  } catch (error) {
    await recordFailure(services, eventId, error, job)
  }
}

/**
 * One that fails, for which Stripe has to be asked, or whose order somebody else has locked, gets a job of its own: the others do
 * not wait for it.
 */
async function applyGathered(services: Services, eventIds: string[]): Promise<void> {
  const done = new Set<string>()
  for (const eventId of eventIds) {
    if (done.has(eventId)) continue
    try {
      for (const id of await applyEvent(services, eventId, { isHurried: true })) done.add(id)
    } catch (error) {
      if (isDatabaseUnavailable(error) && !isOfOneTransaction(error)) throw error
      services.log.info({ eventId, reason: messageOf(error) }, 'an event gets a job of its own')
      await services.queues.offer('webhook-processing', eventId)
    }
  }
}

/**
 * Rethrows for another try; after the last one, or when no try can help, the event is dead and an alert tells so. While
 * Stripe or the database is away the event is not to blame: it stays, and the sweep enqueues it again.
 */
async function recordFailure(services: Services, eventId: string, error: unknown, job: JobContext): Promise<void> {
  const reason = messageOf(error)
  const isAway = isStripeAway(error) || isDatabaseUnavailable(error)
  if (isAway || (!(error instanceof TerminalError) && !job.isLastAttempt)) {
    const attempts = await recordEventFailure(services.db.pool, eventId, reason)
    // All that wait for Stripe are one alert (workers/sweep.ts).
    if (attempts >= STUCK_AFTER_ATTEMPTS && !isStripeAway(error)) await reportStuck(services, eventId, attempts, reason)
    throw error
  }
  await transaction(services.db.pool, async client => {
    if (!(await buryEvent(client, eventId, reason, services.now()))) return
    onCommit(client, countDeadEvent)
    if (error instanceof UnknownCheckoutError) {
      const context = { eventId, checkoutId: error.checkoutId, reason }
      return await alertOnce(client, services.log, 'payment_for_unknown_checkout', {
        ...context,
        subject: error.checkoutId
      })
    }
    await alertOnce(client, services.log, 'dead_event', { eventId, reason, cause: reason })
  })
  throw error
}

async function reportStuck({ db, log }: Services, eventId: string, attempts: number, reason: string): Promise<void> {
  const context = { eventId, reason: `tried ${attempts} times: ${reason}`, cause: reason }
  await alertUnlessOpen(db.pool, log, 'stuck_event', context)
}

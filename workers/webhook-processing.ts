import { alert, alertUnlessOpen } from '../shared/audit/alerts.js'
import { type Client, isDatabaseUnavailable, transaction } from '../shared/database/database.js'
import { messageOf, TerminalError } from '../shared/errors.js'
import type { JobContext } from '../shared/queue/queues.js'
import type { Services } from '../shared/runtime/services.js'
import { isStripeAway } from '../shared/runtime/stripe-client.js'
import { PINNED_API_VERSION } from '../shared/runtime/stripe-version.js'
import type { DueRow } from '../shared/statements/due-rows.js'
import {
  buryEvent,
  finishEvent,
  lockEvent,
  recordEventFailure,
  reviveEvent,
  type WebhookEventRow
} from '../shared/statements/webhook-events.js'
import { type AppliedEvent, type StripeEvent, UnknownCheckoutError } from './events/context.js'
import { eventHandlers } from './events/handlers.js'
import { LookupNeeded, Lookups } from './events/lookups.js'
import type { Job } from './job.js'
import { enqueueDue } from './settlement.js'

const MAX_LOOKUPS = 8
const STUCK_AFTER_ATTEMPTS = 40

/** Applies one stored event exactly once: RECEIVED → PROCESSED or IGNORED, and DEAD after its last try. */
export const webhookProcessing: Job<'webhook-processing'> = {
  name: 'webhook-processing',
  async handle(services, { eventId }, job) {
    try {
      await applyEvent(services, eventId)
    } catch (error) {
      await recordFailure(services, eventId, error, job)
    }
  }
}

/** Applies a stored event now, in the caller's time. Whatever it throws, the event is stored and its job will come. */
export async function applyEvent(services: Services, eventId: string): Promise<void> {
  const due = await applyWithLookups(services, eventId)
  await enqueueDue({ services, due })
}

/** What has to be asked of Stripe is asked between two transactions, never within one. */
async function applyWithLookups(services: Services, eventId: string): Promise<DueRow[]> {
  const lookups = new Lookups()
  for (let asked = 0; ; asked++) {
    try {
      return await transaction(services.db.pool, client => apply(services, client, eventId, lookups), {
        statementTimeoutMs: services.config.stripe.webhookTimeoutMs
      })
    } catch (error) {
      if (!(error instanceof LookupNeeded) || asked === MAX_LOOKUPS) throw error
      await lookups.fetch(services.stripe, error)
    }
  }
}

/** Returns the rows whose jobs follow. */
async function apply(services: Services, client: Client, eventId: string, lookups: Lookups): Promise<DueRow[]> {
  const row = await lockEvent(client, eventId)
  if (row === undefined) throw new Error(`There is no event ${eventId}`)
  if (row.status === 'DEAD') await revive(services, client, row)
  // Whoever held the lock before us has applied it.
  else if (row.status !== 'RECEIVED') return []

  const event = parseEvent(row)
  const handler = Object.hasOwn(eventHandlers, event.type) ? eventHandlers[event.type] : undefined
  const due: DueRow[] = []
  const trail = { eventId: row.id, requestId: row.requestId }
  const applied: AppliedEvent =
    handler === undefined
      ? { status: 'IGNORED', checkoutId: null, note: `${event.type} is not a type that changes an order` }
      : await handler({ services, client, row, event, lookups, trail, due })

  await finishEvent(client, row.id, {
    ...applied,
    now: services.now(),
    audit: {
      action: `webhook_${applied.status.toLowerCase()}`,
      status: 'SUCCESS',
      eventId: row.id,
      checkoutId: applied.checkoutId,
      before: 'RECEIVED',
      after: applied.status,
      error: applied.note,
      requestId: row.requestId,
      metadata: {
        type: row.type,
        ...(row.apiVersion === PINNED_API_VERSION ? {} : { unexpectedApiVersion: row.apiVersion })
      }
    }
  })
  services.log.info(
    {
      requestId: row.requestId,
      eventId: row.id,
      type: row.type,
      checkoutId: applied.checkoutId,
      status: applied.status
    },
    'event applied'
  )
  return due
}

/** A dead event has no job of its own: somebody has retried the failed one, in Bull Board. */
async function revive(services: Services, client: Client, row: WebhookEventRow): Promise<void> {
  await reviveEvent(client, row.id, { operator: 'a retry of its job', requestId: row.requestId })
  services.log.info({ eventId: row.id }, 'a dead event is tried again')
}

function parseEvent(row: WebhookEventRow): StripeEvent {
  try {
    return JSON.parse(row.payload)
  } catch (cause) {
    throw new TerminalError('the stored payload is not JSON', { cause })
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
    const name = error instanceof UnknownCheckoutError ? 'payment_for_unknown_checkout' : 'dead_event'
    await alert(client, services.log, name, { eventId, reason })
  })
  throw error
}

async function reportStuck({ db, log }: Services, eventId: string, attempts: number, reason: string): Promise<void> {
  const context = { eventId, subject: eventId, reason: `tried ${attempts} times: ${reason}` }
  await alertUnlessOpen(db.pool, log, 'stuck_event', context)
}

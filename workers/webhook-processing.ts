import { alert } from '../shared/alerts.js'
import { type Client, transaction } from '../shared/database.js'
import { messageOf, TerminalError } from '../shared/errors.js'
import type { JobContext } from '../shared/queues.js'
import type { Services } from '../shared/services.js'
import {
  buryEvent,
  finishEvent,
  lockEvent,
  recordEventFailure,
  type WebhookEventRow
} from '../shared/statements/webhook-events.js'
import { type AppliedEvent, eventHandlers, type StripeEvent, UnknownCheckoutError } from './event-handlers.js'
import type { Job } from './job.js'

/** Applies one stored event exactly once: RECEIVED → PROCESSED or IGNORED, and DEAD after its last try. */
export const webhookProcessing: Job<'webhook-processing'> = {
  name: 'webhook-processing',
  async handle(services, { eventId }, job) {
    try {
      await transaction(services.db.pool, client => apply(services, client, eventId), {
        statementTimeoutMs: services.config.stripe.webhookTimeoutMs
      })
    } catch (error) {
      await recordFailure(services, eventId, error, job)
    }
  }
}

async function apply(services: Services, client: Client, eventId: string): Promise<void> {
  const row = await lockEvent(client, eventId)
  if (row === undefined) throw new Error(`There is no event ${eventId}`)
  // Whoever held the lock before us has applied it.
  if (row.status !== 'RECEIVED') return

  const event = parseEvent(row)
  const handler = eventHandlers[event.type]
  const applied: AppliedEvent =
    handler === undefined
      ? { status: 'IGNORED', checkoutId: null, note: `${event.type} is not a type that changes an order` }
      : await handler({ services, client, row, event })

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
      metadata: { type: row.type }
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
}

function parseEvent(row: WebhookEventRow): StripeEvent {
  try {
    return JSON.parse(row.payload)
  } catch (cause) {
    throw new TerminalError('the stored payload is not JSON', { cause })
  }
}

/** Rethrows for another try; after the last one, or when no try can help, the event is dead and an alert tells so. */
async function recordFailure(services: Services, eventId: string, error: unknown, job: JobContext): Promise<void> {
  const reason = messageOf(error)
  if (!(error instanceof TerminalError) && !job.isLastAttempt) {
    await recordEventFailure(services.db.pool, eventId, reason)
    throw error
  }
  await transaction(services.db.pool, async client => {
    if (!(await buryEvent(client, eventId, reason, services.now()))) return
    const name = error instanceof UnknownCheckoutError ? 'payment_for_unknown_checkout' : 'dead_event'
    await alert(client, services.log, name, { eventId, reason })
  })
  throw error
}

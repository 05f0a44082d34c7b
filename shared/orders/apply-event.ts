import { alertUnlessOpen } from '../audit/alerts.js'
import { type Client, transaction } from '../database/database.js'
import { onCommit } from '../database/on-commit.js'
import { TerminalError } from '../errors.js'
import { countAppliedEvent } from '../metrics/events.js'
import { elsewhere } from '../rules/event-origin.js'
import type { Services } from '../runtime/services.js'
import { PINNED_API_VERSION } from '../runtime/stripe-version.js'
import type { DueRow } from '../statements/due-rows.js'
import { finishEvent, lockEvent, reviveEvent, type WebhookEventRow } from '../statements/webhook-events.js'
import { enqueueDue } from './change.js'
import type { AppliedEvent, StripeEvent } from './events/context.js'
import { eventHandlers } from './events/handlers.js'
import { LookupNeeded, Lookups } from './events/lookups.js'

const MAX_LOOKUPS = 8

/**
 * Applies a stored event exactly once, in the caller's time: RECEIVED → PROCESSED or IGNORED. Whatever it throws, the event
 * is stored and its job will come.
 */
export async function applyEvent(services: Services, eventId: string): Promise<void> {
  const due = await applyWithLookups(services, eventId)
  await enqueueDue({ services, due })
}

/** What has to be asked of Stripe is asked between two transactions, never within one. */
async function applyWithLookups(services: Services, eventId: string): Promise<DueRow[]> {
  const lookups = new Lookups()
  for (let lookupCount = 0; ; lookupCount++) {
    try {
      return await transaction(services.db.pool, client => apply(services, client, eventId, lookups), {
        statementTimeoutMs: services.config.stripe.webhookTimeoutMs
      })
    } catch (error) {
      if (!(error instanceof LookupNeeded) || lookupCount === MAX_LOOKUPS) throw error
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
  const note =
    elsewhere(event) ?? (handler === undefined ? `${event.type} is not a type that changes an order` : undefined)
  const applied: AppliedEvent =
    handler === undefined || note !== undefined
      ? { status: 'IGNORED', checkoutId: null, note: note ?? null }
      : await handler({ services, client, row, event, lookups, trail, due })

  if (isThinOfOurs(event)) {
    await alertUnlessOpen(client, services.log, 'thin_events', { eventId: row.id, subject: 'thin', reason: event.type })
  }

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
  onCommit(client, () =>
    countAppliedEvent(applied.status === 'PROCESSED' ? 'processed' : 'ignored', row.created, services.now())
  )
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

/** A snapshot of this type would have changed an order. https://docs.stripe.com/event-destinations#thin-events */
function isThinOfOurs({ object, type, context }: StripeEvent): boolean {
  const isOther = typeof context === 'string'
  return object === 'v2.core.event' && !isOther && Object.hasOwn(eventHandlers, type.replace(/^v1\./, ''))
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

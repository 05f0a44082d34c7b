import { alertUnlessOpen } from '../audit/alerts.js'
import type { AuditEntry } from '../audit/audit.js'
import { type Client, isOfOneTransaction, isUndefinedColumn, transaction } from '../database/database.js'
import { onCommit } from '../database/on-commit.js'
import { SECOND } from '../duration.js'
import { messageOf, TerminalError } from '../errors.js'
import { countAppliedEvent } from '../metrics/events.js'
import { inOrder } from '../rules/applied-together.js'
import { elsewhere } from '../rules/event-origin.js'
import type { Services } from '../runtime/services.js'
import { PINNED_API_VERSION } from '../runtime/stripe-version.js'
import type { DueRow } from '../statements/due-rows.js'
import {
  type EventEnd,
  finishEvents,
  type LockedEvent,
  lockEvent,
  lockEventsTogether,
  reviveEvent,
  type WebhookEventRow
} from '../statements/webhook-events.js'
import { advanceOrder } from './advance.js'
import { enqueueDue } from './change.js'
import type { AppliedEvent, EventContext, StripeEvent } from './events/context.js'
import { eventHandlers } from './events/handlers.js'
import { LookupNeeded, Lookups } from './events/lookups.js'

const MAX_LOOKUPS = 8
const HURRIED_LOCK_MS = SECOND / 4

/**
 * Applies a stored event exactly once, in the caller's time: RECEIVED → PROCESSED or IGNORED. Whatever it throws, the event
 * is stored and its job will come. The events of its payment that wait are applied with it (docs/decisions/0057): returns the
 * ids of all that need no job any more.
 */
export async function applyEvent(services: Services, eventId: string, how: How = {}): Promise<string[]> {
  const { due, done } = await applyWithLookups(services, eventId, how)
  await enqueueDue({ services, due })
  return done
}

interface How {
  /**
   * Others wait until this one is applied: Stripe is not asked (LookupNeeded is thrown), no lock is waited for longer than a moment, and a
   * dead event is left as it is.
   */
  isHurried?: boolean
}

interface Applied {
  /** The rows whose jobs follow. */
  due: DueRow[]
  /** The events that are applied. */
  done: string[]
}

/**
 * What has to be asked of Stripe is asked between two transactions, never within one. When one of several events cannot be
 * applied, nothing of them has happened: this one is then applied alone, and each of the others by its own job.
 */
async function applyWithLookups(services: Services, eventId: string, how: How): Promise<Applied> {
  const lookups = new Lookups()
  let isAlone = false
  for (let lookupCount = 0; ; ) {
    let count = 0
    try {
      return await inTransaction(services, how, async client => {
        const rows = await (isAlone ? lockEvent(client, eventId) : lockEventsTogether(client, eventId))
        count = rows.length
        return await apply({ services, client, lookups, how }, eventId, rows)
      })
    } catch (error) {
      if (how.isHurried && isOfOneTransaction(error)) throw error
      // Before the migrations have run, no event knows of another.
      if (count > 1 || (!isAlone && isUndefinedColumn(error))) {
        isAlone = true
        services.log.info({ eventId, count, reason: messageOf(error) }, 'an event is applied alone')
      } else if (!how.isHurried && error instanceof LookupNeeded && lookupCount++ < MAX_LOOKUPS)
        await lookups.fetch(services.stripe, error)
      else throw error
    }
  }
}

async function inTransaction<T>(
  { db, config }: Services,
  { isHurried }: How,
  work: (client: Client) => Promise<T>
): Promise<T> {
  return await transaction(db.pool, work, {
    statementTimeoutMs: config.stripe.webhookTimeoutMs,
    ...(isHurried ? { lockTimeoutMs: HURRIED_LOCK_MS } : {})
  })
}

type Context = Pick<EventContext, 'services' | 'client' | 'lookups'>

/** Adds what the events tell, lets the orders follow once, and ends the events. */
async function apply(
  { how, ...context }: Context & { how: How },
  eventId: string,
  rows: LockedEvent[]
): Promise<Applied> {
  const { services, client } = context
  const own = rows.find(row => row.id === eventId)
  if (own === undefined) throw new Error(`There is no event ${eventId}`)
  const isDead = own.status === 'DEAD'
  // Whoever held the lock before us has applied it.
  if (own.status !== 'RECEIVED' && (!isDead || how.isHurried)) return { due: [], done: [eventId] }
  if (isDead) await revive(services, client, own)

  const following: EventContext['following'] = new Map()
  const due: DueRow[] = []
  const ends: EventEnd[] = []
  const waiting = rows.filter(row => row === own || row.status === 'RECEIVED')
  for (const row of inOrder(waiting)) ends.push(await addFacts({ ...context, row, following, due }))
  for (const [orderId, change] of following) await advanceOrder(change, orderId)
  await finishEvents(client, ends, services.now())
  return { due, done: ends.map(({ id }) => id) }
}

type Row = Context & Pick<EventContext, 'row' | 'following' | 'due'>

/** Records what one event tells. Returns how it ends. */
async function addFacts(context: Row): Promise<EventEnd> {
  const { services, client, row } = context
  const event = parseEvent(row)
  const handler = Object.hasOwn(eventHandlers, event.type) ? eventHandlers[event.type] : undefined
  const note =
    elsewhere(event) ?? (handler === undefined ? `${event.type} is not a type that changes an order` : undefined)
  const trail = { eventId: row.id, requestId: row.requestId }
  const applied: AppliedEvent =
    handler === undefined || note !== undefined
      ? { status: 'IGNORED', checkoutId: null, note: note ?? null }
      : await handler({ ...context, event, trail })

  if (isThinOfOurs(event)) {
    await alertUnlessOpen(client, services.log, 'thin_events', { eventId: row.id, subject: 'thin', reason: event.type })
  }
  onCommit(client, () => tellApplied(services, row, applied))
  return { id: row.id, ...applied, audit: auditOf(row, applied) }
}

function auditOf(row: WebhookEventRow, applied: AppliedEvent): AuditEntry {
  return {
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
}

function tellApplied({ log, now }: Services, row: WebhookEventRow, { status, checkoutId }: AppliedEvent): void {
  countAppliedEvent(status === 'PROCESSED' ? 'processed' : 'ignored', row.created, now())
  const { id: eventId, requestId, type } = row
  log.info({ requestId, eventId, type, checkoutId, status }, 'event applied')
}

/** A snapshot of this type would have changed an order. https://docs.stripe.com/event-destinations#thin-events */
function isThinOfOurs({ object, type, context }: StripeEvent): boolean {
  const isOther = typeof context === 'string'
  return object === 'v2.core.event' && !isOther && Object.hasOwn(eventHandlers, type.replace(/^v1\./, ''))
}

/** A dead event has no job that waits: somebody has retried the failed one, in Bull Board. */
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

import type { WebhookEvent } from '../../prisma/generated/client.js'
import { type AuditEntry, auditParameter } from '../audit/audit.js'
import { type Database, isUndefinedColumn, type Queryable } from '../database/database.js'
import { maskOptional, maskText } from '../identity/masking.js'
import { eventStates } from '../rules/state-groups.js'
import { type WebhookEventStatus, webhookEventRules } from '../rules/transitions.js'
import { auditInsert } from './audit-rows.js'
import { givenList } from './given-list.js'
import { INSTALLATION_NAMES } from './installation.js'
import { isStill, move, oneOf } from './states.js'

const BURY = move(webhookEventRules, 'DEAD')
const REVIVE = move(webhookEventRules, 'RECEIVED', { operator: true })
const RESOLVE = move(webhookEventRules, 'RESOLVED', { operator: true })

export interface NewWebhookEvent {
  id: string
  type: string
  apiVersion: string | null
  livemode: boolean
  created: Date
  /** The signed body as it came. */
  payload: string
  requestId: string
  receivedAt: Date
  /** The PaymentIntent whose events it can be applied with (shared/rules/applied-together.ts). */
  paymentIntentId?: string | null
}

export interface WebhookEventRow extends NewWebhookEvent {
  status: WebhookEventStatus
  attempts: number
  error: string | null
  checkoutId: string | null
  processedAt: Date | null
}

/**
 * Stores many deliveries in one statement and returns the ids that were new. In id order whatever the caller's was, so that
 * two inserts that share events cannot wait for each other.
 */
export async function storeEvents(db: Queryable, given: NewWebhookEvent[]): Promise<Set<string>> {
  const events = [...given].sort((a, b) => (a.id < b.id ? -1 : 1))
  try {
    return await insertEvents(db, events, true)
  } catch (error) {
    // Until the migrations have run; then each is applied alone.
    if (!isUndefinedColumn(error)) throw error
    return await insertEvents(db, events, false)
  }
}

async function insertEvents(db: Queryable, events: NewWebhookEvent[], withPayment: boolean): Promise<Set<string>> {
  const { rows } = await db.query<{ id: string }>({
    name: withPayment ? 'store-events' : 'store-events-alone',
    text: `
    INSERT INTO "WebhookEvent" ("id", "type", "apiVersion", "livemode", "created", "payload", "requestId", "receivedAt"${withPayment ? ', "paymentIntentId"' : ''})
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::timestamptz[], $6::text[], $7::text[], $8::timestamptz[]${withPayment ? ', $9::text[]' : ''})
    ON CONFLICT ("id") DO NOTHING RETURNING "id"`,
    values: [
      events.map(event => event.id),
      events.map(event => event.type),
      events.map(event => event.apiVersion),
      events.map(event => event.livemode),
      events.map(event => event.created),
      events.map(event => event.payload),
      events.map(event => event.requestId),
      events.map(event => event.receivedAt),
      ...(withPayment ? [events.map(event => event.paymentIntentId ?? null)] : [])
    ]
  })
  return new Set(rows.map(row => row.id))
}

/** An event to apply, with the names by which what it tells can be ours. */
export interface LockedEvent extends WebhookEventRow {
  installation: string[]
}

/** The event alone; none when there is no such event. */
export async function lockEvent(db: Queryable, id: string): Promise<LockedEvent[]> {
  const { rows } = await db.query<LockedEvent>({
    name: 'lock-event',
    text: `SELECT e.*, ${INSTALLATION_NAMES} AS "installation" FROM "WebhookEvent" e WHERE e."id" = $1 FOR NO KEY UPDATE OF e`,
    values: [id]
  })
  return rows
}

/**
 * As lockEvent(), with the other events of its payment that wait to be applied. Everybody locks them by their ids, so that two
 * who share some wait for each other in one order; who comes second finds them done.
 */
export async function lockEventsTogether(db: Queryable, id: string): Promise<LockedEvent[]> {
  const { rows } = await db.query<LockedEvent>({
    name: 'lock-events-together',
    text: `
    SELECT e.*, ${INSTALLATION_NAMES} AS "installation" FROM "WebhookEvent" e
    WHERE e."id" = $1 OR (e."status" ${oneOf(eventStates.received)} AND e."paymentIntentId" = (
      SELECT own."paymentIntentId" FROM "WebhookEvent" own WHERE own."id" = $1 AND own."status" ${isStill(eventStates.received)}))
    ORDER BY e."id" FOR NO KEY UPDATE OF e`,
    values: [id]
  })
  return rows
}

/** How an event ended, with its audit row. */
export interface EventEnd {
  id: string
  status: 'PROCESSED' | 'IGNORED'
  checkoutId: string | null
  note: string | null
  audit: AuditEntry
}

/** Marks events as done, each with its audit row. Call it in the transaction that locked and applied them. */
export async function finishEvents(db: Queryable, ends: readonly EventEnd[], now: Date): Promise<void> {
  await db.query({
    name: 'finish-events',
    text: `
    WITH finished AS (
      UPDATE "WebhookEvent" e SET "status" = done."status", "checkoutId" = done."checkoutId", "error" = done."error", "processedAt" = $5
      FROM unnest(${givenList(1)}, $2::"WebhookEventStatus"[], $3::text[], $4::text[]) AS done("id", "status", "checkoutId", "error")
      WHERE e."id" = done."id" AND e."status" ${isStill(eventStates.received)} RETURNING e."id"
    )
    ${auditInsert(6, 'entry."eventId" IN (SELECT "id" FROM finished)')}`,
    values: [
      ends.map(end => end.id),
      ends.map(end => end.status),
      ends.map(end => end.checkoutId),
      ends.map(end => maskOptional(end.note)),
      now,
      auditParameter(...ends.map(end => end.audit))
    ]
  })
}

/** Records a failed try, and returns how many there were. */
export async function recordEventFailure(db: Queryable, id: string, error: string): Promise<number> {
  const { rows } = await db.query<{ attempts: number }>(
    `UPDATE "WebhookEvent" SET "attempts" = "attempts" + 1, "error" = $2 WHERE "id" = $1 AND "status" ${isStill(eventStates.received)} RETURNING "attempts"`,
    [id, maskText(error).slice(0, 1_000)]
  )
  return rows[0]?.attempts ?? 0
}

/** Gives up on an event until an operator replays it. False when it is not waiting any more. */
export async function buryEvent(db: Queryable, id: string, error: string, now: Date): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE "WebhookEvent" SET "status" = ${BURY.to}, "attempts" = "attempts" + 1, "error" = $2, "processedAt" = $3
     WHERE "id" = $1 AND "status" ${BURY.from}`,
    [id, maskText(error).slice(0, 1_000), now]
  )
  return rowCount === 1
}

/** Who wants a dead event to be tried again, and why. */
export interface Replayer {
  operator: string
  note?: string
  requestId?: string
}

/** Takes a dead event back for another try, with its audit row. False when it is not dead. */
export async function reviveEvent(db: Queryable, id: string, by: Replayer): Promise<boolean> {
  const audit: AuditEntry = {
    action: 'webhook_replayed',
    status: 'PROCESSING',
    eventId: id,
    before: 'DEAD',
    after: 'RECEIVED',
    requestId: by.requestId,
    metadata: { operator: by.operator, note: by.note ?? null }
  }
  const { rowCount } = await db.query(
    `WITH revived AS (
       UPDATE "WebhookEvent" SET "status" = ${REVIVE.to}, "attempts" = 0, "error" = NULL, "processedAt" = NULL
       WHERE "id" = $1 AND "status" ${REVIVE.from} RETURNING "id"
     ), audited AS (${auditInsert(2, 'EXISTS (SELECT FROM revived)')})
     SELECT FROM revived`,
    [id, auditParameter(audit)]
  )
  return rowCount === 1
}

/** An operator has dealt with a dead event by other means. False when it is not dead. */
export async function resolveEvent(
  db: Queryable,
  id: string,
  end: { by: string; note: string; audit: AuditEntry }
): Promise<boolean> {
  const { rowCount } = await db.query(
    `WITH resolved AS (
       UPDATE "WebhookEvent" SET "status" = ${RESOLVE.to}, "resolvedBy" = $2, "note" = $3 WHERE "id" = $1 AND "status" ${RESOLVE.from} RETURNING "id"
     ), audited AS (${auditInsert(4, 'EXISTS (SELECT FROM resolved)')})
     SELECT FROM resolved`,
    [id, end.by, maskText(end.note), auditParameter(end.audit)]
  )
  return rowCount === 1
}

type ListedEvent = Omit<WebhookEvent, 'payload'>

/** Newest first; of all states when none is given. */
export async function listEvents(
  { prisma }: Database,
  status: WebhookEventStatus | undefined,
  limit: number
): Promise<ListedEvent[]> {
  const where = status === undefined ? {} : { status }
  return await prisma.webhookEvent.findMany({
    where,
    orderBy: { receivedAt: 'desc' },
    take: limit,
    omit: { payload: true }
  })
}

/** Oldest first. */
export async function listDeadEvents({ prisma }: Database, limit: number): Promise<ListedEvent[]> {
  return await prisma.webhookEvent.findMany({
    where: { status: { in: [...eventStates.dead] } },
    orderBy: { receivedAt: 'asc' },
    take: limit,
    omit: { payload: true }
  })
}

/** With its payload; null when there is none. */
export async function showEvent({ prisma }: Database, id: string): Promise<WebhookEvent | null> {
  return await prisma.webhookEvent.findUnique({ where: { id } })
}

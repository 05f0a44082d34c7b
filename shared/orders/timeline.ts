import type { LedgerPosting, Notification, PaymentAuditLog, PaymentSignal } from '../../prisma/generated/client.js'
import type { ToldEvent } from '../statements/event-stories.js'

/** What happened at one moment. Amounts in minor units of `currency`. */
export interface Moment {
  at: Date
  kind: 'audit' | 'event' | 'ledger' | 'notification' | 'signal'
  /** The act, the type of the event, the entry: what it is called. */
  what: string
  /** The row that tells it. */
  id: string
  status: string | null
  /** The states before and after, where one changed. */
  before: string | null
  after: string | null
  amount: number | null
  currency: string | null
  /** Who did it, and why. */
  by: string | null
  why: string | null
  error: string | null
  /** What a comparison with Stripe has found. */
  found: string[]
  requestId: string | null
  eventId: string | null
}

export interface Told {
  audit: PaymentAuditLog[]
  events: ToldEvent[]
  postings: LedgerPosting[]
  notifications: Notification[]
  signals: PaymentSignal[]
}

/** All that is told of an order as one line of moments, oldest first. */
export function timelineOf(told: Told): Moment[] {
  const moments = [
    ...told.events.map(ofEvent),
    ...told.audit.map(ofAudit),
    ...told.signals.map(ofSignal),
    ...ofLedger(told.postings),
    ...told.notifications.flatMap(ofNotification)
  ]
  return moments
    .map((moment, index) => ({ moment, index }))
    .sort((a, b) => a.moment.at.getTime() - b.moment.at.getTime() || a.index - b.index)
    .map(({ moment }) => moment)
}

const NOTHING = {
  status: null,
  before: null,
  after: null,
  amount: null,
  currency: null,
  by: null,
  why: null,
  error: null,
  found: [],
  requestId: null,
  eventId: null
}

function ofAudit(row: PaymentAuditLog): Moment {
  const metadata = (row.metadata ?? {}) as Record<string, unknown>
  const { status, before, after, currency, error, requestId, eventId } = row
  return {
    ...NOTHING,
    at: row.createdAt,
    kind: 'audit',
    what: row.action,
    id: String(row.id),
    status,
    before,
    after,
    amount: row.amount === null ? null : Number(row.amount),
    currency,
    by: textOf(metadata.operator),
    why: textOf(metadata.note) ?? textOf(metadata.reason),
    error,
    found: listOf(metadata.differences),
    requestId,
    eventId
  }
}

function ofEvent(row: ToldEvent): Moment {
  const { id, type, status, error, requestId, resolvedBy, note } = row
  return {
    ...NOTHING,
    at: row.receivedAt,
    kind: 'event',
    what: type,
    id,
    status,
    by: resolvedBy,
    why: note,
    error,
    requestId,
    eventId: id
  }
}

function ofSignal({ id, kind, code, createdAt, open }: PaymentSignal): Moment {
  return {
    ...NOTHING,
    at: createdAt,
    kind: 'signal',
    what: kind.toLowerCase(),
    id,
    status: open ? 'OPEN' : null,
    error: code
  }
}

/** One moment an entry and currency: what it moved on the debited side. */
function ofLedger(postings: LedgerPosting[]): Moment[] {
  const debits = postings.filter(({ amount }) => amount > 0n)
  return debits.map(({ entry, account, currency, amount, createdAt }) => {
    const credited = postings.filter(each => each.entry === entry && each.currency === currency && each.amount < 0n)
    return {
      ...NOTHING,
      at: createdAt,
      kind: 'ledger',
      what: entry.split(':')[0] ?? entry,
      id: entry,
      before: credited.map(each => each.account).join(', '),
      after: account,
      amount: Number(amount),
      currency
    }
  })
}

function ofNotification(row: Notification): Moment[] {
  const { id, type, status, error, attempts } = row
  const made: Moment = { ...NOTHING, at: row.createdAt, kind: 'notification', what: type, id, status, error }
  if (row.deliveredAt === null) return [made]
  const tries = attempts === 1 ? null : `after ${attempts} tries`
  return [
    { ...made, status: 'PENDING', error: null },
    { ...made, at: row.deliveredAt, error: tries }
  ]
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : []
}

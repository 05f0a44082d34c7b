import { isDeepStrictEqual } from 'node:util'
import type pg from 'pg'
import { writeAudit } from '../audit/audit.js'
import { type Client, transaction } from '../database/database.js'
import { MINUTE } from '../duration.js'
import { maskText, maskValue } from '../identity/masking.js'
import { forgetAddresses } from '../statements/audit-trail.js'
import { findClaimedGuests } from '../statements/guests.js'
import {
  type EventCursor,
  eraseCheckouts,
  eraseEvents,
  eraseKeys,
  eraseNotificationErrors,
  eraseOrders,
  eraseSignals,
  eraseUntiedEvents,
  readTraces,
  type TextRow,
  type Traces,
  textTables
} from '../statements/personal-data.js'

export interface Erasure {
  orders: number
  checkouts: number
  events: number
  texts: number
  auditRows: number
}

/** Why, and who wants it. */
export interface ErasureRequest {
  userId: string
  operator: string
  reason: string
}

const BATCH = 1_000
const BATCH_TIMEOUT_MS = MINUTE

/**
 * Takes e-mail, postal and IP address, browser and payloads of one user out of everything that is closed; amounts, items
 * and states stay, as the financial record. Each batch is a transaction of its own. What tells where to look goes last,
 * so that a run that was broken off can be run again.
 */
export async function erasePersonalData(pool: pg.Pool, request: ErasureRequest): Promise<Erasure> {
  const { userId, operator, reason } = request
  const inBatch = <T>(work: (client: Client) => Promise<T>) =>
    transaction(pool, work, { statementTimeoutMs: BATCH_TIMEOUT_MS })
  await writeAudit(pool, {
    action: 'personal_data_erasure_begun',
    status: 'PROCESSING',
    userId,
    metadata: { operator, reason }
  })
  const erased: Erasure = { orders: 0, checkouts: 0, events: 0, texts: 0, auditRows: 0 }
  // What a guest did whom the user has claimed stands in the trail under the guest's id.
  for (const subject of [userId, ...(await findClaimedGuests(pool, userId))]) {
    const of = await eraseSubject(subject, { operator, reason }, inBatch)
    for (const what of Object.keys(erased) as (keyof Erasure)[]) erased[what] += of[what]
  }
  await writeAudit(pool, {
    action: 'personal_data_erased',
    status: 'SUCCESS',
    userId,
    metadata: { ...erased, operator, reason }
  })
  return erased
}

async function eraseSubject(
  userId: string,
  { operator, reason }: Pick<ErasureRequest, 'operator' | 'reason'>,
  inBatch: InBatch
): Promise<Erasure> {
  const all = async (erase: (client: Client) => Promise<number>) => {
    let total = 0
    for (;;) {
      const count = await inBatch(erase)
      total += count
      if (count < BATCH) return total
    }
  }
  const traces = await inBatch(client => readTraces(client, userId))
  const tied = await all(client => eraseEvents(client, userId, BATCH))
  const untied = await eraseInPayloads(traces, inBatch)
  const texts = await eraseInTexts(userId, traces, inBatch)
  await all(client => eraseSignals(client, userId, BATCH))
  await all(client => eraseNotificationErrors(client, userId, BATCH))
  await all(client => eraseKeys(client, userId, BATCH))
  const auditRows = await all(client => forgetAddresses(client, userId, { operator, reason }, BATCH))
  const orders = await all(client => eraseOrders(client, userId, BATCH))
  const checkouts = await all(client => eraseCheckouts(client, userId, BATCH))
  return { orders, checkouts, events: tied + untied, texts, auditRows }
}

type InBatch = <T>(work: (client: Client) => Promise<T>) => Promise<T>

async function eraseInPayloads(traces: Traces, inBatch: InBatch): Promise<number> {
  if (traces.objectIds.length === 0 && traces.emails.length === 0) return 0
  let erased = 0
  let last: EventCursor | null = null
  do {
    const slice = await inBatch(client => eraseUntiedEvents(client, traces, last, BATCH))
    erased += slice.erased
    last = slice.last
  } while (last !== null)
  return erased
}

async function eraseInTexts(userId: string, traces: Traces, inBatch: InBatch): Promise<number> {
  const forget = eraserOf(traces)
  let changed = 0
  for (const table of textTables) {
    for (let after: string | undefined = ''; after !== undefined; ) {
      const from: string = after
      after = await inBatch(async client => {
        const rows = await table.read(client, userId, traces, from, BATCH)
        for (const row of rows) {
          const texts = forget(row.texts)
          if (isDeepStrictEqual(texts, row.texts)) continue
          await table.write(client, { id: row.id, texts })
          changed++
        }
        return rows.at(-1)?.id
      })
    }
  }
  return changed
}

/**
 * Masks by form, and the user's own by name: an address of a private network, a browser. By name both before and after the
 * masks, since what is in the database may have been masked as it came in. The longest first: one may be a part of another.
 */
function eraserOf({ emails, addresses, browsers }: Traces): (texts: TextRow['texts']) => TextRow['texts'] {
  const traces = [...emails, ...addresses, ...browsers].sort((a, b) => b.length - a.length)
  const plain = patternsOf(traces)
  const masked = patternsOf(traces.map(maskText).filter((trace, index) => trace !== traces[index]))
  return texts => withoutAny(maskValue(withoutAny(texts, plain)), masked) as TextRow['texts']
}

/** What stands in place of something has nothing of the user any more. */
const MARKS = '[erased] [e-mail] [phone number] [card number] [IP address]'.toLowerCase()

function patternsOf(traces: string[]): RegExp[] {
  return traces
    .filter(trace => !MARKS.includes(trace.toLowerCase()))
    .map(trace => new RegExp(trace.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'gi'))
}

/** In the strings alone: names of fields, numbers and null are not what somebody wrote. */
function withoutAny(value: unknown, patterns: RegExp[]): unknown {
  if (typeof value === 'string') return patterns.reduce((left, pattern) => left.replace(pattern, '[erased]'), value)
  if (Array.isArray(value)) return value.map(inner => withoutAny(inner, patterns))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withoutAny(inner, patterns)]))
}

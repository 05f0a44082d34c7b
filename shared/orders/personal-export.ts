import type pg from 'pg'
import { writeAudit } from '../audit/audit.js'
import { type Client, transaction } from '../database/database.js'
import { MINUTE } from '../duration.js'
import { Refused } from '../refused.js'
import { findClaimedGuests } from '../statements/guests.js'
import { type EventCursor, findUntiedEvents, readTraces } from '../statements/personal-data.js'
import { findUsersByEmail, knowsUser, readPersonalRows } from '../statements/personal-export.js'

export interface ExportRequest {
  /** A customer's id, or an e-mail that one customer alone has. */
  customer: string
  operator: string
  reason: string
}

export type PersonalExport = Awaited<ReturnType<typeof exportPersonalData>>

const STATEMENT_TIMEOUT_MS = 2 * MINUTE
/** Of each table; whoever has more is told which were cut. */
const MOST_ROWS = 50_000
const SLICE = 1_000

/**
 * All that is held about a customer, by table, for a request of access (GDPR, articles 15 and 20): also what they did as a
 * guest whom they have claimed. What lets one act in their name, and who of the shop did what, is left out. It is audited
 * before anything is read. Throws Refused when nobody, or more than one, is called so.
 */
export async function exportPersonalData(pool: pg.Pool, { customer, operator, reason }: ExportRequest, now: Date) {
  const userId = await resolveCustomer(pool, customer)
  await writeAudit(pool, {
    action: 'personal_data_exported',
    status: 'SUCCESS',
    userId,
    metadata: { operator, reason }
  })
  return await transaction(
    pool,
    async db => {
      await db.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY')
      const users = [userId, ...(await findClaimedGuests(db, userId))]
      const tables = await readPersonalRows(db, users, MOST_ROWS)
      return {
        customer: userId,
        guests: users.slice(1),
        madeAt: now,
        /** Tables that have more rows than are here. */
        incomplete: tables.filter(({ isCut }) => isCut).map(({ table }) => table),
        data: Object.fromEntries(tables.map(({ table, rows }) => [table, rows.map(readable)])),
        otherEvents: (await untiedEvents(db, users)).map(readable)
      }
    },
    { statementTimeoutMs: STATEMENT_TIMEOUT_MS }
  )
}

async function resolveCustomer(pool: pg.Pool, customer: string): Promise<string> {
  if (await knowsUser(pool, customer)) return customer
  const [only, ...others] = customer.includes('@') ? await findUsersByEmail(pool, customer) : []
  if (only === undefined) {
    throw new Refused(
      'customer_not_found',
      `Nothing is held about a customer ${customer}: give the id that their orders have, or an e-mail that stands on one of them.`
    )
  }
  if (others.length === 0) return only
  throw new Refused(
    'unclear_input',
    `The e-mail ${customer} is of ${others.length + 1} customers (${[only, ...others].slice(0, 10).join(', ')}): make sure who asks, and export by id.`
  )
}

async function untiedEvents(db: Client, users: string[]) {
  const found: Awaited<ReturnType<typeof findUntiedEvents>>['events'] = []
  const objectIds: string[] = []
  for (const user of users) objectIds.push(...(await readTraces(db, user, { open: true })).objectIds)
  if (objectIds.length === 0) return found
  let last: EventCursor | null = null
  do {
    const slice: Awaited<ReturnType<typeof findUntiedEvents>> = await findUntiedEvents(db, objectIds, last, SLICE)
    found.push(...slice.events)
    last = slice.last
  } while (last !== null)
  return found
}

/** Of Stripe's payloads and of the trail: what lets one act in the customer's name, and who of the shop it was. */
const LEFT_OUT = new Set(['client_secret', 'operator', 'by', 'url', 'hosted_invoice_url'])

/** Payloads as JSON, and without what is left out. */
function readable(row: object): Record<string, unknown> {
  const { payload, ...others } = row as Record<string, unknown>
  const whole = payload === undefined ? others : { ...others, payload: parsed(payload) }
  return without(whole) as Record<string, unknown>
}

function parsed(payload: unknown): unknown {
  try {
    return JSON.parse(String(payload))
  } catch {
    return payload
  }
}

function without(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(without)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !LEFT_OUT.has(name))
      .map(([name, inner]) => [name, without(inner)])
  )
}

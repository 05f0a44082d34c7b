import { connectBounded } from '../../shared/database/bounded-client.js'
import { DAY, SECOND } from '../../shared/duration.js'
import { checkLedger } from '../../shared/reconcile/ledger-check.js'
import { reconcile } from '../../shared/reconcile/reconcile.js'
import { findAuditProblems } from '../../shared/statements/audit-trail.js'
import { eventually } from '../eventually.js'
import type { Shopper } from '../shopper.js'
import type { Stack } from '../stack.js'
import { drillShopper } from './drill-shop.js'
import type { Acknowledged } from './payment-load.js'

const LOOK_WITHIN = 30 * SECOND
const SETTLED = ['OPEN', 'PAID']

interface CheckoutRow {
  id: string
  status: string
  sessionId: string | null
  hasOrder: boolean
}

interface Found {
  checkouts: Map<string, CheckoutRow>
  /** The status of each event that is stored. */
  events: Map<string, string>
}

/**
 * What was acknowledged and is not in that database, and what there or at Stripe is not as the other says, in words. Waits
 * for what is under way.
 */
export async function findLosses(
  acknowledged: Acknowledged,
  stack: Stack,
  databaseUrl: string,
  patienceMs: number
): Promise<string[]> {
  const atOnce = missing(acknowledged, await readAll(databaseUrl))
  const inTheEnd = await eventually(
    async () => unsettled(acknowledged, stack, await readAll(databaseUrl)),
    wrongs => wrongs.length === 0,
    patienceMs
  )
  const keys = await forgottenKeys(acknowledged, await drillShopper(stack))
  return [...atOnce, ...inTheEnd, ...keys, ...(await wrongBooks(stack))]
}

async function readAll(databaseUrl: string): Promise<Found> {
  const client = await connectBounded(databaseUrl, LOOK_WITHIN)
  try {
    const checkouts = await client.query<CheckoutRow>(
      `SELECT c."id", c."status", c."sessionId", o."id" IS NOT NULL AS "hasOrder"
       FROM "Checkout" c LEFT JOIN "Order" o ON o."id" = c."orderId"`
    )
    const events = await client.query<{ id: string; status: string }>('SELECT "id", "status" FROM "WebhookEvent"')
    return {
      checkouts: new Map(checkouts.rows.map(row => [row.id, row])),
      events: new Map(events.rows.map(row => [row.id, row.status]))
    }
  } finally {
    await client.end()
  }
}

function missing({ checkouts, events }: Acknowledged, found: Found): string[] {
  return [
    ...checkouts.filter(({ id }) => !found.checkouts.get(id)?.hasOrder).map(({ id }) => `checkout ${id} is not there`),
    ...checkouts
      .filter(({ id, paidAt }) => paidAt !== undefined && found.checkouts.get(id)?.status !== 'PAID')
      .map(({ id }) => `checkout ${id} was told as paid and is not`),
    ...events.filter(({ id }) => !found.events.has(id)).map(({ id }) => `event ${id} is not there`)
  ]
}

/** In the end each checkout is open or paid, by one Session, as Stripe has it, and each event is applied. */
function unsettled({ checkouts }: Acknowledged, { simulator }: Stack, found: Found): string[] {
  const ofCheckout = (id: string) => simulator?.record.sessionsOf({ checkoutId: id }) ?? []
  const isPaid = (id: string) => ofCheckout(id).some(session => session.payment_status === 'paid')
  return [
    ...checkouts
      .map(({ id }) => ({ id, status: found.checkouts.get(id)?.status }))
      .filter(({ id, status }) => !SETTLED.includes(status ?? '') || (status === 'PAID') !== isPaid(id))
      .map(({ id, status }) => `checkout ${id} is ${status}, at Stripe it is ${isPaid(id) ? '' : 'not '}paid`),
    ...[...found.checkouts.values()]
      .filter(({ id, sessionId }) => ofCheckout(id).some(session => session.id !== sessionId))
      .map(({ id }) => `checkout ${id} has another Session at Stripe`),
    ...(simulator?.record.events() ?? [])
      .filter(({ id }) => !found.events.has(id))
      .map(({ id, type }) => `event ${id} (${type}) of Stripe is not there`),
    ...[...found.events]
      .filter(([, status]) => status !== 'PROCESSED' && status !== 'IGNORED')
      .map(([id, status]) => `event ${id} is ${status}`)
  ]
}

/** The same request again has the same checkout. */
async function forgottenKeys({ checkouts, body }: Acknowledged, shopper: Shopper): Promise<string[]> {
  const forgotten: string[] = []
  for (const { id, key } of checkouts) {
    const { body: answer } = await shopper.checkout(body, { 'Idempotency-Key': key, Prefer: 'respond-async' })
    if (!answer.success || answer.data.checkoutId !== id) forgotten.push(`key ${key} does not lead to checkout ${id}`)
  }
  return forgotten
}

/** After what runs each hour, which asks Stripe for its fees. */
async function wrongBooks({ services }: Stack): Promise<string[]> {
  await reconcile(services, { requestId: 'drill' })
  const compare = () => checkLedger(services, new Date(Date.now() - DAY), new Date(Date.now() + DAY))
  const { differences } = await eventually(compare, report => report.differences.length === 0)
  const problems = await findAuditProblems(services.db.pool)
  return [...differences, ...problems.map(({ chain, problem }) => `audit chain ${chain}: ${problem}`)]
}

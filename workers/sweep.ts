import { alert, alertOnce, alertUnlessOpen } from '../shared/audit/alerts.js'
import { transaction } from '../shared/database/database.js'
import { HOUR, MINUTE, SECOND } from '../shared/duration.js'
import { countRequeued } from '../shared/metrics/repairs.js'
import type { Services } from '../shared/runtime/services.js'
import { countRequeue, countWaitingForStripe, type DueRow, findDueRows } from '../shared/statements/due-rows.js'
import { claimLapsingPayments } from '../shared/statements/payments.js'
import type { Job } from './job.js'

const LIMIT = 5_000
const AT_ONCE = 50
const STUCK_AFTER_REQUEUES = 20
/** Their orders are locked until all are told of; the next sweep tells of the next. */
const MOST_LAPSING = 200
/** Shorter outages mend themselves before anybody could look. */
const STRIPE_AWAY_AFTER = 5 * MINUTE

/** Enqueues what the rows say is due and has no job: after a lost queue store, a crash, or a store that was away. */
export const sweep: Job<'sweep'> = {
  name: 'sweep',
  async handle(services) {
    const before = new Date(services.now().getTime() - services.config.schedules.sweepAfterSeconds * SECOND)
    const rows = await findDueRows(services.db.pool, before, LIMIT)
    const hasEvents = rows.some(({ job }) => job === 'webhook-processing')
    const next = hasEvents ? await services.queues.nextSince('webhook-processing') : undefined
    const waitsInTurn = next !== undefined && next < before
    const due = rows.filter(({ job }) => {
      // Those that were stored together share a job, by whose id they are not found: in a backlog each would get a second one.
      if (job === 'webhook-processing') return !waitsInTurn
      // Without an address they wait for one.
      return job !== 'order-notification' || services.config.notifications !== undefined
    })
    let requeued = 0
    for (let start = 0; start < due.length; start += AT_ONCE) {
      const results = await Promise.all(due.slice(start, start + AT_ONCE).map(row => requeue(services, row)))
      requeued += results.filter(Boolean).length
    }
    if (requeued > 0) services.log.warn({ due: due.length, requeued }, 'rows without a job were enqueued again')
    await warnOfLapsing(services)
    await warnOfStripe(services)
  }
}

/** Tells once about each authorization that nobody has captured and that lapses soon. */
async function warnOfLapsing(services: Services): Promise<void> {
  const now = services.now()
  const before = new Date(now.getTime() + services.config.schedules.authorizationAlertHours * HOUR)
  await transaction(services.db.pool, async client => {
    for (const payment of await claimLapsingPayments(client, before, now, MOST_LAPSING)) {
      const at = payment.captureBefore?.toISOString() ?? 'about seven days after it was made'
      await alert(client, services.log, 'authorization_lapses', {
        orderId: payment.orderId,
        checkoutId: payment.checkoutId,
        reason: `the authorization ${payment.paymentIntentId} lapses ${at}`
      })
    }
  })
}

/** One alert for an outage, whatever the number of rows that wait for its end. */
async function warnOfStripe(services: Services): Promise<void> {
  const { db, log } = services
  const { checkouts, events, refunds, since } = await countWaitingForStripe(db.pool)
  if (since === null || services.now().getTime() - since.getTime() < STRIPE_AWAY_AFTER) return
  const what = `${checkouts} checkouts, ${events} events and ${refunds} refunds`
  const reason = `${what} wait for Stripe, the first since ${since.toISOString()}`
  await alertUnlessOpen(db.pool, log, 'stripe_away', { reason })
}

async function requeue(services: Services, row: DueRow): Promise<boolean> {
  // Its Session is being created within the job that has verified it (docs/decisions/0061).
  if (row.job === 'session-creation' && (await services.queues.isActive('price-verification', row.id))) return false
  if (!(await services.queues.enqueueAgain(row.job, row.id))) return false
  countRequeued(row.job)
  if (row.job === 'price-verification' || row.job === 'session-creation') {
    const requeues = await countRequeue(services.db.pool, row.id)
    if (requeues === STUCK_AFTER_REQUEUES) {
      await alertOnce(services.db.pool, services.log, 'stuck_checkout', {
        checkoutId: row.id,
        reason: `${row.job} was enqueued ${requeues} times`,
        cause: row.job
      })
    }
  }
  return true
}

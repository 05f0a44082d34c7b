import { alertUnlessOpen } from '../shared/audit/alerts.js'
import { verifyTrail } from '../shared/audit/trail-verification.js'
import { isDatabaseUnavailable } from '../shared/database/database.js'
import { DAY, HOUR } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import { bookBalanceTransactions } from '../shared/reconcile/balance.js'
import { checkLedger } from '../shared/reconcile/ledger-check.js'
import type { Services } from '../shared/runtime/services.js'
import { isStripeAway } from '../shared/runtime/stripe-client.js'
import type { Job } from './job.js'

/** As many differences are told; `ops` tells them all. */
const MOST_TOLD = 3
const LEDGER_DAYS = 7
/** What Stripe has booked just now, the event that tells it may still be on its way. */
const LEDGER_DELAY = HOUR

/** Verifies the audit trail and the ledger, each whatever becomes of the other; what is wrong is an alert, once while it is open. */
export const verification: Job<'verification'> = {
  name: 'verification',
  async handle(services) {
    const failures: unknown[] = []
    for (const verify of [verifyAuditTrail, verifyLedger]) await verify(services).catch(error => failures.push(error))
    if (failures.length === 0) return
    const outages = failures.filter(error => isStripeAway(error) || isDatabaseUnavailable(error))
    const cause = outages.length === failures.length ? outages[0] : undefined
    throw new Error(`verification was not complete: ${failures.map(messageOf).join('; ')}`, { cause })
  }
}

async function verifyAuditTrail({ config, db, log }: Services): Promise<void> {
  const found: string[] = []
  let wrong = 0
  for await (const { state, findings } of verifyTrail(db, config)) {
    found.push(...findings.slice(0, MOST_TOLD - found.length))
    wrong = state.wrong
  }
  if (wrong === 0) return
  await alertUnlessOpen(db.pool, log, 'audit_broken', { reason: summaryOf(wrong, found) })
}

async function verifyLedger(services: Services): Promise<void> {
  const until = new Date(services.now().getTime() - LEDGER_DELAY)
  const since = new Date(until.getTime() - LEDGER_DAYS * DAY)
  // Fees are looked up by a schedule; what it has not done yet is no difference.
  await bookBalanceTransactions(services, [])
  const { differences } = await checkLedger(services, since, until)
  if (differences.length === 0) return
  const reason = summaryOf(differences.length, differences.slice(0, MOST_TOLD))
  await alertUnlessOpen(services.db.pool, services.log, 'ledger_mismatch', { reason })
}

function summaryOf(count: number, told: string[]): string {
  return `${count} found: ${told.join('; ')}${count > told.length ? '; …' : ''}`
}

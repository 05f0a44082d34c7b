import { alert } from '../../audit/alerts.js'
import { type AuditEntry, writeAudit } from '../../audit/audit.js'
import { type PassedLimits, passedLimits } from '../../rules/fraud.js'
import { type ExpiringCheckout, isTestingReported, markForExpiry, readFraudSignals } from '../../statements/fraud.js'
import type { EventContext, OwnCheckout } from './context.js'

/** The limits that a decline has passed, and the checkouts that end for it. */
export interface Testing {
  limits: PassedLimits
  reason: string
  ended: ExpiringCheckout[]
}

/**
 * Refusing new checkouts is not enough: one open Session takes any number of cards
 * (https://docs.stripe.com/disputes/prevention/card-testing). Once a decline passes a limit, all checkouts of the customer,
 * or of the network, that can still be paid are marked, and a job expires their Sessions after the commit. Undefined below
 * the limits. Call it under lockSubject().
 */
export async function endWhatIsTested(
  { services, client, due }: EventContext,
  { userId, network }: OwnCheckout
): Promise<Testing | undefined> {
  const { fraud } = services.config
  if (!fraud.enabled) return undefined
  const now = services.now()
  const limits = passedLimits(await readFraudSignals(client, { userId, network }, fraud, now), fraud)
  const reasons = [...limits.customer, ...limits.network]
  if (reasons.length === 0) return undefined
  const subject = {
    userId: limits.customer.length > 0 ? userId : null,
    network: limits.network.length > 0 ? network : null
  }
  const reason = reasons.join('; ')
  const ended = await markForExpiry(client, subject, { reason: `card testing: ${reason}`, now })
  // One that is not verified yet is refused by its verification, which reads `expireReason`.
  for (const { id, status } of ended) if (status !== 'RECEIVED') due.push({ job: 'session-expiry', id })
  return { limits, reason, ended }
}

/** One alert a customer and one a network, until somebody resolves it. */
export async function reportTesting(
  { services, client, trail }: EventContext,
  { userId, network }: OwnCheckout,
  { limits, reason, ended }: Testing
): Promise<void> {
  const audit = ended.map(
    (each): AuditEntry => ({
      action: 'checkout_expire_requested',
      status: 'PROCESSING',
      userId: each.userId,
      orderId: each.orderId,
      checkoutId: each.id,
      eventId: trail.eventId,
      requestId: trail.requestId,
      error: reason,
      metadata: { because: 'card_testing' }
    })
  )
  if (audit.length > 0) await writeAudit(client, ...audit)
  if (limits.customer.length > 0 && !(await isTestingReported(client, { userId }))) {
    await alert(client, services.log, 'card_testing', { ...trail, reason: limits.customer.join('; ') })
  }
  if (limits.network.length > 0 && !(await isTestingReported(client, { network }))) {
    await alert(client, services.log, 'card_testing', { ...trail, userId: null, reason: limits.network.join('; ') })
  }
}

import type Stripe from 'stripe'
import { alert } from '../../shared/alerts.js'
import { writeAudit } from '../../shared/audit.js'
import { SECOND } from '../../shared/duration.js'
import { TerminalError } from '../../shared/errors.js'
import { disputeEntries, postEntries } from '../../shared/ledger.js'
import { disputeRank } from '../../shared/order-status.js'
import { recordDispute } from '../../shared/statements/disputes.js'
import { settleOrder } from '../settlement.js'
import {
  type AppliedEvent,
  about,
  amountOf,
  currencyOf,
  type EventContext,
  type EventHandler,
  ensurePayment,
  idOf,
  lockPaid,
  NOT_OURS,
  type OwnCheckout,
  objectOf,
  processed
} from './context.js'

/** https://docs.stripe.com/disputes/api */
export const disputeHandlers: Record<string, EventHandler> = {
  'charge.dispute.created': onDispute,
  'charge.dispute.updated': onDispute,
  'charge.dispute.funds_withdrawn': onDispute,
  'charge.dispute.funds_reinstated': onDispute,
  'charge.dispute.closed': onDispute
}

async function onDispute(context: EventContext): Promise<AppliedEvent> {
  const dispute = objectOf<Stripe.Dispute>(context, 'dispute')
  const chargeId = idOf(dispute.charge)
  const intent =
    idOf(dispute.payment_intent) ?? (chargeId === null ? null : idOf(context.lookups.charge(chargeId)?.payment_intent))
  const checkout = intent === null ? undefined : await lockPaid(context, intent)
  if (intent === null || checkout === undefined) return NOT_OURS
  const inner = about(context, checkout)
  await takeDispute(inner, checkout, dispute, intent)
  await settleOrder(inner, checkout.orderId)
  return processed(checkout, `dispute ${dispute.id} is ${dispute.status}`)
}

async function takeDispute(
  context: EventContext,
  checkout: OwnCheckout,
  dispute: Stripe.Dispute,
  paymentIntentId: string
): Promise<void> {
  const { client, services, trail, event } = context
  const { orderId } = checkout
  const now = services.now()
  const amount = amountOf(dispute.amount, 'amount')
  const currency = currencyOf(dispute.currency)
  if (typeof dispute.status !== 'string') throw new TerminalError('the dispute has no status')
  await ensurePayment(context, checkout, { paymentIntentId, amount, currency })
  const dueBy = dispute.evidence_details?.due_by
  const { before, isNewest } = await recordDispute(client, {
    id: dispute.id,
    paymentIntentId,
    orderId,
    status: dispute.status,
    reason: dispute.reason,
    amount,
    currency,
    evidenceDueBy: dueBy ? new Date(dueBy * SECOND) : null,
    toldAt: new Date(event.created * SECOND),
    toldRank: disputeRank(dispute.status),
    now
  })
  // Money that a dispute moved is told whole by each event: every balance transaction is booked once.
  const booked = dispute.balance_transactions ?? []
  await postEntries(
    client,
    booked.flatMap(transaction => disputeEntries(orderId, transaction)),
    now
  )
  if (!isNewest || before === dispute.status) return
  await writeAudit(client, {
    action: `dispute_${dispute.status}`.slice(0, 100),
    status: dispute.status === 'won' || dispute.status === 'prevented' ? 'SUCCESS' : 'FAILED',
    ...trail,
    amount,
    currency,
    before,
    after: dispute.status,
    metadata: { dispute: dispute.id, reason: dispute.reason, evidenceDueBy: dueBy ?? null }
  })
  // Once the evidence is in, nobody can do anything but wait.
  const isQuiet = ['won', 'prevented', 'warning_closed', 'under_review', 'warning_under_review', 'appeal_under_review']
  if (isQuiet.includes(dispute.status)) return
  const deadline = dueBy ? `; evidence by ${new Date(dueBy * SECOND).toISOString()}` : ''
  const reason = `dispute ${dispute.id} of ${paymentIntentId} is ${dispute.status} (${dispute.reason})${deadline}`
  await alert(client, services.log, dispute.status === 'lost' ? 'dispute_lost' : 'dispute_open', { ...trail, reason })
}

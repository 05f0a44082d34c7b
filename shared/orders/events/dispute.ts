import type Stripe from 'stripe'
import { alert } from '../../audit/alerts.js'
import { writeAudit } from '../../audit/audit.js'
import { onCommit } from '../../database/on-commit.js'
import { countMoney } from '../../metrics/payments.js'
import { type BalanceFigures, disputeEntries } from '../../rules/ledger-entries.js'
import { disputeRank } from '../../rules/order-status.js'
import { recordDispute } from '../../statements/disputes.js'
import { postEntries } from '../../statements/ledger.js'
import {
  type AppliedEvent,
  about,
  amountOf,
  currencyOf,
  type EventContext,
  type EventHandler,
  ensurePayment,
  follow,
  idOf,
  listOf,
  movementOf,
  NOT_OURS,
  type OwnCheckout,
  objectOf,
  optional,
  processed,
  refuse,
  textOf,
  timeOf
} from './context.js'
import { lockPaid } from './owner.js'

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
  const paid = await lockPaid(context, dispute)
  if (paid === undefined) return NOT_OURS
  const { checkout, paymentIntentId } = paid
  const inner = about(context, checkout)
  await applyDispute(inner, checkout, dispute, paymentIntentId)
  follow(inner, checkout.orderId)
  return processed(checkout, `dispute ${dispute.id} is ${dispute.status}`)
}

async function applyDispute(
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
  const status = textOf(dispute.status, 'status')
  const disputeReason = textOf(dispute.reason, 'reason')
  await ensurePayment(context, checkout, { paymentIntentId, amount, currency })
  const dueBy = optional(timeOf, dispute.evidence_details?.due_by, 'evidence_details.due_by')
  const { before, isNewest } = await recordDispute(client, {
    id: dispute.id,
    paymentIntentId,
    orderId,
    status,
    reason: disputeReason,
    amount,
    currency,
    evidenceDueBy: dueBy ?? null,
    eventTime: timeOf(event.created, 'created'),
    eventRank: disputeRank(status),
    now
  })
  // Money that a dispute moved is told whole by each event: every balance transaction is booked once.
  const booked = listOf(dispute.balance_transactions, 'balance_transactions').map(figuresOf)
  await postEntries(
    client,
    booked.flatMap(figures => disputeEntries(orderId, figures)),
    now
  )
  if (!isNewest || before === status) return
  onCommit(client, () => {
    if (before === null) countMoney(currency, 'disputed', amount)
    if (status === 'lost') countMoney(currency, 'dispute_lost', amount)
  })
  await writeAudit(client, {
    action: `dispute_${status}`.slice(0, 100),
    status: status === 'won' || status === 'prevented' ? 'SUCCESS' : 'FAILED',
    ...trail,
    amount,
    currency,
    before,
    after: status,
    metadata: { dispute: dispute.id, reason: disputeReason, evidenceDueBy: dueBy ?? null }
  })
  // Once the evidence is in, nobody can do anything but wait.
  const isQuiet = ['won', 'prevented', 'warning_closed', 'under_review', 'warning_under_review', 'appeal_under_review']
  if (isQuiet.includes(status)) return
  const deadline = dueBy === undefined ? '' : `; evidence by ${dueBy.toISOString()}`
  const reason = `dispute ${dispute.id} of ${paymentIntentId} is ${status} (${disputeReason})${deadline}`
  await alert(client, services.log, status === 'lost' ? 'dispute_lost' : 'dispute_open', { ...trail, reason })
}

function figuresOf(moved: Stripe.BalanceTransaction): BalanceFigures {
  return {
    id: idOf(moved, 'balance_transactions.id') ?? refuse('balance_transactions.id', moved.id, 'an id'),
    amount: movementOf(moved.amount, 'balance_transactions.amount'),
    fee: movementOf(moved.fee, 'balance_transactions.fee'),
    currency: currencyOf(moved.currency, 'balance_transactions.currency')
  }
}

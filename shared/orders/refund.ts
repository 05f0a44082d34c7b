import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { writeAudit } from '../audit/audit.js'
import { type Queryable, transaction } from '../database/database.js'
import { newId } from '../ids.js'
import { minor, toDecimalString } from '../money.js'
import { Refused } from '../refused.js'
import { divideRefund, type RefundPart, tookGoods } from '../rules/divide-refund.js'
import { disputeIsHeld } from '../rules/order-status.js'
import type { Restock } from '../rules/restock.js'
import type { Services } from '../runtime/services.js'
import { findDisputesOf } from '../statements/disputes.js'
import { lockOrder } from '../statements/orders.js'
import type { PaymentRow } from '../statements/payments.js'
import {
  countAnsweredRequests,
  findRefundByKey,
  findRefundsOfRequest,
  type RefundRow,
  readRefund,
  refundedByPayment,
  requestRefund
} from '../statements/refunds.js'
import { findMeant } from './operator-request.js'

export interface RefundInput {
  orderId: string
  /** In minor units; undefined for all that is left. */
  amount?: number
  reason?: string
  restock?: Restock
  /** Only this payment of the order. */
  paymentIntentId?: string
  /** The same key is the same refund. Without one, an equal request is, until Stripe has taken it. */
  key?: string
  operator: string
}

/**
 * Writes the refunds that a request makes, one a payment, checked against what was captured with the order locked: two at
 * once cannot give back more than there is. Their jobs ask Stripe. An equal request again returns the same refunds.
 */
export async function requestRefunds(
  services: Pick<Services, 'db' | 'queues' | 'now'>,
  input: RefundInput
): Promise<RefundRow[]> {
  const ids = await transaction(services.db.pool, async client => {
    const order = await lockOrder(client, input.orderId)
    if (order === undefined) throw new Refused('order_not_found', `There is no order ${input.orderId}.`)
    const requested = await refundedByPayment(client, input.orderId)
    const payments = (await findMeant(client, input)).filter(payment => payment.captured > 0)
    const key = input.key ?? (await derivedKey(client, input))
    const known = await findRefundByKey(client, `${key}:0`)
    if (known !== undefined) return await sameRequest(client, key, input)

    await refuseDisputed(client, payments)
    const parts = partsOf(input, payments, requested)
    // One of several refunds puts the goods back: that of the payment that took them.
    const ofGoods = parts.find(({ payment }) => tookGoods(payment)) ?? parts[0]
    for (const [index, part] of parts.entries()) {
      const { paymentIntentId, currency } = part.payment
      await requestRefund(client, {
        id: part.id,
        paymentIntentId,
        orderId: input.orderId,
        amount: part.amount,
        currency,
        reason: input.reason ?? null,
        restock: part === ofGoods ? (input.restock ?? null) : null,
        requestKey: `${key}:${index}`,
        requestedBy: input.operator,
        now: services.now()
      })
      await writeAudit(client, {
        action: 'refund_requested',
        status: 'PROCESSING',
        userId: order.userId,
        orderId: input.orderId,
        checkoutId: part.payment.checkoutId,
        amount: part.amount,
        currency,
        after: 'REQUESTED',
        metadata: { refund: part.id, reason: input.reason ?? null, operator: input.operator }
      })
    }
    return parts.map(part => part.id)
  })
  await Promise.all(ids.map(id => services.queues.offer('refund-creation', id)))
  const rows = await Promise.all(ids.map(id => readRefund(services.db.pool, id)))
  return rows.filter(row => row !== undefined)
}

/** Stripe has taken the money of a disputed payment already, and refuses to pay it back a second time. */
async function refuseDisputed(client: Queryable, payments: PaymentRow[]): Promise<void> {
  const disputes = await findDisputesOf(
    client,
    payments.map(payment => payment.paymentIntentId)
  )
  const held = disputes.find(dispute => disputeIsHeld(dispute.status))
  if (held === undefined) return
  throw new Refused(
    'payment_disputed',
    `Payment ${held.paymentIntentId} is disputed (${held.id} is ${held.status}): its money is gone already. Answer or accept the dispute at Stripe instead.`
  )
}

async function sameRequest(client: Queryable, key: string, input: RefundInput): Promise<string[]> {
  const rows = await findRefundsOfRequest(client, key)
  const sum = rows.reduce((total, row) => total + row.amount, 0)
  const isOther = ({ orderId, paymentIntentId }: (typeof rows)[number]) =>
    orderId !== input.orderId || paymentIntentId !== (input.paymentIntentId ?? paymentIntentId)
  if (rows.some(isOther) || (input.amount !== undefined && input.amount !== sum)) {
    throw new Refused('key_reused', `The key ${key} was used for another refund. Use a new one.`)
  }
  // One of its rows has the goods, whichever took them.
  const restock = rows.find(row => row.restock !== null)?.restock ?? null
  if (!isDeepStrictEqual(input.restock ?? null, restock)) {
    throw new Refused(
      'key_reused',
      'The same refund was asked for with other goods. For another one, use a key of its own.'
    )
  }
  return rows.map(row => row.id)
}

interface Part extends RefundPart<PaymentRow> {
  id: string
}

/** Each part becomes a refund with an id of its own. Throws Refused when the request cannot be divided. */
function partsOf({ amount }: RefundInput, payments: PaymentRow[], requested: Map<string, number>): Part[] {
  const division = divideRefund(amount, payments, requested)
  if (division.outcome === 'divided') return division.parts.map(part => ({ id: newId(), ...part }))
  switch (division.because) {
    case 'nothing_captured':
      throw new Refused(
        'nothing_captured',
        'Nothing that was captured for this order is booked. If it was paid long ago, run this first: npm run ops -- reconcile'
      )
    case 'nothing_left':
      throw new Refused('nothing_left', 'Everything was refunded, or is being refunded, already.')
    case 'too_little':
      throw new Refused('invalid_input', 'The amount has to be more than zero.')
    case 'more_than_left': {
      const currency = payments[0]?.currency ?? ''
      const [left, wanted] = [division.left, amount ?? 0].map(
        each => `${toDecimalString(minor(each), currency)} ${currency}`
      )
      throw new Refused('more_than_left', `Only ${left} of this order can still be refunded, not ${wanted}.`)
    }
  }
}

/**
 * An equal request twice is one refund until Stripe has answered all of it; then it is another one. What became of other
 * refunds meanwhile does not count.
 */
async function derivedKey(
  client: Queryable,
  { orderId, amount, reason, paymentIntentId }: RefundInput
): Promise<string> {
  const parts = [orderId, amount ?? 'all', reason ?? '', paymentIntentId ?? '']
  const prefix = `d${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 40)}`
  return `${prefix}-${await countAnsweredRequests(client, orderId, prefix)}`
}

/** A captured payment of an order, as a refund is divided among them; amounts in minor units. */
export interface RefundablePayment {
  paymentIntentId: string
  captured: number
  reviewReason: string | null
  acceptedAt: Date | null
}

export type Division<P extends RefundablePayment> =
  | { outcome: 'divided'; parts: RefundPart<P>[] }
  | { outcome: 'refused'; because: 'nothing_captured' | 'nothing_left' | 'too_little' }
  | { outcome: 'refused'; because: 'more_than_left'; left: number }

/** How much to refund of one payment. */
export interface RefundPart<P extends RefundablePayment> {
  payment: P
  amount: number
}

/**
 * What to refund of which payment: those in review first, then as they are listed. `requested` is all that is left when it is
 * undefined; `refunded` what each payment gives back already, or has been asked to.
 */
export function divideRefund<P extends RefundablePayment>(
  requested: number | undefined,
  payments: readonly P[],
  refunded: ReadonlyMap<string, number>
): Division<P> {
  if (payments.length === 0) return { outcome: 'refused', because: 'nothing_captured' }
  const left = (payment: P) => Math.max(0, payment.captured - (refunded.get(payment.paymentIntentId) ?? 0))
  const all = payments.reduce((sum, payment) => sum + left(payment), 0)
  const amount = requested ?? all
  if (all === 0) return { outcome: 'refused', because: 'nothing_left' }
  if (amount < 1) return { outcome: 'refused', because: 'too_little' }
  if (amount > all) return { outcome: 'refused', because: 'more_than_left', left: all }

  const parts: RefundPart<P>[] = []
  let open = amount
  for (const payment of [...payments].sort((a, b) => rank(a) - rank(b))) {
    const part = Math.min(open, left(payment))
    if (part === 0) continue
    parts.push({ payment, amount: part })
    open -= part
  }
  return { outcome: 'divided', parts }
}

function rank(payment: RefundablePayment): number {
  return tookGoods(payment) ? 1 : 0
}

/** It is not in review, so that the goods of its checkout left the shelf for it. */
export function tookGoods({ reviewReason, acceptedAt }: RefundablePayment): boolean {
  return reviewReason === null || acceptedAt !== null
}

// The only tables of how states move. docs/states.md is generated from them: npm run docs:states

export type CheckoutStatus =
  | 'RECEIVED'
  | 'VERIFIED'
  | 'OPEN'
  | 'PROCESSING'
  | 'PAID'
  | 'EXPIRED'
  | 'REJECTED'
  | 'FAILED'

export type OrderStatus =
  | 'PENDING'
  | 'PROCESSING'
  | 'AUTHORIZED'
  | 'PAID'
  | 'PARTIALLY_REFUNDED'
  | 'REFUNDED'
  | 'DISPUTED'
  | 'CANCELLED'
  | 'NEEDS_REVIEW'

export type PaymentStatus = 'PENDING' | 'PROCESSING' | 'AUTHORIZED' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED'

export type RefundStatus = 'REQUESTED' | 'REFUSED' | 'PENDING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED' | 'RELEASED'

export type ReservationStatus = 'HELD' | 'COMMITTED' | 'RELEASED'

export type WebhookEventStatus = 'RECEIVED' | 'PROCESSED' | 'IGNORED' | 'DEAD' | 'RESOLVED'

export type NotificationStatus = 'PENDING' | 'DELIVERED' | 'FAILED'

/** One allowed move: from any of `from` to any of `to`, when what happens, and the page that says so. */
export interface Rule<S extends string> {
  from: readonly S[]
  to: readonly S[]
  when: string
  source: string
  /** Only a person may do this; no event and no job does. */
  operator?: true
}

const DESIGN = 'architecture.md'
const SESSION = 'https://docs.stripe.com/api/checkout/sessions/object#checkout_session_object-status'
const DELAYED = 'https://docs.stripe.com/checkout/fulfillment#delayed-notification'
const EXPIRE = 'https://docs.stripe.com/api/checkout/sessions/expire'
const HOLD = 'https://docs.stripe.com/payments/place-a-hold-on-a-payment-method'
const INTENT = 'https://docs.stripe.com/payments/paymentintents/lifecycle'
const REFUNDS = 'https://docs.stripe.com/refunds'
const FAILED_REFUND = 'https://docs.stripe.com/refunds#failed-refunds'
const ERRORS = 'https://docs.stripe.com/error-low-level'
const RELEASE =
  'https://docs.stripe.com/changelog/basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow'
const REFUND = 'https://docs.stripe.com/api/refunds/object#refund_object-status'
const DISPUTE = 'https://docs.stripe.com/disputes/how-disputes-work'
const DELIVERY = 'https://docs.stripe.com/webhooks#event-delivery-behaviors'
const STANDARD_WEBHOOKS = 'https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md'

/**
 * A webhook can overtake the commit that stores the Session, so what moves OPEN forward moves VERIFIED too; and the end
 * of a bank debit can overtake its `completed`.
 */
export const checkoutRules: readonly Rule<CheckoutStatus>[] = [
  { from: ['RECEIVED'], to: ['VERIFIED'], when: 'prices are right and the stock is held', source: DESIGN },
  {
    from: ['RECEIVED'],
    to: ['REJECTED'],
    when: 'the cart, the order or the amount is refused, or the customer gives it up',
    source: DESIGN
  },
  { from: ['VERIFIED'], to: ['OPEN'], when: 'Stripe has created the Session', source: SESSION },
  { from: ['RECEIVED', 'VERIFIED'], to: ['FAILED'], when: 'Stripe refuses to create the Session', source: SESSION },
  {
    from: ['VERIFIED', 'OPEN'],
    to: ['PROCESSING'],
    when: 'the Session completed unpaid: a bank debit is on its way, or a card is authorized',
    source: DELAYED
  },
  { from: ['VERIFIED', 'OPEN', 'PROCESSING'], to: ['PAID'], when: 'the money is there', source: SESSION },
  {
    from: ['VERIFIED', 'OPEN'],
    to: ['EXPIRED'],
    when: 'Stripe says that the Session cannot be paid any more',
    source: EXPIRE
  },
  {
    from: ['OPEN', 'PROCESSING'],
    to: ['EXPIRED'],
    when: 'Stripe does not know the Session, and an operator says that it was deleted',
    source: DESIGN,
    operator: true
  },
  {
    from: ['VERIFIED', 'OPEN', 'PROCESSING'],
    to: ['FAILED'],
    when: 'the bank debit failed, or the authorization was cancelled or lapsed',
    source: DELAYED
  },
  {
    from: ['EXPIRED', 'FAILED', 'REJECTED'],
    to: ['PAID'],
    when: 'an operator accepts a payment that came too late',
    source: DESIGN,
    operator: true
  }
]

/** An order's state follows from its checkouts, payments, refunds and disputes (shared/rules/order-status.ts). */
export const orderRules: readonly Rule<OrderStatus>[] = [
  { from: ['PENDING'], to: ['PROCESSING'], when: 'a bank debit is on its way', source: DELAYED },
  { from: ['PENDING', 'PROCESSING'], to: ['AUTHORIZED'], when: 'a card is authorized and not captured', source: HOLD },
  {
    from: ['PENDING', 'PROCESSING', 'AUTHORIZED'],
    to: ['PAID'],
    when: 'the money is there, and it is the right amount',
    source: SESSION
  },
  {
    from: ['PROCESSING', 'AUTHORIZED'],
    to: ['PENDING'],
    when: 'the bank debit failed, or an operator gave the payment up; the customer can pay again',
    source: DELAYED
  },
  {
    from: ['PENDING', 'AUTHORIZED', 'NEEDS_REVIEW'],
    to: ['CANCELLED'],
    when: 'its cart was refused, an operator cancelled it, or the authorization was cancelled or lapsed',
    source: HOLD
  },
  { from: ['PAID'], to: ['PARTIALLY_REFUNDED'], when: 'a part of the money went back', source: REFUNDS },
  { from: ['PAID', 'PARTIALLY_REFUNDED'], to: ['REFUNDED'], when: 'all the money went back', source: REFUNDS },
  {
    from: ['PARTIALLY_REFUNDED', 'REFUNDED'],
    to: ['PAID'],
    when: 'a refund failed or was cancelled, and its money is back',
    source: FAILED_REFUND
  },
  { from: ['REFUNDED'], to: ['PARTIALLY_REFUNDED'], when: 'one of several refunds failed', source: FAILED_REFUND },
  {
    from: ['PAID', 'PARTIALLY_REFUNDED', 'REFUNDED'],
    to: ['DISPUTED'],
    when: 'the customer’s bank disputes the payment; a lost dispute stays',
    source: DISPUTE
  },
  {
    from: ['DISPUTED'],
    to: ['PAID', 'PARTIALLY_REFUNDED', 'REFUNDED'],
    when: 'the dispute was won or prevented: what the order was before',
    source: DISPUTE
  },
  {
    from: ['PENDING', 'PROCESSING', 'AUTHORIZED', 'PAID', 'PARTIALLY_REFUNDED', 'REFUNDED', 'DISPUTED', 'CANCELLED'],
    to: ['NEEDS_REVIEW'],
    when: 'money came that does not fit the order',
    source: DESIGN
  },
  {
    from: ['NEEDS_REVIEW'],
    to: ['PENDING', 'PROCESSING', 'AUTHORIZED', 'PAID', 'PARTIALLY_REFUNDED', 'REFUNDED', 'DISPUTED'],
    when: 'the payment in question was accepted, refunded or failed',
    source: DESIGN
  }
]

/** Without circles, so that events in any order end in the same state. */
export const paymentRules: readonly Rule<PaymentStatus>[] = [
  { from: ['PENDING'], to: ['PROCESSING'], when: 'the bank debit is on its way', source: INTENT },
  { from: ['PENDING', 'PROCESSING'], to: ['AUTHORIZED'], when: 'the amount can be captured', source: HOLD },
  { from: ['PENDING', 'PROCESSING', 'AUTHORIZED'], to: ['SUCCEEDED'], when: 'the money is there', source: INTENT },
  { from: ['PENDING', 'PROCESSING', 'AUTHORIZED'], to: ['FAILED'], when: 'the bank debit failed', source: DELAYED },
  {
    from: ['PENDING', 'PROCESSING', 'AUTHORIZED'],
    to: ['CANCELLED'],
    when: 'the PaymentIntent was cancelled, or its authorization lapsed',
    source: HOLD
  },
  {
    from: ['PENDING', 'PROCESSING', 'AUTHORIZED'],
    to: ['CANCELLED'],
    when: 'Stripe knows neither the PaymentIntent nor its Session, and an operator says that they were deleted',
    source: DESIGN,
    operator: true
  },
  {
    from: ['FAILED', 'CANCELLED'],
    to: ['SUCCEEDED'],
    when: 'Stripe tells of money all the same; its checkout is over, so that it is a case for review',
    source: INTENT
  }
]

/** Without circles, too: what Stripe says follows whatever we have recorded of a refund that we knew no object of. */
export const refundRules: readonly Rule<RefundStatus>[] = [
  { from: ['REQUESTED'], to: ['REFUSED'], when: 'Stripe refused to make it, and has none', source: ERRORS },
  {
    from: ['REQUESTED', 'REFUSED'],
    to: ['PENDING'],
    when: 'Stripe has taken it, or it waits for the customer',
    source: REFUND
  },
  {
    from: ['REQUESTED', 'REFUSED', 'PENDING'],
    to: ['SUCCEEDED'],
    when: 'the money is on its way back',
    source: REFUND
  },
  {
    from: ['REQUESTED', 'REFUSED', 'PENDING', 'SUCCEEDED'],
    to: ['FAILED'],
    when: 'the bank returned it, which can be days after it succeeded',
    source: FAILED_REFUND
  },
  {
    from: ['REQUESTED', 'REFUSED', 'PENDING'],
    to: ['CANCELLED'],
    when: 'it was cancelled before it went out',
    source: REFUND
  },
  {
    from: ['REQUESTED', 'REFUSED', 'PENDING', 'SUCCEEDED'],
    to: ['RELEASED'],
    when: 'it is none: Stripe let go of what was held and never captured, and an earlier release took it for a refund',
    source: RELEASE
  }
]

export const reservationRules: readonly Rule<ReservationStatus>[] = [
  { from: ['HELD'], to: ['COMMITTED'], when: 'the order is paid: the goods leave the stock', source: DESIGN },
  { from: ['HELD'], to: ['RELEASED'], when: 'Stripe says that the Session cannot be paid any more', source: EXPIRE },
  {
    from: ['RELEASED'],
    to: ['COMMITTED'],
    when: 'an operator accepts a payment that came too late',
    source: DESIGN,
    operator: true
  }
]

export const webhookEventRules: readonly Rule<WebhookEventStatus>[] = [
  { from: ['RECEIVED'], to: ['PROCESSED'], when: 'it was applied, or there was nothing to do', source: DELIVERY },
  { from: ['RECEIVED'], to: ['IGNORED'], when: 'its type or its object is not ours', source: DELIVERY },
  { from: ['RECEIVED'], to: ['DEAD'], when: 'it cannot be applied, or all tries failed', source: DESIGN },
  {
    from: ['DEAD'],
    to: ['RECEIVED'],
    when: 'an operator, or a retry in Bull Board, replays it',
    source: DESIGN,
    operator: true
  },
  {
    from: ['DEAD'],
    to: ['RESOLVED'],
    when: 'an operator has dealt with it and says how',
    source: DESIGN,
    operator: true
  }
]

export const notificationRules: readonly Rule<NotificationStatus>[] = [
  { from: ['PENDING'], to: ['DELIVERED'], when: 'the shop answered 2xx', source: STANDARD_WEBHOOKS },
  { from: ['PENDING'], to: ['FAILED'], when: 'all tries failed', source: STANDARD_WEBHOOKS },
  {
    from: ['DELIVERED', 'FAILED'],
    to: ['PENDING'],
    when: 'an operator replays it',
    source: STANDARD_WEBHOOKS,
    operator: true
  }
]

/** Whose moves: those of events and jobs alone, a person's as well, or only those that none but a person makes. */
export interface Mover {
  operator?: boolean | 'only'
}

/** Every state from which events and jobs may move to `to`, for the WHERE of a compare-and-set. */
export function sourcesOf<S extends string>(rules: readonly Rule<S>[], to: S, { operator = false }: Mover = {}): S[] {
  const isAllowed = (rule: Rule<S>) => (rule.operator ? operator !== false : operator !== 'only')
  const open = rules.filter(rule => rule.to.includes(to) && isAllowed(rule))
  return [...new Set(open.flatMap(rule => rule.from))]
}

/**
 * The fewest allowed moves from one state of an order to another, without the first; undefined when none do. A refund or
 * a dispute can be known before the payment: the order then passes PAID, or NEEDS_REVIEW when it was never paid or was
 * cancelled before.
 */
export function orderPath(from: OrderStatus, to: OrderStatus, neverPaid = false): OrderStatus[] | undefined {
  const through: OrderStatus[] = neverPaid || from === 'CANCELLED' ? ['NEEDS_REVIEW'] : ['PENDING', 'PAID']
  return shortestPath(orderRules, from, to, through)
}

function shortestPath<S extends string>(rules: readonly Rule<S>[], from: S, to: S, through: S[]): S[] | undefined {
  const paths: S[][] = [[from]]
  const seen = new Set<S>([from])
  for (let path = paths.shift(); path !== undefined; path = paths.shift()) {
    const last = path[path.length - 1] as S
    if (last === to) return path.slice(1)
    if (path.length > 1 && !through.includes(last)) continue
    for (const next of rules.filter(rule => rule.from.includes(last)).flatMap(rule => rule.to)) {
      if (seen.has(next)) continue
      seen.add(next)
      paths.push([...path, next])
    }
  }
  return undefined
}

import type Stripe from 'stripe'
import { data, lineOf, type Shopper } from '../../demo/shopper.js'
import type { Shop } from './shop.js'

/** One life of a payment: what the customer, the shop and the bank do, and how its order has to end. */
export interface Scenario {
  name: string
  ends: string
  manual?: true
  promotion?: true
  /** SQL on the order and checkout before any event; $1 is the order. */
  given?: string
  play(act: Act): Promise<void>
}

/** What a scenario can do, all of it at the simulated Stripe. */
export interface Act {
  stripe: Stripe
  session(): Stripe.Checkout.Session
  pay(number?: string, promotionCode?: string): Promise<void>
  intent(): string
  dispute(): string
  /** Debits and refunds under way end. */
  settle(): void
}

const FRAUD_DISPUTE = '4000000000000259'
const INQUIRY = '4000000000001976'
const DEBIT_PAYS = 'DE89370400440532013000'
const DEBIT_FAILS = 'DE62370400440532013001'

export const scenarios: Scenario[] = [
  { name: 'card', ends: 'PAID', play: act => act.pay() },
  {
    name: 'declines, then pays',
    ends: 'PAID',
    async play(act) {
      await act.pay('4000000000009995')
      await act.pay('4000000000000002')
      await act.pay()
    }
  },
  {
    name: 'bank debit that pays',
    ends: 'PAID',
    async play(act) {
      await act.pay(DEBIT_PAYS)
      act.settle()
    }
  },
  {
    name: 'bank debit that fails',
    ends: 'PENDING',
    async play(act) {
      await act.pay(DEBIT_FAILS)
      act.settle()
    }
  },
  {
    name: 'expired',
    ends: 'PENDING',
    async play(act) {
      await act.stripe.checkout.sessions.expire(act.session().id)
    }
  },
  { name: 'promotion code', ends: 'PAID', promotion: true, play: act => act.pay(undefined, 'TEN') },
  { name: 'nothing left to pay', ends: 'PAID', promotion: true, play: act => act.pay(undefined, 'FREE') },
  {
    name: 'authorized, then captured',
    ends: 'PAID',
    manual: true,
    async play(act) {
      await act.pay()
      await act.stripe.paymentIntents.capture(act.intent())
    }
  },
  {
    name: 'authorized, captured in part, refunded in part',
    ends: 'PARTIALLY_REFUNDED',
    manual: true,
    async play(act) {
      await act.pay()
      await act.stripe.paymentIntents.capture(act.intent(), { amount_to_capture: 500 })
      await act.stripe.refunds.create({ payment_intent: act.intent(), amount: 200 })
    }
  },
  {
    name: 'authorized, then cancelled',
    ends: 'CANCELLED',
    manual: true,
    async play(act) {
      await act.pay()
      await act.stripe.paymentIntents.cancel(act.intent())
    }
  },
  {
    name: 'refunded whole, restocked',
    ends: 'REFUNDED',
    async play(act) {
      await act.pay()
      await act.stripe.refunds.create({ payment_intent: act.intent(), metadata: { restock: 'all' } })
    }
  },
  {
    name: 'refunded in two parts',
    ends: 'REFUNDED',
    async play(act) {
      await act.pay()
      await act.stripe.refunds.create({ payment_intent: act.intent(), amount: 300 })
      await act.stripe.refunds.create({ payment_intent: act.intent() })
    }
  },
  {
    name: 'refund that fails after it succeeded',
    ends: 'PAID',
    async play(act) {
      await act.pay('4000000000005126')
      await act.stripe.refunds.create({ payment_intent: act.intent() })
      act.settle()
    }
  },
  {
    name: 'refund that takes its time',
    ends: 'PARTIALLY_REFUNDED',
    async play(act) {
      await act.pay('4000000000007726')
      await act.stripe.refunds.create({ payment_intent: act.intent(), amount: 100 })
      act.settle()
    }
  },
  {
    name: 'dispute that is won',
    ends: 'PAID',
    async play(act) {
      await act.pay(FRAUD_DISPUTE)
      await act.stripe.disputes.update(act.dispute(), { evidence: { uncategorized_text: 'winning_evidence' } })
    }
  },
  {
    name: 'dispute that is lost',
    ends: 'DISPUTED',
    async play(act) {
      await act.pay(FRAUD_DISPUTE)
      await act.stripe.disputes.update(act.dispute(), { evidence: { uncategorized_text: 'losing_evidence' } })
    }
  },
  {
    name: 'inquiry that is closed',
    ends: 'PAID',
    async play(act) {
      await act.pay(INQUIRY)
      await act.stripe.disputes.update(act.dispute(), { evidence: { uncategorized_text: 'winning_evidence' } })
    }
  },
  {
    name: 'dispute that is won, then refunded in part',
    ends: 'PARTIALLY_REFUNDED',
    async play(act) {
      await act.pay(FRAUD_DISPUTE)
      await act.stripe.disputes.update(act.dispute(), { evidence: { uncategorized_text: 'winning_evidence' } })
      await act.stripe.refunds.create({ payment_intent: act.intent(), amount: 100 })
    }
  },
  {
    name: 'early fraud warning, then refunded',
    ends: 'REFUNDED',
    async play(act) {
      await act.pay('4000000000005423')
      await act.stripe.refunds.create({ payment_intent: act.intent(), reason: 'fraudulent' })
    }
  },
  { name: 'review', ends: 'PAID', play: act => act.pay('4000000000009235') },
  {
    name: 'payment for a cancelled order',
    ends: 'NEEDS_REVIEW',
    given: `UPDATE "Order" SET "cancelledAt" = now(), "status" = 'CANCELLED' WHERE "id" = $1`,
    play: act => act.pay()
  },
  {
    name: 'payment of another amount, then refunded',
    ends: 'REFUNDED',
    given: `UPDATE "Checkout" SET "amount" = "amount" + 1 WHERE "orderId" = $1`,
    async play(act) {
      await act.pay()
      await act.stripe.refunds.create({ payment_intent: act.intent() })
    }
  }
]

export interface Prepared {
  scenario: Scenario
  orderId: string
  checkoutId: string
  events: Stripe.Event[]
}

/** Plays a scenario while nothing is delivered: the order stays as it was, and its events are in hand. */
export async function prepare(shop: Shop, customer: Shopper, scenario: Scenario): Promise<Prepared> {
  const { simulator, services } = shop.stack
  if (simulator === undefined) throw new Error('scenarios need the simulator')
  const items = [
    lineOf(await customer.product('stoneware-mug'), 2),
    lineOf(await customer.product('linen-notebook'), 1)
  ]
  const checkout = data(await customer.checkout({ items }, { 'Idempotency-Key': scenario.name }))
  const before = new Set(simulator.store.table('event').keys())
  const session = () =>
    simulator.store.table('checkout.session').get(String(checkout.sessionId)) as Stripe.Checkout.Session
  const intent = () => String(session().payment_intent)
  await scenario.play({
    stripe: services.stripe,
    session,
    intent,
    async pay(number = '4242424242424242', promotionCode = '') {
      const body = new URLSearchParams({ number, promotion_code: promotionCode })
      const response = await fetch(checkout.url ?? '', { method: 'POST', body, redirect: 'manual' })
      await response.arrayBuffer()
    },
    dispute() {
      const disputes = [...simulator.store.table('dispute').values()]
      return disputes.find(dispute => dispute.payment_intent === intent())?.id ?? ''
    },
    settle: () => simulator.tick({ settleAllDebits: true })
  })
  const events = [...simulator.store.table('event').values()].filter(event => !before.has(event.id))
  return { scenario, orderId: checkout.orderId ?? '', checkoutId: checkout.checkoutId, events }
}

import type Stripe from 'stripe'
import { data, lineOf, type Shopper } from '../../local/shopper.js'
import { intentEvent, type SyntheticEvent, sessionEvent } from '../../shared/orders/synthetic-events.js'
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
  /** Stripe has made a second Session for the checkout, of which nobody was told; somebody pays it. Returns its PaymentIntent. */
  payStray(): Promise<string>
  /** Something of the last declined charge changes, and an event tells so. */
  touchDeclined(): Promise<void>
  /** What reconcile would find now comes as events of its own. */
  reconcile(): void
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
    name: 'declines, and a declined charge is told of once more at the end',
    ends: 'PAID',
    async play(act) {
      await act.pay('4000000000000002')
      await act.pay()
      await act.touchDeclined()
    }
  },
  {
    name: 'authorized after a decline, captured in part in the dashboard, found by reconcile',
    ends: 'PAID',
    manual: true,
    async play(act) {
      await act.pay('4000000000009995')
      await act.pay()
      await act.stripe.paymentIntents.capture(act.intent(), { amount_to_capture: 500 })
      await act.touchDeclined()
      act.reconcile()
    }
  },
  {
    name: 'paid through a stray Session too, which is refunded',
    ends: 'PAID',
    async play(act) {
      const stray = await act.payStray()
      await act.pay()
      await act.stripe.refunds.create({ payment_intent: stray })
    }
  },
  {
    name: 'authorized through a stray Session too, which is cancelled',
    ends: 'PAID',
    manual: true,
    async play(act) {
      await act.pay()
      const stray = await act.payStray()
      await act.stripe.paymentIntents.capture(act.intent())
      await act.stripe.paymentIntents.cancel(stray)
    }
  },
  {
    name: 'expired after a stray Session was paid, which is refunded',
    ends: 'PENDING',
    async play(act) {
      const stray = await act.payStray()
      await act.stripe.checkout.sessions.expire(act.session().id)
      await act.stripe.refunds.create({ payment_intent: stray })
    }
  },
  {
    name: 'two refunds of one size, found by reconcile as well',
    ends: 'PARTIALLY_REFUNDED',
    async play(act) {
      await act.pay()
      await act.stripe.refunds.create({ payment_intent: act.intent(), amount: 250 })
      await act.stripe.refunds.create({ payment_intent: act.intent(), amount: 250 })
      act.reconcile()
    }
  },
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

async function payPage(url: string, number = '4242424242424242', promotionCode = ''): Promise<void> {
  const body = new URLSearchParams({ number, promotion_code: promotionCode })
  const response = await fetch(url, { method: 'POST', body, redirect: 'manual' })
  await response.arrayBuffer()
}

/** What was found, as it is stored: with the object as it was then. */
function eventOf({ type, object, state }: SyntheticEvent): Stripe.Event {
  const id = `found_${object.id}_${state}`
  const event = { id, object: 'event', type, created: Math.floor(Date.now() / 1000), data: { object } }
  return structuredClone(event) as unknown as Stripe.Event
}

/** Plays a scenario while nothing is delivered: the order stays as it was, and its events are in hand. */
export async function prepare(shop: Shop, customer: Shopper, scenario: Scenario): Promise<Prepared> {
  const { services } = shop.stack
  const { simulator } = shop
  const items = [
    lineOf(await customer.product('stoneware-mug'), 2),
    lineOf(await customer.product('linen-notebook'), 1)
  ]
  const checkout = data(await customer.checkout({ items }, { 'Idempotency-Key': scenario.name }))
  const before = new Set(simulator.record.events().map(event => event.id))
  const session = () => simulator.record.session(String(checkout.sessionId)) as Stripe.Checkout.Session
  const intent = () => String(session().payment_intent)
  const found: Stripe.Event[] = []
  await scenario.play({
    stripe: services.stripe,
    session,
    intent,
    pay: (number, promotionCode) => payPage(checkout.url ?? '', number, promotionCode),
    dispute() {
      return simulator.record.disputesOf(intent())[0]?.id ?? ''
    },
    settle: () => simulator.tick({ settleAllDebits: true }),
    async payStray() {
      const row = await services.db.prisma.checkout.findUniqueOrThrow({ where: { id: checkout.checkoutId } })
      const params = row.sessionParams as unknown as Stripe.Checkout.SessionCreateParams
      const stray = await services.stripe.checkout.sessions.create(params, { idempotencyKey: `${row.id}-1` })
      await payPage(stray.url ?? '')
      return String(simulator.record.session(stray.id)?.payment_intent)
    },
    async touchDeclined() {
      const declined = simulator.record
        .charges()
        .filter(charge => charge.status === 'failed' && charge.payment_intent === intent())
      await services.stripe.charges.update(declined.at(-1)?.id ?? '', { description: 'looked at' })
    },
    reconcile() {
      const own = simulator.record.intent(intent()) ?? null
      const all = [sessionEvent(session(), own), own === null ? undefined : intentEvent(own)]
      for (const each of all.filter(one => one !== undefined)) found.push(eventOf(each))
    }
  })
  const told = simulator.record.events().filter(event => !before.has(event.id))
  const events = [...told, ...found]
  return { scenario, orderId: checkout.orderId ?? '', checkoutId: checkout.checkoutId, events }
}

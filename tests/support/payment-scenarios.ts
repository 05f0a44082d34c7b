import type Stripe from 'stripe'
import { data, lineOf, type Shopper } from '../../local/shopper.js'
import { newId } from '../../shared/ids.js'
import { intentEvent, type SyntheticEvent, sessionEvent } from '../../shared/orders/synthetic-events.js'
import { differencesOf } from '../../shared/reconcile/objects/differences.js'
import { INSTALLATION } from '../../shared/rules/ownership.js'
import { type CheckoutRow, readCheckout } from '../../shared/statements/checkouts.js'
import { readInstallation } from '../../shared/statements/installation.js'
import type { AccountRecord } from '../../simulator/record.js'
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
  payStray(number?: string): Promise<string>
  /** Something of the last declined charge changes, and an event tells so. */
  touchDeclined(): Promise<void>
  /** What reconcile would find now comes as events of its own. */
  reconcile(): void
  /** An operator asks for a refund; the answer of the first try is lost, with or without what it should have made. */
  askRefund(amount: number, how: 'made' | 'not made'): Promise<void>
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
    name: 'expired while a debit through a stray Session is on its way, which fails',
    ends: 'PENDING',
    async play(act) {
      await act.payStray(DEBIT_FAILS)
      await act.stripe.checkout.sessions.expire(act.session().id)
      act.settle()
    }
  },
  {
    name: 'paid while a debit through a stray Session is on its way, which pays and is refunded',
    ends: 'PAID',
    async play(act) {
      const stray = await act.payStray(DEBIT_PAYS)
      await act.pay()
      act.settle()
      await act.stripe.refunds.create({ payment_intent: stray })
    }
  },
  {
    name: 'authorized, captured in part in the dashboard, found by reconcile before and after',
    ends: 'PAID',
    manual: true,
    async play(act) {
      await act.pay()
      act.reconcile()
      await act.stripe.paymentIntents.capture(act.intent(), { amount_to_capture: 700 })
      act.reconcile()
    }
  },
  {
    name: 'authorized and cancelled, found by reconcile before and after',
    ends: 'CANCELLED',
    manual: true,
    async play(act) {
      await act.pay()
      act.reconcile()
      await act.stripe.paymentIntents.cancel(act.intent())
      act.reconcile()
    }
  },
  {
    name: 'bank debit that fails, found by reconcile before and after',
    ends: 'PENDING',
    async play(act) {
      await act.pay(DEBIT_FAILS)
      act.reconcile()
      act.settle()
      act.reconcile()
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
    name: 'refund whose answer was lost',
    ends: 'PARTIALLY_REFUNDED',
    async play(act) {
      await act.pay()
      await act.askRefund(500, 'made')
    }
  },
  {
    name: 'two refunds of one size were asked for, one was made and takes its time',
    ends: 'PARTIALLY_REFUNDED',
    async play(act) {
      await act.pay('4000000000007726')
      await act.askRefund(500, 'made')
      await act.askRefund(500, 'not made')
      act.settle()
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
  /** As time went by: what Stripe has told, and what reconcile found after each step. */
  events: Stripe.Event[]
  /** Those of them that are there only if reconcile looked at that moment. */
  polled: ReadonlySet<Stripe.Event>
  /** What an operator asked for once the payment was known by the events before it. */
  asked: { id: string; amount: number; paymentIntentId: string }[]
  eventsBeforeAsking: number
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

/** What reconcile finds of a Session in this moment when nothing was told: a scheduled run, and one that reads objects. */
function findNow(account: AccountRecord, checkout: CheckoutRow, session: Stripe.Checkout.Session): SyntheticEvent[] {
  const intent = account.intent(String(session.payment_intent)) ?? null
  const ofIntent = ({ payment_intent }: { payment_intent: unknown }) => intent !== null && payment_intent === intent.id
  const at = {
    polledAt: new Date(),
    intent,
    charge: account.charges().find(charge => charge.id === intent?.latest_charge) ?? null,
    refunds: account.refunds().filter(ofIntent),
    disputes: account.disputes().filter(ofIntent),
    sessions: [session]
  }
  const known = { checkout, payment: undefined, refunds: [], disputes: [], entries: new Set<string>() }
  const read = differencesOf(known, at).flatMap(({ events }) => events)
  const isOwn = session.id === checkout.sessionId
  const polled = isOwn ? [sessionEvent(session, intent), intent === null ? undefined : intentEvent(intent)] : []
  return [
    ...polled.filter(event => event !== undefined),
    ...read.map(event => ({ ...event, state: `${event.state}_${newId()}` }))
  ]
}

/** Plays a scenario while nothing is delivered: the order stays as it was, and its events are in hand. */
export async function prepare(shop: Shop, customer: Shopper, scenario: Scenario): Promise<Prepared> {
  const { services } = shop.stack
  const { record, tick } = shop.simulator
  const items = [
    lineOf(await customer.product('stoneware-mug'), 2),
    lineOf(await customer.product('linen-notebook'), 1)
  ]
  const checkout = data(await customer.checkout({ items }, { 'Idempotency-Key': scenario.name }))
  const row = (await readCheckout(services.db.pool, checkout.checkoutId)) as CheckoutRow
  const [installation] = await readInstallation(services.db.pool)
  const orderId = checkout.orderId ?? ''
  const session = () => record.session(String(checkout.sessionId)) as Stripe.Checkout.Session
  const intent = () => String(session().payment_intent)

  const events: Stripe.Event[] = []
  const polled = new Set<Stripe.Event>()
  const asked: Prepared['asked'] = []
  let eventsBeforeAsking = 0
  const known = new Set(record.events().map(event => event.id))
  const seen = new Set<string>()
  /** After each step: what is told by it, and what reconcile would find then. */
  const look = () => {
    const told = record.events().filter(event => !known.has(event.id))
    for (const event of told) known.add(event.id)
    events.push(...told)
    const sessions = record.sessionsOf({ checkoutId: row.id })
    for (const found of sessions.flatMap(each => findNow(record, row, each))) {
      const news = JSON.stringify([found.type, found.object, found.state.replace(/_c[a-z0-9]{20,}$/, '')])
      if (seen.has(news)) continue
      seen.add(news)
      const event = eventOf(found)
      events.push(event)
      polled.add(event)
    }
  }
  services.stripe.on('response', look)
  await scenario.play({
    stripe: services.stripe,
    session,
    intent,
    async pay(number, promotionCode) {
      await payPage(checkout.url ?? '', number, promotionCode)
      look()
    },
    dispute() {
      return record.disputesOf(intent())[0]?.id ?? ''
    },
    settle() {
      tick({ settleAllDebits: true })
      look()
    },
    async payStray(number) {
      const { sessionParams } = await services.db.prisma.checkout.findUniqueOrThrow({ where: { id: row.id } })
      const params = sessionParams as unknown as Stripe.Checkout.SessionCreateParams
      const stray = await services.stripe.checkout.sessions.create(params, { idempotencyKey: `${row.id}-1` })
      await payPage(stray.url ?? '', number)
      look()
      return String(record.session(stray.id)?.payment_intent)
    },
    async touchDeclined() {
      const declined = record
        .charges()
        .filter(charge => charge.status === 'failed' && charge.payment_intent === intent())
      await services.stripe.charges.update(declined.at(-1)?.id ?? '', { description: 'looked at' })
    },
    reconcile() {
      const own = record.intent(intent()) ?? null
      const all = [sessionEvent(session(), own), own === null ? undefined : intentEvent(own)]
      for (const each of all.filter(one => one !== undefined)) events.push(eventOf(each))
    },
    async askRefund(amount, how) {
      if (asked.length === 0) eventsBeforeAsking = events.length
      const id = newId()
      asked.push({ id, amount, paymentIntentId: intent() })
      const params = {
        payment_intent: intent(),
        amount,
        metadata: { [INSTALLATION]: installation ?? '', refundId: id, orderId }
      }
      if (how === 'made') await services.stripe.refunds.create(params, { idempotencyKey: id })
    }
  })
  services.stripe.off('response', look)
  look()
  return { scenario, orderId, checkoutId: row.id, events, polled, asked, eventsBeforeAsking }
}

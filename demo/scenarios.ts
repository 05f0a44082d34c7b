import Stripe from 'stripe'
import { eventually } from '../local/eventually.js'
import { type Answer, address, data, lineOf, type Shopper } from '../local/shopper.js'
import type { Stack } from '../local/stack.js'
import { requestRefunds } from '../shared/orders/refund.js'
import { reconcile } from '../shared/reconcile/reconcile.js'
import type { CheckoutData } from '../shared/rules/checkout-outcome.js'
import { keyCleanup } from '../workers/key-cleanup.js'

export interface Scene {
  stack: Stack
  shopper: Shopper
  stranger: Shopper
  webhookSecret: string
}

export interface Scenario {
  title: string
  expected: string
  /** What was seen, in the words of `expected`. */
  run(scene: Scene): Promise<string>
}

/** What one scenario leaves for the next ones. */
const memory = { orderId: '', sessionId: '', url: '' }

export const scenarios: Scenario[] = [
  {
    title: 'An order is created with the totals of the database',
    expected: '201 PENDING, total 54.48 EUR',
    async run({ shopper }) {
      const order = await orderOf(shopper)
      memory.orderId = data(order).id
      return `${order.status} ${data(order).status}, total ${data(order).total} ${data(order).currency}`
    }
  },
  {
    title: 'Its checkout is verified and gets a Stripe Checkout Session',
    expected: '200 OPEN with a page to pay at',
    async run({ shopper }) {
      const checkout = await shopper.checkout({ items: await cart(shopper), orderId: memory.orderId })
      memory.sessionId = data(checkout).sessionId ?? ''
      memory.url = data(checkout).url ?? ''
      return `${checkout.status} ${data(checkout).status} ${memory.url === '' ? 'without' : 'with'} a page to pay at`
    }
  },
  {
    title: 'The same checkout again is the same Session',
    expected: '200, the same Session',
    async run({ shopper }) {
      const checkout = await shopper.checkout({ items: await cart(shopper), orderId: memory.orderId })
      return `${checkout.status}, ${data(checkout).sessionId === memory.sessionId ? 'the same' : 'another'} Session`
    }
  },
  {
    title: 'A declined card pays nothing; the order stays payable',
    expected: '402, order PENDING',
    async run({ shopper }) {
      const { status } = await shopper.pay(memory.url, '4000000000000002')
      return `${status}, order ${data(await shopper.order(memory.orderId)).status}`
    }
  },
  {
    title: 'Paid at the payment page, the webhook makes the order PAID',
    expected: '303, order PAID',
    async run({ shopper }) {
      const { status } = await shopper.pay(memory.url)
      return `${status}, order ${(await shopper.orderBecomes(memory.orderId, 'PAID')).status}`
    }
  },
  {
    title: 'A tampered price is refused',
    expected: '400 Cart verification failed: Price mismatch: expected 19.99, got 0.01',
    run: async ({ shopper }) =>
      refusal(
        await shopper.checkout({ items: [{ ...lineOf(await shopper.product('stoneware-mug'), 1), price: 0.01 }] })
      )
  },
  {
    title: 'A wrong name is refused',
    expected: '400 Cart verification failed: Product name mismatch: expected "Wool throw", got "Signed print"',
    run: async ({ shopper }) =>
      refusal(
        await shopper.checkout({ items: [{ ...lineOf(await shopper.product('wool-throw'), 1), name: 'Signed print' }] })
      )
  },
  {
    title: 'More than there is in stock is refused',
    expected: '400 Cart verification failed: Insufficient stock: 3 available, 4 requested',
    run: async ({ shopper }) =>
      refusal(await shopper.checkout({ items: [lineOf(await shopper.product('signed-print'), 4)] }))
  },
  {
    title: 'Somebody else’s order cannot be paid',
    expected: '403 Unauthorized',
    async run({ shopper, stranger }) {
      const { id } = data(await orderOf(shopper))
      return refusal(await stranger.checkout({ items: await cart(stranger), orderId: id }))
    }
  },
  {
    title: 'The same webhook ten times at once is applied once',
    expected: '10 × 200, 1 new, applied 1 time',
    async run({ stack, shopper, webhookSecret }) {
      const event = completedEvent(stack)
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => deliver(shopper, { ...event, id: 'evt_tenTimesAtOnce' }, webhookSecret))
      )
      const fresh = answers.filter(answer => answer.body.duplicate === undefined).length
      const applied = await eventually(
        () => stack.services.db.prisma.paymentAuditLog.count({ where: { eventId: 'evt_tenTimesAtOnce' } }),
        count => count > 0
      )
      return `${answers.filter(answer => answer.status === 200).length} × 200, ${fresh} new, applied ${applied} time${applied === 1 ? '' : 's'}`
    }
  },
  {
    title: 'A forged signature is refused and nothing is stored',
    expected: '400, 0 stored',
    async run({ stack, shopper }) {
      const { status } = await deliver(shopper, { ...completedEvent(stack), id: 'evt_forged' }, 'whsec_not_the_secret')
      return `${status}, ${await stack.services.db.prisma.webhookEvent.count({ where: { id: 'evt_forged' } })} stored`
    }
  },
  {
    title: 'An expired Session gives its stock back',
    expected: '5 before, 3 while open, 5 after EXPIRED',
    async run({ stack, shopper }) {
      const before = (await shopper.product('wool-throw')).stock
      const checkout = data(await shopper.checkout({ items: [lineOf(await shopper.product('wool-throw'), 2)] }))
      const open = (await shopper.product('wool-throw')).stock
      await stack.services.stripe.checkout.sessions.expire(checkout.sessionId ?? '')
      const { status } = await shopper.checkoutBecomes(checkout.checkoutId, 'EXPIRED')
      return `${before} before, ${open} while open, ${(await shopper.product('wool-throw')).stock} after ${status}`
    }
  },
  {
    title: 'A refund in two parts, the goods back on the shelf, and a ledger that sums to zero',
    expected: 'PARTIALLY_REFUNDED, REFUNDED, stock 38 → 40, ledger 0',
    async run({ stack, shopper }) {
      const { services } = stack
      const input = { orderId: memory.orderId, operator: 'demo' }
      const before = (await shopper.product('stoneware-mug')).stock
      await requestRefunds(services, { ...input, amount: 1_000, reason: 'chipped' })
      const first = await shopper.orderBecomes(memory.orderId, 'PARTIALLY_REFUNDED')
      await requestRefunds(services, { ...input, restock: 'all' })
      const second = await shopper.orderBecomes(memory.orderId, 'REFUNDED')
      const after = (await shopper.product('stoneware-mug')).stock
      const { _sum: ledger } = await services.db.prisma.ledgerPosting.aggregate({ _sum: { amount: true } })
      return `${first.status}, ${second.status}, stock ${before} → ${after}, ledger ${ledger.amount}`
    }
  },
  {
    title: 'A disputed payment holds its order until the dispute is won',
    expected: 'DISPUTED, then PAID',
    async run({ stack, shopper }) {
      const { stripe, db } = stack.services
      const checkout = data(await shopper.checkout({ items: [lineOf(await shopper.product('olive-tree'), 1)] }))
      await shopper.pay(checkout.url ?? '', '4000000000000259')
      const disputed = await shopper.orderBecomes(checkout.orderId ?? '', 'DISPUTED')
      const { id } = await db.prisma.dispute.findFirstOrThrow({ where: { orderId: checkout.orderId } })
      await stripe.disputes.update(id, { evidence: { uncategorized_text: 'winning_evidence' } })
      return `${disputed.status}, then ${(await shopper.orderBecomes(checkout.orderId ?? '', 'PAID')).status}`
    }
  },
  {
    title: 'Webhooks that never came are found by reconcile',
    expected: 'PENDING while nothing comes, PAID after reconcile',
    async run({ stack, shopper }) {
      stack.simulator?.faults.set({ dropDeliveries: 1 })
      const checkout = data(await shopper.checkout({ items: [lineOf(await shopper.product('desk-lamp'), 1)] }))
      await shopper.pay(checkout.url ?? '')
      const unheard = data(await shopper.order(checkout.orderId ?? ''))
      stack.simulator?.faults.set({})
      await reconcile(stack.services, { requestId: 'demo' })
      const { status } = await shopper.orderBecomes(checkout.orderId ?? '', 'PAID')
      return `${unheard.status} while nothing comes, ${status} after reconcile`
    }
  },
  {
    title: 'The cleanup deletes expired idempotency keys and keeps the others',
    expected: '1 expired deleted, 1 live kept',
    async run({ stack, shopper }) {
      const { prisma } = stack.services.db
      data(await shopper.checkout({ items: [lineOf(await shopper.product('linen-notebook'), 1)] }))
      const refused = await shopper.checkout(
        { items: [{ ...lineOf(await shopper.product('desk-lamp'), 1), price: 1 }] },
        { 'Idempotency-Key': 'demo-refused' }
      )
      if (refused.status !== 400) return `${refused.status} instead of a refused cart`
      await prisma.idempotencyKey.updateMany({ where: { derived: false }, data: { expiresAt: new Date(0) } })
      await keyCleanup.handle(stack.services, {}, { id: 'demo', attempt: 1, isLastAttempt: true })
      const [expired, live] = await Promise.all([
        prisma.idempotencyKey.count({ where: { derived: false } }),
        prisma.idempotencyKey.count({ where: { derived: true } })
      ])
      return `${1 - expired} expired deleted, ${live} live kept`
    }
  }
]

async function cart(shopper: Shopper) {
  return [lineOf(await shopper.product('stoneware-mug'), 2), lineOf(await shopper.product('linen-notebook'), 1)]
}

async function orderOf(shopper: Shopper) {
  return await shopper.createOrder({ items: await cart(shopper), address, subtotal: 54.48, shipping: 0 })
}

function refusal({ status, body }: Answer<CheckoutData>): string {
  if (body.success) return `${status} accepted`
  const details = body.details?.map(detail => detail.error).join('; ')
  return `${status} ${body.error}${details ? `: ${details}` : ''}`
}

function completedEvent(stack: Stack): Stripe.Event {
  const events = stack.simulator?.record.events() ?? []
  return events.find(event => event.type === 'checkout.session.completed') as Stripe.Event
}

async function deliver(
  shopper: Shopper,
  event: Stripe.Event,
  secret: string
): Promise<{ status: number; body: { duplicate?: boolean } }> {
  const payload = JSON.stringify(event)
  const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret })
  const response = await shopper.request('/api/stripe/webhook', {
    method: 'POST',
    body: payload,
    headers: { 'Stripe-Signature': signature }
  })
  return { status: response.status, body: (await response.json()) as { duplicate?: boolean } }
}

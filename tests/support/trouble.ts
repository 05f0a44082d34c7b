import { setTimeout as sleep } from 'node:timers/promises'
import type Stripe from 'stripe'
import { data, lineOf, type Shopper } from '../../local/shopper.js'
import { requestRefunds } from '../../shared/orders/refund.js'
import type { Random } from './random.js'
import { asOwner, type Shop } from './shop.js'
import { spawnWorkers } from './worker-process.js'

const CARDS = [
  '4242424242424242',
  '4242424242424242',
  'DE89370400440532013000',
  'DE62370400440532013001',
  '4000000000000002',
  '4000000000000259',
  '4000000000005126',
  '4000000000007726'
]

/** What an operator may change between two starts; a Session keeps what it was made with. */
const SETTINGS: Record<string, string>[] = [
  {},
  { PAYMENT_CAPTURE_METHOD: 'manual' },
  { PAYMENT_PROMOTION_CODES: 'true', PAYMENT_SUCCESS_URL: 'https://shop.example/thanks' },
  { PAYMENT_AUTOMATIC_TAX: 'true' },
  { PAYMENT_ADAPTIVE_PRICING: 'true', PAYMENT_STATEMENT_DESCRIPTOR: 'CHAOS' }
]

/** What goes wrong from time to time: Stripe, its deliveries, a worker, the database's connections, its locks. */
export async function makeTrouble(shop: Shop, random: Random, until: number): Promise<void> {
  const faults = shop.simulator.faults
  let workers = spawnWorkers(shop.stack.env)
  const troubles = [
    () =>
      faults?.set({
        rateLimit: random.integer(3),
        serverError: random.integer(2),
        serverErrorAfterEffect: random.integer(2),
        dropResponse: random.integer(4),
        unauthorized: random.integer(2),
        forbidden: random.integer(2),
        refused: random.integer(2),
        dropDeliveries: random.number() * 0.3,
        duplicateDeliveries: random.number() * 0.5,
        delayDeliveriesMs: random.number() * 1_500
      }),
    () => faults?.set({}),
    () => {
      workers.kill('SIGKILL')
      workers = spawnWorkers({ ...shop.stack.env, ...random.pick(SETTINGS) })
    },
    () =>
      asOwner(
        shop,
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.4'
      ),
    () => asOwner(shop, 'BEGIN; SELECT FROM "Product" FOR UPDATE; SELECT pg_sleep(0.7); COMMIT')
  ]
  while (Date.now() < until) {
    await random.pick(troubles)()
    await sleep(300 + random.integer(1_000))
  }
  faults?.set({})
}

/** A customer who buys and pays in every way, leaves, and gets money back. What fails is tried no more. */
export async function goShopping(shop: Shop, random: Random, customer: Shopper, until: number): Promise<void> {
  let earlier: string | undefined
  while (Date.now() < until) {
    try {
      earlier = (await buySomething(shop, random, customer, earlier)) ?? earlier
    } catch {
      // An outage is what this is about; what it left behind is looked at in the end.
      await sleep(100)
    }
  }
}

async function buySomething(
  shop: Shop,
  random: Random,
  customer: Shopper,
  earlier: string | undefined
): Promise<string | undefined> {
  const items = [lineOf(random.pick(await customer.products()), 1 + random.integer(2))]
  const again = earlier !== undefined && random.number() < 0.2 ? { orderId: earlier } : {}
  const key = `${customer.userId}-${random.integer(2 ** 31)}`
  const { checkoutId } = data(await customer.checkout({ items, ...again }, { 'Idempotency-Key': key }))
  const { orderId, sessionId = '', url } = await customer.checkoutBecomes(checkoutId, 'OPEN')
  const what = random.number()
  if (what < 0.1) return orderId
  if (what < 0.2) await shop.stack.services.stripe.checkout.sessions.expire(sessionId)
  else await customer.pay(url ?? '', random.pick(CARDS))
  if (what > 0.9) await payStray(shop, customer, checkoutId)
  await finishCapture(shop, random, sessionId)
  if (what > 0.6 && orderId !== undefined) await giveBack(shop, random, orderId)
  if (what > 0.8) await touchDeclined(shop, sessionId)
  return orderId
}

/** Stripe has made another Session for it, of which nobody was told; somebody pays it all the same. */
async function payStray(shop: Shop, customer: Shopper, checkoutId: string): Promise<void> {
  const { services } = shop.stack
  const { sessionParams } = await services.db.prisma.checkout.findUniqueOrThrow({ where: { id: checkoutId } })
  const params = sessionParams as unknown as Stripe.Checkout.SessionCreateParams
  const stray = await services.stripe.checkout.sessions.create(params, { idempotencyKey: `${checkoutId}-stray` })
  await customer.pay(stray.url ?? '')
}

/** What is only authorized is captured in part, captured whole or given up, in the dashboard. */
async function finishCapture({ stack }: Shop, random: Random, sessionId: string): Promise<void> {
  const { stripe } = stack.services
  const { payment_intent: intent } = await stripe.checkout.sessions.retrieve(sessionId, { expand: ['payment_intent'] })
  if (typeof intent !== 'object' || intent?.status !== 'requires_capture') return
  const what = random.number()
  if (what < 0.4) await stripe.paymentIntents.capture(intent.id, { amount_to_capture: 100 + random.integer(400) })
  else if (what < 0.7) await stripe.paymentIntents.capture(intent.id)
  else if (what < 0.9) await stripe.paymentIntents.cancel(intent.id)
}

async function touchDeclined({ stack }: Shop, sessionId: string): Promise<void> {
  const { stripe } = stack.services
  const { payment_intent: intent } = await stripe.checkout.sessions.retrieve(sessionId)
  if (typeof intent !== 'string') return
  const { data: charges } = await stripe.charges.list({ payment_intent: intent })
  for (const charge of charges.filter(each => each.status === 'failed')) {
    await stripe.charges.update(charge.id, { description: 'looked at' })
  }
}

async function giveBack(shop: Shop, random: Random, orderId: string): Promise<void> {
  const { services } = shop.stack
  await sleep(300)
  const what = random.number()
  if (what < 0.3) {
    const amount = 100 + random.integer(500)
    await requestRefunds(services, { orderId, amount, operator: 'olga', restock: 'all', key: `${random.number()}` })
  } else if (what < 0.6) {
    for (const key of [`${random.number()}`, `${random.number()}`]) {
      await requestRefunds(services, { orderId, amount: 150, operator: 'olga', key })
    }
  } else {
    const { paymentIntentId } = await services.db.prisma.payment.findFirstOrThrow({ where: { orderId } })
    await services.stripe.refunds.create({ payment_intent: paymentIntentId, amount: 150 })
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import type Stripe from 'stripe'
import { eventually } from '../../local/eventually.js'
import { data, lineOf, type Shopper } from '../../local/shopper.js'
import { loadConfig } from '../../shared/config/config.js'
import { HOUR, SECOND } from '../../shared/duration.js'
import { capturePayment } from '../../shared/orders/capture.js'
import { requestRefunds } from '../../shared/orders/refund.js'
import { reconcile } from '../../shared/reconcile/reconcile.js'
import { reconcileObjects } from '../../shared/reconcile/reconcile-objects.js'
import { type RunningWorkers, startWorkers } from '../../workers/start.js'
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

/** What a try of a refund that may have been made meets next. */
const REFUSALS = ['unauthorized', 'forbidden', 'refused'] as const

/** Workers of this process, each with other settings, as in a deploy that is under way. */
export async function startChangingWorkers({ stack }: Shop, random: Random) {
  const { services } = stack
  const running: RunningWorkers[] = []
  const start = async (settings: Record<string, string>) => {
    running.push(await startWorkers({ ...services, config: loadConfig({ ...stack.env, ...settings }) }))
  }
  await stack.stopWorkers()
  await start({})
  await start({ PAYMENT_CAPTURE_METHOD: 'manual' })
  return {
    async restart() {
      await start(random.pick(SETTINGS))
      await running.shift()?.stop()
    },
    async stop() {
      await Promise.all(running.map(each => each.stop()))
    }
  }
}

/** What goes wrong from time to time: Stripe, its deliveries, a worker, the database's connections, its locks. */
export async function makeTrouble(
  shop: Shop,
  random: Random,
  until: number,
  changing: { restart(): Promise<void> }
): Promise<void> {
  const faults = shop.simulator.faults
  const { services } = shop.stack
  let workers = spawnWorkers(shop.stack.env)
  const troubles = [
    () =>
      faults.set({
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
    () => faults.set({}),
    () => changing.restart(),
    // At any point, by a command of an operator.
    () => reconcile(services, { requestId: 'chaos' }),
    () => reconcileObjects(services, { since: new Date(Date.now() - HOUR), requestId: 'chaos' }),
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
  // Each at least once, if there is time.
  const due = random.shuffle(troubles)
  while (Date.now() < until) {
    // One trouble may be the end of another.
    await Promise.resolve((due.pop() ?? random.pick(troubles))()).catch(() => undefined)
    await sleep(200 + random.integer(600))
  }
  faults.set({})
}

/** What each purchase comes to; evenly, so that few of them are of every kind. */
export const waysFrom = (random: Random) => ({
  purchase: random.evenly(),
  capture: random.evenly(),
  refund: random.evenly()
})

type Ways = ReturnType<typeof waysFrom>

/** A customer who buys and pays in every way, leaves, and gets money back. What fails is tried no more. */
export async function goShopping(
  shop: Shop,
  random: Random,
  ways: Ways,
  customer: Shopper,
  until: number
): Promise<void> {
  let earlier: string | undefined
  while (Date.now() < until) {
    try {
      earlier = (await buySomething(shop, random, ways, customer, earlier)) ?? earlier
    } catch {
      // An outage is what this is about; what it left behind is looked at in the end.
      await sleep(100)
    }
  }
}

async function buySomething(
  shop: Shop,
  random: Random,
  ways: Ways,
  customer: Shopper,
  earlier: string | undefined
): Promise<string | undefined> {
  const items = [lineOf(random.pick(await customer.products()), 1 + random.integer(2))]
  const again = earlier !== undefined && random.number() < 0.2 ? { orderId: earlier } : {}
  const key = `${customer.userId}-${random.integer(2 ** 31)}`
  const { checkoutId } = data(await customer.checkout({ items, ...again }, { 'Idempotency-Key': key }))
  const { orderId, sessionId = '', url } = await customer.checkoutBecomes(checkoutId, 'OPEN')
  const what = ways.purchase()
  if (what < 0.1) return orderId
  if (what < 0.2) await shop.stack.services.stripe.checkout.sessions.expire(sessionId)
  else await payFor(shop, random, customer, { sessionId, url: url ?? '' })
  if (what > 0.9) await payStray(shop, customer, checkoutId, random.pick(CARDS))
  await finishCapture(shop, random, ways, { sessionId, orderId: orderId ?? '' })
  if (what > 0.5 && orderId !== undefined) await giveBack(shop, random, ways, orderId)
  if (what > 0.5) await touchDeclined(shop, sessionId)
  return orderId
}

/** With a promotion code, where the Session takes one; after a decline with another card, mostly. */
async function payFor(
  { simulator }: Shop,
  random: Random,
  customer: Shopper,
  { sessionId, url }: { sessionId: string; url: string }
): Promise<void> {
  const takesCodes = simulator.record.session(sessionId)?.allow_promotion_codes === true
  const code = takesCodes ? random.pick(['', 'TEN', 'FREE']) : ''
  await customer.pay(url, random.pick(CARDS), code === '' ? {} : { promotion_code: code })
  const isDeclined = simulator.record.session(sessionId)?.status === 'open'
  if (isDeclined && random.number() < 0.6) await customer.pay(url)
}

/** Stripe has made another Session for it, of which nobody was told; somebody pays it all the same. */
async function payStray(shop: Shop, customer: Shopper, checkoutId: string, card: string): Promise<void> {
  const { services } = shop.stack
  // As the error is counted with which Stripe made it.
  const data = { serverErrors: { increment: 1 } }
  const { sessionParams } = await services.db.prisma.checkout.update({ where: { id: checkoutId }, data })
  const params = sessionParams as unknown as Stripe.Checkout.SessionCreateParams
  const stray = await services.stripe.checkout.sessions.create(params, { idempotencyKey: `${checkoutId}-stray` })
  await customer.pay(stray.url ?? '', card)
}

/** What is only authorized is captured in part, captured whole or given up, in the dashboard or by an operator here. */
async function finishCapture(
  { stack }: Shop,
  random: Random,
  ways: Ways,
  { sessionId, orderId }: { sessionId: string; orderId: string }
): Promise<void> {
  const { stripe } = stack.services
  const { payment_intent: intent } = await stripe.checkout.sessions.retrieve(sessionId, { expand: ['payment_intent'] })
  if (typeof intent !== 'object' || intent?.status !== 'requires_capture') return
  const what = ways.capture()
  if (what < 0.4) await stripe.paymentIntents.capture(intent.id, { amount_to_capture: 100 + random.integer(400) })
  else if (what < 0.55) await stripe.paymentIntents.capture(intent.id)
  else if (what < 0.75) {
    await sleep(500)
    await capturePayment(stack.services, { orderId, amount: 100 + random.integer(400), operator: 'olga' })
  } else if (what < 0.9) await stripe.paymentIntents.cancel(intent.id)
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

/** The answer of the next try of a refund is lost, and its event for the time being; the try after it is refused. */
async function loseAnswer({ simulator: { faults } }: Shop, random: Random): Promise<void> {
  faults.set({ ...faults.get(), refunds: ['dropResponse', random.pick(REFUSALS)], dropDeliveries: 1 })
  await sleep(1_000)
  if (faults.get().dropDeliveries === 1) faults.set({ ...faults.get(), dropDeliveries: 0 })
}

async function giveBack(shop: Shop, random: Random, ways: Ways, orderId: string): Promise<void> {
  const { services } = shop.stack
  const { payment } = services.db.prisma
  await eventually(
    () => payment.findFirst({ where: { orderId, captured: { gt: 0 } } }),
    found => found !== null,
    2 * SECOND
  )
  const what = ways.refund()
  const losing = what < 0.5 ? loseAnswer(shop, random) : undefined
  try {
    await askBack(shop, random, orderId, what)
  } finally {
    await losing
  }
}

async function askBack({ stack }: Shop, random: Random, orderId: string, what: number): Promise<void> {
  const { services } = stack
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

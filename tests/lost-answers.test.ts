import fc from 'fast-check'
import type { Shopper } from '../local/shopper.js'
import { data, lineOf } from '../local/shopper.js'
import { loadConfig } from '../shared/config/config.js'
import { MINUTE } from '../shared/duration.js'
import { cancelWhatIsOpen } from '../shared/orders/cancel.js'
import { capturePayment } from '../shared/orders/capture.js'
import { requestRefunds } from '../shared/orders/refund.js'
import { renameInstallation } from '../shared/orders/rename-installation.js'
import { createStripe } from '../shared/runtime/stripe-client.js'
import { refundCreation } from '../workers/refund-creation.js'
import { sessionCreation } from '../workers/session-creation.js'
import { passOn, startAnsweringServer } from './support/answering-server.js'
import { JOB } from './support/fresh-shop.js'
import { allApplied, buy, goSilent, intentOf, ledgerDifferences, orderRow, verifyOnly } from './support/purchase.js'
import { BY_HAND } from './support/settings.js'
import { openShop, type Shop } from './support/shop.js'

// What a try at Stripe can meet, one after the other: whatever the order, nothing is done twice and nothing that was done is
// recorded as refused.

const RUNS = process.env.CI === 'true' ? 40 : 15

/** The answer that a try meets; and a deploy, after which the same call says something else. */
const meetings = [
  'dropResponse',
  'dropResponse',
  'serverError',
  'serverErrorAfterEffect',
  'unauthorized',
  'forbidden',
  'refused',
  'rateLimit',
  'unknown',
  'deploy'
] as const

type Meeting = (typeof meetings)[number]

interface Try {
  meets: Meeting
  /** Since the try before. */
  minutes: number
}

const tries = fc.array(
  fc.record({ meets: fc.constantFrom(...meetings), minutes: fc.constantFrom(0, 0, 1, 11, 60 * 21) }),
  { minLength: 1, maxLength: 6 }
)

/** Those that each run begins with: it was done, and then there is a "no". */
const examples = meetings
  .filter(meets => meets !== 'dropResponse')
  .map((meets): [Try[]] => [
    ['dropResponse' as const, meets, 'refused' as const].map(each => ({ meets: each, minutes: 0 }))
  ])

let shop: Shop
let customer: Shopper
let paid: { orderId: string; intent: string }
beforeAll(async () => {
  shop = await openShop('postgres', BY_HAND, { simulator: { now: () => clock } })
  customer = await shop.customer('ada')
  await shop.stack.services.db.pool.query('UPDATE "Product" SET "stock" = 100000')
  const { orderId, sessionId, url } = await buy(customer, 'stoneware-mug', 10)
  await customer.pay(url)
  await customer.orderBecomes(orderId, 'PAID')
  paid = { orderId, intent: intentOf(shop, sessionId) }
  await allApplied(shop)
  await shop.stack.stopWorkers()
})
afterAll(() => shop.close())
afterEach(() => shop.simulator.faults.set({}))

const prisma = () => shop.stack.services.db.prisma
/** Of the shop and of Stripe. */
let clock = Date.now()
let names = 0

/** Tries as a job does, with what each meets, and then until there is an answer. */
async function tryAll(
  all: Try[],
  once: (env: Record<string, string>) => Promise<void>,
  isOver: () => Promise<boolean>
) {
  let env: Record<string, string> = {}
  for (const { meets, minutes } of all) {
    clock += minutes * MINUTE
    shop.simulator.tick()
    if (meets === 'deploy') {
      env = { PAYMENT_SUCCESS_URL: `https://shop.example/thanks-${++names}` }
      const { db } = shop.stack.services
      await renameInstallation({ db, now: () => new Date(clock + names) }, `name-${names}`, {
        operator: 'olga',
        isCopy: false
      })
    }
    // The client asks once more by itself when a connection breaks.
    const times = meets === 'dropResponse' ? 2 : 1
    const fault = meets === 'deploy' || meets === 'unknown' ? {} : { [meets]: times }
    const remember = meets === 'unknown' ? shop.simulator.record.forget(paid.intent) : undefined
    shop.simulator.faults.set({ dropDeliveries: 1, ...fault })
    await once(env)
    remember?.()
    if (await isOver()) return
  }
  shop.simulator.faults.set({ dropDeliveries: 1 })
  for (let more = 0; more < 4 && !(await isOver()); more++) {
    clock += 11 * MINUTE
    await once(env)
  }
}

it('makes a refund once, whatever its tries meet, and calls none refused that there is', async () => {
  let made = 0
  await fc.assert(
    fc.asyncProperty(tries, async all => {
      const { services } = shop.stack
      const at = { ...services, now: () => new Date(clock) }
      const [refund] = await requestRefunds(at, { ...paid, amount: 100, operator: 'olga', key: `refund-${++made}` })
      const refundId = refund?.id ?? ''
      const row = () => prisma().refund.findUniqueOrThrow({ where: { id: refundId } })
      const keys = () => shop.simulator.record.idempotencyKeys().filter(key => key.startsWith(refundId)).length
      let lastError = 0
      const once = async () => {
        const before = keys()
        await refundCreation.handle(at, { refundId }, JOB).catch(() => undefined)
        // docs/decisions/0012-another-key-after-stripes-own-error.md
        if (before > 0 && keys() > before) expect(clock - lastError).toBeGreaterThanOrEqual(10 * MINUTE)
        // A fault that was used up.
        const { serverError, serverErrorAfterEffect } = shop.simulator.faults.get()
        if (serverError === 0 || serverErrorAfterEffect === 0) lastError = clock
      }
      await tryAll(all, once, async () => (await row()).status !== 'REQUESTED')
      const atStripe = shop.simulator.record.refunds().filter(each => each.metadata?.refundId === refundId)
      const { status, stripeId } = await row()
      const isRefused = status === 'REFUSED' && all.some(({ meets }) => meets === 'refused')
      expect([status, atStripe.map(each => each.id)]).toEqual(isRefused ? ['REFUSED', []] : ['SUCCEEDED', [stripeId]])
    }),
    { numRuns: RUNS, examples }
  )
  shop.simulator.faults.set({})
  expect(await ledgerDifferences(shop)).toEqual([])
})

it('opens a Session, whatever its tries meet, and gives no goods back while there is one', async () => {
  let made = 0
  await fc.assert(
    fc.asyncProperty(tries, async all => {
      const { services, env } = shop.stack
      const buyer = await shop.customer(`buyer-${++made}`)
      const items = [lineOf(await buyer.product('stoneware-mug'), 1)]
      shop.simulator.faults.set({ dropDeliveries: 1 })
      clock = Math.max(clock, Date.now())
      const now = () => new Date(clock)
      const { checkoutId } = data(
        await buyer.checkout({ items }, { Prefer: 'respond-async', 'Idempotency-Key': `s-${made}` })
      )
      await verifyOnly({ ...services, now }, checkoutId)
      const row = () => prisma().checkout.findUniqueOrThrow({ where: { id: checkoutId } })
      await tryAll(
        all,
        async settings => {
          const at = { ...services, now, config: loadConfig({ ...env, ...settings }) }
          await sessionCreation.handle(at, { checkoutId }, JOB).catch(() => undefined)
        },
        async () => (await row()).status !== 'VERIFIED'
      )
      const open = shop.simulator.record.sessionsOf({ checkoutId }).filter(each => each.status === 'open')
      const { status, sessionId } = await row()
      const held = await prisma().reservation.count({ where: { checkoutId, status: 'HELD' } })
      if (status === 'FAILED' && all.some(({ meets }) => meets === 'refused'))
        return expect([open, held]).toEqual([[], 0])
      if (status === 'EXPIRED')
        return expect([open, held, shop.simulator.record.session(sessionId ?? '')?.status]).toEqual([[], 0, 'expired'])
      expect([status, held, open.map(each => each.id)]).toEqual(['OPEN', 1, expect.arrayContaining([sessionId])])
    }),
    { numRuns: RUNS, examples }
  )
})

it('leaves no Session to pay when another try was refused while it was being made', async () => {
  clock = Math.max(clock, Date.now())
  const { config } = shop.stack
  const services = { ...shop.stack.services, now: () => new Date(clock) }
  const gate = await startAnsweringServer()
  try {
    const stripe = createStripe({ ...config, stripe: { ...config.stripe, apiBase: gate.url } })
    const buyer = await shop.customer('two-tries')
    const items = [lineOf(await buyer.product('stoneware-mug'), 1)]
    const { checkoutId } = data(await buyer.checkout({ items }, { Prefer: 'respond-async' }))
    await verifyOnly(services, checkoutId)
    const row = () => prisma().checkout.findUniqueOrThrow({ where: { id: checkoutId } })
    let refusals = 0
    gate.answer(async (request, response, body) => {
      if (request.url === '/v1/checkout/sessions' && refusals++ === 0) {
        shop.simulator.faults.set({ dropDeliveries: 1, refused: 1 })
        await sessionCreation.handle(services, { checkoutId }, JOB)
        expect((await row()).status).toBe('FAILED')
      }
      await passOn(shop.simulator.port, request, response, body)
    })
    await sessionCreation.handle({ ...services, stripe }, { checkoutId }, JOB)
    const made = shop.simulator.record.sessionsOf({ checkoutId })
    expect([(await row()).status, made.map(each => each.status)]).toEqual(['FAILED', ['expired']])
  } finally {
    await gate.close()
  }
})

describe('what an operator does, and whose answer is lost', () => {
  let held: Shop
  let grace: Shopper
  beforeAll(async () => {
    held = await openShop('postgres', { ...BY_HAND, PAYMENT_CAPTURE_METHOD: 'manual' })
    grace = await held.customer('grace')
  })
  afterAll(() => held.close())

  const orderOf = (orderId: string) => orderRow(held, orderId)
  const acts = {
    capture: { act: capturePayment, isPaidFirst: true, again: 'it is succeeded', becomes: 'PAID' },
    cancel: { act: cancelWhatIsOpen, isPaidFirst: true, again: undefined, becomes: 'CANCELLED' },
    'cancel, unpaid': { act: cancelWhatIsOpen, isPaidFirst: false, again: undefined, becomes: 'CANCELLED' }
  }

  it.each(Object.entries(acts))('is known when it is asked for again, minutes later: %s', async (_name, each) => {
    const { orderId, url } = await buy(grace)
    if (each.isPaidFirst) {
      await grace.pay(url)
      await grace.orderBecomes(orderId, 'AUTHORIZED')
    }
    await goSilent(held, { dropResponse: 2 })
    const before = (await orderOf(orderId)).status
    const { services } = held.stack
    const input = { orderId, operator: 'olga' }
    await expect(each.act(services, input)).rejects.toThrow('connection')
    expect((await orderOf(orderId)).status).toBe(before)
    const later = { ...services, now: () => new Date(Date.now() + 2 * MINUTE) }
    const again = each.act(later, input)
    if (each.again === undefined) expect(await again).toMatchObject({ status: each.becomes })
    else await expect(again).rejects.toThrow(each.again)
    expect((await orderOf(orderId)).status).toBe(each.becomes)
    held.simulator.faults.set({})
  })

  it('a cancel comes too late for what was captured in the dashboard, and the order is paid', async () => {
    const { orderId, sessionId, url } = await buy(grace)
    await grace.pay(url)
    await grace.orderBecomes(orderId, 'AUTHORIZED')
    await goSilent(held)
    const { services } = held.stack
    await services.stripe.paymentIntents.capture(intentOf(held, sessionId))
    await expect(cancelWhatIsOpen(services, { orderId, operator: 'olga' })).rejects.toThrow('it is succeeded')
    expect((await orderOf(orderId)).status).toBe('PAID')
    held.simulator.faults.set({})
  })
})

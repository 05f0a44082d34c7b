import { eventually } from '../local/eventually.js'
import { data, type Line, lineOf, type Shopper } from '../local/shopper.js'
import { HOUR } from '../shared/duration.js'
import { createStripe } from '../shared/runtime/stripe-client.js'
import { priceVerification } from '../workers/price-verification.js'
import { sessionCreation } from '../workers/session-creation.js'
import { startWorkers } from '../workers/start.js'
import { sweep } from '../workers/sweep.js'
import { passOn, startAnsweringServer } from './support/answering-server.js'
import { verifyOnly } from './support/purchase.js'
import { BY_HAND } from './support/settings.js'
import { engines, openShop, type Shop, withShop } from './support/shop.js'

const LATER = { Prefer: 'respond-async' }
const JOB = { id: 'test', attempt: 1, isLastAttempt: false }

/** The jobs that the queue still knows of: of those that are done, too. */
async function jobs({ stack }: Shop) {
  const queue = stack.services.queues.all.find(({ name }) => name === 'session-creation')
  return ((await queue?.getJobs()) ?? []).map(job => job.id)
}
const lineFor = async (customer: Shopper) => lineOf(await customer.product('stoneware-mug'), 1)
const rowOf = ({ stack }: Shop, id: string) => stack.services.db.prisma.checkout.findUniqueOrThrow({ where: { id } })

/** A Stripe that answers each request when its function in `asked` is called. */
async function holdStripe({ stack, simulator }: Shop) {
  const { config } = stack.services
  const gate = await startAnsweringServer()
  const asked: (() => void)[] = []
  gate.answer((request, response, body) => asked.push(() => void passOn(simulator.port, request, response, body)))
  return { asked, gate, stripe: createStripe({ ...config, stripe: { ...config.stripe, apiBase: gate.url } }) }
}

describe.each(engines)('on %s', engine => {
  let shop: Shop
  let customer: Shopper
  beforeAll(async () => {
    shop = await openShop(engine, BY_HAND)
    customer = await shop.customer('ada')
  })
  afterAll(() => shop.close())
  const sessionsOf = (checkoutId: string) => shop.simulator.record.sessionsOf({ checkoutId }).map(({ id }) => id)

  it('creates a Session without another job', async () => {
    const { checkoutId, sessionId } = data(await customer.checkout({ items: [await lineFor(customer)] }))
    expect(await jobs(shop)).toEqual([])
    expect(sessionsOf(checkoutId)).toEqual([sessionId])
    expect((await rowOf(shop, checkoutId)).status).toBe('OPEN')
  })

  it.each(['serverError', 'serverErrorAfterEffect', 'rateLimit', 'dropResponse', 'unauthorized'] as const)(
    'leaves it to a job of its own after %s, which opens the checkout',
    async fault => {
      // Over a connection that breaks the client sends once more by itself.
      shop.simulator.faults.set({ [fault]: fault === 'dropResponse' ? 2 : 1 })
      const items = [{ ...(await lineFor(customer)), quantity: 2 }]
      const headers = { ...LATER, 'Idempotency-Key': `after ${fault}` }
      const { checkoutId } = data(await customer.checkout({ items }, headers))
      const open = await customer.checkoutBecomes(checkoutId, 'OPEN')
      expect(await jobs(shop)).toContain(checkoutId)
      // An error of Stripe's own needs another key, so that one may be left behind of which nobody has the URL.
      const all = sessionsOf(checkoutId)
      expect(all).toHaveLength(fault === 'serverErrorAfterEffect' ? 2 : 1)
      expect(all).toContain(open.sessionId)
    }
  )
})

describe('while Stripe is slow', () => {
  it.each([
    ['half of the places', 2, 1],
    ['of three places one', 3, 1],
    ['not the only place', 1, 0]
  ])('verifications wait for it with %s, and others are verified and refused', async (_places, concurrency, most) => {
    await withShop(openShop('postgres', BY_HAND), async shop => {
      const { config, ...services } = shop.stack.services
      await shop.stack.stopWorkers()
      const { asked, stripe, gate } = await holdStripe(shop)
      const slow = {
        ...services,
        config: { ...config, queue: { ...config.queue, concurrency } },
        stripe
      }
      try {
        const customer = await shop.customer('ada')
        const received = async (line: Line) =>
          data(await customer.checkout({ items: [line] }, { ...LATER, 'Idempotency-Key': JSON.stringify(line) }))
            .checkoutId
        const line = await lineFor(customer)
        const [first, second] = [await received(line), await received({ ...line, quantity: 2 })]
        const going = priceVerification.handle(slow, { checkoutId: first }, JOB)
        await eventually(
          async () => (asked.length === most ? (await rowOf(shop, first)).status : undefined),
          status => status === 'VERIFIED'
        )
        await priceVerification.handle(slow, { checkoutId: second }, JOB)
        const wrong = await received({ ...line, price: 0.01 })
        await priceVerification.handle(slow, { checkoutId: wrong }, JOB)
        expect((await rowOf(shop, second)).status).toBe('VERIFIED')
        expect((await rowOf(shop, wrong)).status).toBe('REJECTED')
        expect((await jobs(shop)).toSorted()).toEqual([first, second].slice(most).toSorted())
        expect(asked).toHaveLength(most)
        for (const answer of asked) answer()
        await going
        expect((await rowOf(shop, first)).status).toBe(most === 1 ? 'OPEN' : 'VERIFIED')
      } finally {
        await gate.close()
      }
    })
  })
})

it('is not taken for forgotten by the sweep while Stripe is slow', async () => {
  await withShop(openShop('postgres', BY_HAND), async shop => {
    const { services } = shop.stack
    await shop.stack.stopWorkers()
    const { asked, stripe, gate } = await holdStripe(shop)
    const workers = await startWorkers({ ...services, stripe })
    try {
      const customer = await shop.customer('ada')
      const { checkoutId } = data(await customer.checkout({ items: [await lineFor(customer)] }, LATER))
      await eventually(
        async () => asked.length,
        count => count === 1
      )
      const later = { ...services, now: () => new Date(Date.now() + 2 * HOUR) }
      await sweep.handle(later, {}, JOB)
      expect(await jobs(shop)).toEqual([])
      for (const answer of asked) answer()
      await customer.checkoutBecomes(checkoutId, 'OPEN')
    } finally {
      await workers.stop()
      await gate.close()
    }
  })
})

it('tells a stream that a checkout is verified, although nobody is notified of it', async () => {
  await withShop(openShop('postgres', BY_HAND), async shop => {
    const { services } = shop.stack
    await shop.stack.stopWorkers()
    const customer = await shop.customer('ada')
    const { checkoutId } = data(await customer.checkout({ items: [await lineFor(customer)] }, LATER))
    const leave = new AbortController()
    const stream = await customer.request(`/api/stripe/checkout/${checkoutId}/events`, { signal: leave.signal })
    let text = ''
    const read = (async () => {
      for await (const chunk of stream.body ?? []) text += Buffer.from(chunk as Uint8Array).toString()
    })().catch(() => undefined)
    const tells = (status: string) =>
      eventually(
        async () => text,
        told => told.includes(`"status":"${status}"`)
      )
    await tells('RECEIVED')
    await verifyOnly(services, checkoutId)
    await tells('VERIFIED')
    await sessionCreation.handle(services, { checkoutId }, JOB)
    await tells('OPEN')
    leave.abort()
    await read
    const told = [...text.matchAll(/"status":"([A-Z]+)"/g)].map(([, status]) => status)
    expect(told).toEqual(['RECEIVED', 'VERIFIED', 'OPEN'])
  })
})

import { eventually } from '../local/eventually.js'
import { data, lineOf, type Shopper } from '../local/shopper.js'
import { engines, openShop, type Shop, withShop } from './support/shop.js'

const LATER = { Prefer: 'respond-async' }

const queueOf = ({ stack }: Shop) => stack.services.queues.all.find(({ name }) => name === 'session-creation')
/** The jobs that the queue still knows of: of those that are done, too. */
const jobs = async (shop: Shop) => ((await queueOf(shop)?.getJobs()) ?? []).map(job => job.id)
const lineFor = async (customer: Shopper) => lineOf(await customer.product('stoneware-mug'), 1)

describe.each(engines)('on %s', engine => {
  let shop: Shop
  let customer: Shopper
  beforeAll(async () => {
    shop = await openShop(engine)
    customer = await shop.customer('ada')
  })
  afterAll(() => shop.close())
  const sessionsOf = (checkoutId: string) =>
    shop.simulator.record
      .sessions()
      .filter(({ client_reference_id: id, metadata }) => [id, metadata?.checkoutId].includes(checkoutId))

  it('creates a Session without another job, as the row keeps it', async () => {
    const { checkoutId, sessionId } = data(await customer.checkout({ items: [await lineFor(customer)] }))
    expect(await jobs(shop)).toEqual([])
    const row = await shop.stack.services.db.prisma.checkout.findUniqueOrThrow({ where: { id: checkoutId } })
    expect(sessionsOf(checkoutId).map(({ id }) => id)).toEqual([sessionId])
    expect(row).toMatchObject({ status: 'OPEN', sessionParams: { metadata: { checkoutId } } })
  })

  it.each(['serverError', 'serverErrorAfterEffect', 'rateLimit', 'dropResponse', 'unauthorized'] as const)(
    'leaves it to a job of its own after %s, and there is one Session to pay at',
    async fault => {
      // More than the client tries by itself, and the first of what ends the Session of the one before.
      shop.simulator.faults.set({ [fault]: 5 })
      const items = [{ ...(await lineFor(customer)), quantity: 2 }]
      const headers = { ...LATER, 'Idempotency-Key': `after ${fault}` }
      const { checkoutId } = data(await customer.checkout({ items }, headers))
      const open = await customer.checkoutBecomes(checkoutId, 'OPEN')
      shop.simulator.faults.set({})
      expect(await jobs(shop)).toContain(checkoutId)
      const made = sessionsOf(checkoutId).map(({ id }) => id)
      expect(made).toContain(open.sessionId)
      // After an error of Stripe's own behind the effect, one is left behind that nobody was given the address of.
      expect(made.length).toBeLessThanOrEqual(fault === 'serverErrorAfterEffect' ? 2 : 1)
    }
  )
})

it('verifies and refuses others while Stripe is slow', async () => {
  await withShop(openShop('postgres', { WORKER_CONCURRENCY: '2' }), async shop => {
    const customer = await shop.customer('ada')
    const line = await lineFor(customer)
    shop.simulator.faults.set({ latencyMs: 4_000 })
    const waiting: string[] = []
    for (let number = 1; number <= 3; number++) {
      const { checkoutId } = data(await customer.checkout({ items: [{ ...line, quantity: number }] }, LATER))
      waiting.push(checkoutId)
      await customer.checkoutBecomes(checkoutId, 'VERIFIED')
    }
    // One was gone on with; the other two wait in the queue or are Stripe's guests from there.
    expect((await jobs(shop)).toSorted()).toEqual(waiting.slice(1).toSorted())
    const wrong = await customer.checkout({ items: [{ ...line, price: 0.01 }] })
    expect(wrong.status).toBe(400)
    expect(shop.simulator.record.sessions()).toEqual([])
    shop.simulator.faults.set({})
    for (const id of waiting) await customer.checkoutBecomes(id, 'OPEN')
  })
})

it('tells a stream that a checkout is verified, although nobody is notified of it', async () => {
  await withShop(openShop('postgres'), async shop => {
    const customer = await shop.customer('ada')
    shop.simulator.faults.set({ latencyMs: 3_000 })
    const { checkoutId } = data(await customer.checkout({ items: [await lineFor(customer)] }, LATER))
    const leave = new AbortController()
    const stream = await customer.request(`/api/stripe/checkout/${checkoutId}/events`, { signal: leave.signal })
    let text = ''
    const read = (async () => {
      for await (const chunk of stream.body ?? []) text += Buffer.from(chunk as Uint8Array).toString()
    })().catch(() => undefined)
    await eventually(
      async () => text,
      told => told.includes('"status":"OPEN"')
    )
    leave.abort()
    await read
    const told = [...text.matchAll(/"status":"([A-Z]+)"/g)].map(([, status]) => status)
    expect(told.filter(status => status !== 'RECEIVED')).toEqual(['VERIFIED', 'OPEN'])
  })
})

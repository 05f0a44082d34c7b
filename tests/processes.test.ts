import pg from 'pg'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { createShopper, data, lineOf, type Shopper } from '../local/shopper.js'
import { SECOND } from '../shared/duration.js'
import { createGuessBrake } from '../shared/runtime/guess-brake.js'
import { sharedGuesses } from '../shared/runtime/shared-guesses.js'
import { allApplied } from './support/purchase.js'
import { QUIET } from './support/settings.js'
import { engines, openShop, type Shop } from './support/shop.js'
import { killWorkers, spawnProcess, spawnWorkers } from './support/worker-process.js'

afterAll(killWorkers)

const EACH = [0, 1, 2]
const PER_USER = 60
const ATTEMPTS = 4

// A person who waits has one engine tried; CI both.
const tried = engines.slice(-1)

describe.each(tried)('three processes of each kind on %s', engine => {
  let shop: Shop
  let ports: number[]

  beforeAll(async () => {
    shop = await openShop(engine, {
      ...QUIET,
      RATE_LIMIT_PER_USER: String(PER_USER),
      FRAUD_CHECK_ENABLED: 'true',
      FRAUD_MAX_ATTEMPTS_PER_HOUR: String(ATTEMPTS)
    })
    await shop.stack.stopWorkers()
    ports = []
    for (const _ of EACH) ports.push(await freePort())
    for (const port of ports) spawnProcess('api', { ...shop.stack.env, PORT: String(port) })
    for (const _ of EACH) spawnWorkers(shop.stack.env)
    for (const port of ports) {
      await eventually(
        () =>
          fetch(`http://127.0.0.1:${port}/readyz`).then(
            answer => answer.status,
            () => 0
          ),
        status => status === 200,
        30 * SECOND
      )
    }
  })
  afterAll(async () => {
    killWorkers()
    await shop.close()
  })

  const at = (port: number, userId: string): Promise<Shopper> =>
    createShopper({ port, userId, authSecret: shop.stack.config.auth.secret, email: `${userId}@shop.example` })
  const everywhere = (userId: string) => Promise.all(ports.map(port => at(port, userId)))

  it('serve each customer wherever they come, and every purchase is paid once', async () => {
    const paid = await Promise.all(
      ['ada', 'bob', 'cyd', 'dan', 'eve', 'fay'].map(async (userId, place) => {
        const [first, second, third] = (await everywhere(userId)).map((_, turn, all) => all[(turn + place) % 3]) as [
          Shopper,
          Shopper,
          Shopper
        ]
        const bought = data(await first.checkout({ items: [lineOf(await second.product('stoneware-mug'), 1)] }))
        await second.pay(bought.url ?? '')
        return (await third.orderBecomes(bought.orderId ?? '', 'PAID')).id
      })
    )
    expect(new Set(paid).size).toBe(6)
    await allApplied(shop)
    const { prisma } = shop.stack.services.db
    const captures = await prisma.ledgerPosting.groupBy({ by: ['orderId'], where: { account: 'SALES' }, _count: true })
    expect(captures.map(({ _count }) => _count)).toEqual(Array(6).fill(1))
  })

  it('give the same answer to one key at all of them at once', async () => {
    const shoppers = await everywhere('gil')
    const items = [lineOf(await (shoppers[0] as Shopper).product('desk-lamp'), 1)]
    const answers = await Promise.all(
      shoppers.map(shopper => shopper.checkout({ items }, { 'Idempotency-Key': 'one-key', Prefer: 'respond-async' }))
    )
    const accepted = answers.filter(({ status }) => status < 300).map(answer => data(answer).checkoutId)
    expect(new Set(accepted).size).toBe(1)
    await expect(shop.stack.services.db.prisma.checkout.count({ where: { userId: 'gil' } })).resolves.toBe(1)
  })

  it('count attempts and requests together', async () => {
    const shoppers = await everywhere('hal')
    const mug = await (shoppers[0] as Shopper).product('stoneware-mug')
    const statuses = await Promise.all(
      Array.from({ length: 9 }, async (_, turn) => {
        const key = { 'Idempotency-Key': `attempt-${turn}`, Prefer: 'respond-async' }
        return (await (shoppers[turn % 3] as Shopper).checkout({ items: [lineOf(mug, 1)] }, key)).status
      })
    )
    expect(statuses.filter(status => status === 202)).toHaveLength(ATTEMPTS)
    expect(statuses.filter(status => status === 429)).toHaveLength(9 - ATTEMPTS)

    const ida = await everywhere('ida')
    const reads: number[] = []
    for (let turn = 0; turn < PER_USER / 3 + 3; turn++) {
      const answers = await Promise.all(ida.map(shopper => shopper.request('/api/orders')))
      await Promise.all(answers.map(answer => answer.arrayBuffer()))
      reads.push(...answers.map(({ status }) => status))
    }
    // Each has had a third of them. A machine that is busy may have one or two counted by their process alone.
    expect(reads.filter(status => status === 429).length).toBeGreaterThan(0)
  })

  it('give whoever guesses an operator’s password ten free tries together', async () => {
    const waits: number[] = []
    const wait = async (ms: number) => waits.push(ms)
    const brakes = EACH.map(() => createGuessBrake({ wait, shared: sharedGuesses(shop.stack.services) }))
    for (let turn = 0; turn < 12; turn++) {
      const guess = { digest: `guess ${turn}`, compare: () => undefined, isGone: () => false }
      await brakes[turn % 3]?.check({ ...guess, address: '192.0.2.7' })
    }
    expect(waits).toHaveLength(2)
    await brakes[0]?.check({ digest: 'guess', compare: () => undefined, isGone: () => false, address: '192.0.2.8' })
    expect(waits).toHaveLength(2)
  })

  it('run a schedule once a tick, and never twice at once however long a run takes', async () => {
    const { db, queues } = shop.stack.services
    const sweep = queues.all.find(({ name }) => name === 'sweep')
    const owner = new pg.Client({ connectionString: shop.stack.config.database.url })
    await owner.connect()
    // A run waits for this table longer than the schedule's second.
    await owner.query('BEGIN; LOCK TABLE "Payment" IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(2.5)')
    await owner.query('COMMIT')
    await owner.end()
    const ended = async () => (await sweep?.getJobs(['completed', 'failed'])) ?? []
    const before = (await ended()).length
    const runs = await eventually(ended, jobs => jobs.length >= before + 2)
    const spans = runs.map(job => [job.processedOn ?? 0, job.finishedOn ?? 0] as const).sort(([a], [b]) => a - b)
    const overlapping = spans.filter(([begun], place) => place > 0 && begun < (spans[place - 1]?.[1] ?? 0))
    expect(overlapping).toEqual([])
    expect(Math.max(...spans.map(([begun, end]) => end - begun))).toBeGreaterThan(SECOND)
    expect(new Set(runs.map(job => job.id)).size).toBe(runs.length)
    await expect(db.prisma.alert.count({ where: { name: { startsWith: 'schedule_' } } })).resolves.toBe(0)
  })
})

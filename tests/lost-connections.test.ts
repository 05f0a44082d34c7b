import Stripe from 'stripe'
import { createProvenListener } from '../api/proven-listener.js'
import { startApi } from '../api/start.js'
import { eventually } from '../local/eventually.js'
import { address, createShopper, data, lineOf } from '../local/shopper.js'
import { setAuditPolicy } from '../shared/audit/audit-policy.js'
import { isNotAnswered } from '../shared/database/bounded-client.js'
import { isDatabaseUnavailable, openDatabase, transaction } from '../shared/database/database.js'
import { createPool, probeHeldConnections } from '../shared/database/postgres-pool.js'
import { openQueues } from '../shared/queue/queues.js'
import { switchMaintenance } from '../shared/statements/switches.js'
import { engines, openShop, type Shop, WEBHOOK_SECRET } from './support/shop.js'
import { startTcpProxy, type TcpProxy } from './support/tcp-proxy.js'

const POSTGRES = () => process.env.TILLWORKS_TEST_POSTGRES ?? ''
/** Longer than anything may take, and shorter than the hour or the half minute that it would take otherwise. */
const PATIENCE = 40_000

describe('a connection that is gone without a word', () => {
  let proxy: TcpProxy
  let shop: Shop
  beforeAll(async () => {
    proxy = await startTcpProxy(POSTGRES())
    shop = await openShop('postgres', { CHECKOUT_WAIT_MS: '30000' }, { database: proxy.url })
  })
  afterAll(async () => {
    proxy.heal()
    await shop.close()
    await proxy.close()
  })

  afterEach(() => proxy.heal())

  const buy = async (key: string) => {
    const customer = await shop.customer('ada')
    const items = [lineOf(await customer.product('stoneware-mug'), 1)]
    const answer = await customer.request('/api/stripe/checkout', {
      method: 'POST',
      body: JSON.stringify({ items }),
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key },
      signal: AbortSignal.timeout(15_000)
    })
    return answer.status
  }

  it('costs a waiting checkout a moment when it is the one for notifications', async () => {
    expect(await buy('before')).toBe(200)
    proxy.silence('tillworks-watcher')
    expect([await buy('first'), await buy('second')]).toEqual([200, 200])
    proxy.heal()
    expect(await buy('after')).toBe(200)
  })

  it('costs a job a moment when workers wait on it for one', async () => {
    expect(await buy('job before')).toBe(200)
    proxy.silence('tillworks-queue')
    proxy.heal()
    const customer = await shop.customer('ada')
    const items = [lineOf(await customer.product('stoneware-mug'), 1)]
    const { checkoutId } = data(
      await customer.checkout({ items }, { 'Idempotency-Key': 'job', Prefer: 'respond-async' })
    )
    const settled = await eventually(
      async () => data(await customer.checkoutStatus(checkoutId)).status,
      status => status === 'OPEN',
      PATIENCE
    )
    expect(settled).toBe('OPEN')
  })

  it('ends every request with 503 and readiness with "not ready", and nothing of it is used again', async () => {
    const customer = await shop.customer('ada')
    const product = await customer.product('stoneware-mug')
    const items = [lineOf(product, 1)]
    const post = (path: string, body: string, headers: Record<string, string> = {}) =>
      customer.request(path, {
        method: 'POST',
        body,
        headers: { 'Content-Type': 'application/json', ...headers },
        signal: AbortSignal.timeout(PATIENCE)
      })
    const get = (path: string) => customer.request(path, { signal: AbortSignal.timeout(PATIENCE) })
    const event = JSON.stringify({ id: 'evt_lost', object: 'event', type: 'x', created: Math.floor(Date.now() / 1000) })
    const signature = Stripe.webhooks.generateTestHeaderString({ payload: event, secret: WEBHOOK_SECRET })
    const order = JSON.stringify({ items, address, subtotal: product.price, shipping: 0 })
    const begun = data(await customer.checkout({ items }, { 'Idempotency-Key': 'begun' }))
    const status = `/api/stripe/checkout/${begun.checkoutId}`
    const stream = await get(`${status}/events`)
    const authorization = `Basic ${Buffer.from('ops:password of the tests').toString('base64')}`
    const ops = (path: string, withinMs = PATIENCE) =>
      fetch(`http://127.0.0.1:${shop.stack.api.opsPort}${path}`, {
        headers: { authorization },
        signal: AbortSignal.timeout(withinMs)
      })
    proxy.silence()
    // Prometheus waits for ten seconds by itself: what this process counts is told all the same, sooner than the stores are given up.
    const measured = ops('/metrics', 15_000).then(answer => answer.text())
    measured.catch(() => undefined)
    const notReady = await customer.request('/readyz', { signal: AbortSignal.timeout(5_000) })
    expect([notReady.status, await notReady.json()]).toEqual([
      503,
      expect.objectContaining({ status: 'not ready', checks: expect.objectContaining({ database: expect.anything() }) })
    ])
    const answers = await Promise.all([
      // Of one customer, so that they wait for each other.
      ...Array.from({ length: 4 }, (_, number) =>
        post('/api/stripe/checkout', JSON.stringify({ items }), { 'Idempotency-Key': `lost ${number}` })
      ),
      post('/api/orders', order),
      post('/api/stripe/webhook', event, { 'Stripe-Signature': signature }),
      get('/api/products'),
      get('/api/orders'),
      get('/api/orders/cdoesnotexist0000000000000'),
      get(status),
      get(`${status}/events`),
      customer.request(status, { method: 'DELETE', signal: AbortSignal.timeout(PATIENCE) }),
      ops('/ops'),
      ops('/ops/api/attention')
    ])
    expect(answers.map(answer => answer.status)).toEqual(answers.map(() => 503))
    expect(answers.map(answer => Number(answer.headers.get('retry-after')) > 0)).toEqual(answers.map(() => true))
    expect(await measured).toContain('tillworks_checkout_moves_total')
    // A stream that cannot go on ends, so that its page comes back.
    await expect(stream.text()).rejects.toThrow('terminated')
    proxy.heal()
    const ready = await eventually(
      async () => (await customer.request('/readyz')).status,
      status => status === 200
    )
    expect(ready).toBe(200)
    const statuses = await Promise.all(Array.from({ length: 30 }, () => get('/api/products')))
    expect(statuses.map(answer => answer.status)).toEqual(Array(30).fill(200))
    // The workers, too, are back.
    const accepted = data(await customer.checkout({ items }, { 'Idempotency-Key': 'found', Prefer: 'respond-async' }))
    const found = await eventually(
      async () => data(await customer.checkoutStatus(accepted.checkoutId)).status,
      status => status === 'OPEN',
      PATIENCE
    )
    expect(found).toBe('OPEN')
  })

  it('leaves no statement, transaction or Prisma call waiting, and no connection in the pool', async () => {
    const { log, db } = shop.stack.services
    const url = shop.stack.config.database.url
    const own = openDatabase({ url, poolSize: 4, role: undefined, log, name: 'bounded', statementTimeoutMs: 300 })
    const gone: unknown[] = await Promise.all([
      own.pool.query('SELECT 1'),
      own.prisma.product.count(),
      transaction(own.pool, client => client.query('SELECT 1')),
      // Longer than others may take, because it may.
      transaction(own.pool, client => client.query('SELECT pg_sleep(3)'), { statementTimeoutMs: 20_000 })
    ]).then(() => {
      proxy.silence('bounded')
      const failure = (work: Promise<unknown>) =>
        work.then(
          () => 'answered',
          error => error
        )
      return Promise.all([
        failure(own.pool.query('SELECT 1')),
        failure(own.prisma.product.count()),
        failure(own.prisma.$transaction([own.prisma.product.count()])),
        failure(transaction(own.pool, client => client.query('SELECT 1')))
      ])
    })
    expect(gone.map(error => [isDatabaseUnavailable(error), String(error)])).toEqual(
      gone.map(error => [true, String(error)])
    )
    expect(own.pool.totalCount).toBe(0)
    proxy.heal()
    expect((await own.pool.query('SELECT 1')).rowCount).toBe(1)
    await own.close()
    expect((await db.pool.query('SELECT 1')).rowCount).toBe(1)
  })

  const outcome = (work: Promise<unknown>) =>
    work.then(
      () => 'answered',
      error => (isNotAnswered(error) ? 'not answered' : String(error))
    )

  it('costs one bound, however many of the pool were lost with it', async () => {
    const { log } = shop.stack.services
    const url = shop.stack.config.database.url
    const own = openDatabase({ url, poolSize: 4, role: undefined, log, name: 'lost', statementTimeoutMs: 100 })
    const open = () => Promise.all(Array.from({ length: 4 }, () => own.pool.query('SELECT 1')))
    try {
      await open()
      expect(own.pool.idleCount).toBe(4)
      proxy.silence('lost')
      proxy.heal()
      const outcomes: string[] = []
      for (let number = 0; number < 4; number++) outcomes.push(await outcome(own.pool.query('SELECT 1')))
      expect(outcomes).toEqual(['not answered', 'answered', 'answered', 'answered'])
    } finally {
      await own.close()
    }
  })

  it('is no more than itself when only a short bound of its own ran out', async () => {
    const { log } = shop.stack.services
    const own = openDatabase({ url: shop.stack.config.database.url, poolSize: 4, role: undefined, log, name: 'slow' })
    try {
      await Promise.all(Array.from({ length: 4 }, () => own.pool.query('SELECT 1')))
      const slow = { text: 'SELECT pg_sleep(2)', query_timeout: 50 }
      expect(await outcome(own.pool.query(slow))).toBe('not answered')
      await own.pool.query('SELECT 1')
      expect(own.pool.totalCount).toBe(3)
    } finally {
      await own.close()
    }
  })

  it('does not keep the maintenance switch from being seen', async () => {
    const way = await startTcpProxy(POSTGRES())
    const other = await openShop('postgres', {}, { database: way.url })
    const { log, db } = other.stack.services
    const url = other.stack.config.database.url
    const own = openDatabase({ url, poolSize: 1, role: undefined, log, name: 'switches' })
    try {
      await other.stack.stopWorkers()
      const customer = await other.customer('ada')
      // Refused without a look at the database, but for the switch.
      const checkout = async () => (await customer.checkout({ items: [] })).status
      expect(await checkout()).toBe(400)
      await Promise.all(Array.from({ length: 4 }, () => db.pool.query('SELECT 1')))
      way.silence()
      way.heal()
      await switchMaintenance(own.pool, { on: true, message: 'Back at noon', until: null }, 'olga', new Date())
      expect(await eventually(checkout, status => status === 503, 10_000)).toBe(503)
    } finally {
      await own.close()
      await other.close()
      await way.close()
    }
  })

  it('holds up neither a command nor a start that has nothing to migrate', async () => {
    const { log } = shop.stack.services
    const { queue, database } = shop.stack.config
    const deaf = await startTcpProxy(POSTGRES(), chunk => {
      const text = chunk.toString('latin1')
      if (text.includes('.migration') || text.includes('pg_advisory_xact_lock')) deaf.silence()
      return chunk
    })
    const silent = await startTcpProxy(POSTGRES())
    try {
      silent.silence()
      await Promise.all([
        expect(openQueues({ ...queue, database: { url: deaf.url(database.url) } }, log)).rejects.toThrow(
          'Query read timeout'
        ),
        expect(setAuditPolicy(silent.url(database.url), {})).rejects.toThrow('timeout expired')
      ])
    } finally {
      await Promise.all([deaf.close(), silent.close()])
    }
  }, 30_000)

  it('is looked for where nothing is under way', async () => {
    const config = { connectionString: shop.stack.config.database.url, application_name: 'held', query_timeout: 20_000 }
    const pool = createPool(config, shop.stack.services.log)
    probeHeldConnections(pool, { everyMs: 100, withinMs: 300 })
    const [busy, listening] = [await pool.connect(), await pool.connect()]
    try {
      const lost = new Promise(resolve => listening.once('error', resolve))
      expect((await busy.query('SELECT pg_sleep(1)')).rowCount).toBe(1)
      proxy.silence('held')
      expect(isNotAnswered(await lost)).toBe(true)
    } finally {
      busy.release(true)
      listening.release(true)
      await pool.end()
    }
  })
})

it('believes a listener for as long as a busy pool lets no proof out', async () => {
  const shop = await openShop('postgres')
  const { log } = shop.stack.services
  const own = openDatabase({ ...shop.stack.config.database, poolSize: 1, log, name: 'busy' })
  const changes: boolean[] = []
  const listener = createProvenListener({
    access: { url: shop.stack.config.database.url },
    channel: 'a_channel',
    db: own.pool,
    log,
    onHeard: () => undefined,
    onChange: () => changes.push(listener.isSure())
  })
  try {
    expect(await eventually(async () => listener.isSure(), Boolean)).toBe(true)
    const busy = await own.pool.connect()
    const waiting = await eventually(
      async () => {
        listener.prove()
        return own.pool.waitingCount
      },
      count => count > 0
    )
    expect(waiting).toBe(1)
    await busy.query('SELECT pg_sleep(1)')
    busy.release()
    await own.pool.query('SELECT 1')
    expect(changes).toEqual([true])
  } finally {
    await listener.close()
    await own.close()
    await shop.close()
  }
})

const withRedis = engines.includes('redis') ? it : it.skip
withRedis('a Redis that is gone without a word is connected to anew, by workers too', async () => {
  const proxy = await startTcpProxy(process.env.TEST_REDIS_URL ?? '')
  const shop = await openShop('redis', { REDIS_URL: proxy.url(process.env.TEST_REDIS_URL ?? '') })
  try {
    const customer = await shop.customer('ada')
    const items = [lineOf(await customer.product('stoneware-mug'), 1)]
    proxy.silence()
    const accepted = await customer.checkout({ items })
    expect(accepted.status).toBe(202)
    const told = await customer.request('/readyz')
    expect([told.status, await told.json()]).toEqual([200, expect.objectContaining({ status: 'degraded' })])
    proxy.heal()
    const settled = await eventually(
      async () => data(await customer.checkoutStatus(data(accepted).checkoutId)).status,
      status => status === 'OPEN',
      60_000
    )
    expect(settled).toBe('OPEN')
  } finally {
    await shop.close()
    await proxy.close()
  }
})

it('lets no request of a burst through maintenance in a new process, nor one whose switch cannot be read', async () => {
  const proxy = await startTcpProxy(POSTGRES())
  const shop = await openShop('postgres', {}, { database: proxy.url })
  const { services } = shop.stack
  const started: Awaited<ReturnType<typeof startApi>>[] = []
  const burst = async () => {
    const ops = { ...services.config.ops, port: 0 }
    const api = await startApi({ ...services, config: { ...services.config, ops } }, 0)
    started.push(api)
    const customer = await shop.customer('eager')
    const shopper = await createShopper({
      port: api.port,
      authSecret: services.config.auth.secret,
      userId: customer.userId,
      email: 'e@shop.example'
    })
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, number) => shopper.checkout({ items: [] }, { 'Idempotency-Key': `${number}` }))
    )
    return [...new Set(answers.map(({ status, body }) => `${status} ${body.success ? '' : body.error}`))]
  }
  try {
    await switchMaintenance(services.db.pool, { on: true, message: 'Back at noon', until: null }, 'olga', new Date())
    expect(await burst()).toEqual(['503 Maintenance in progress'])
    await shop.stack.stopWorkers()
    proxy.silence('tillworks-control')
    expect(await burst()).toEqual(['503 Service unavailable'])
  } finally {
    proxy.heal()
    for (const api of started) {
      await api.stopAccepting()
      await api.close()
    }
    await shop.close()
    await proxy.close()
  }
})

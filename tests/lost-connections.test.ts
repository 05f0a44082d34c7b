import { createServer, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { Worker } from 'bullmq'
import type { Response } from 'express'
import { createCheckoutWatcher } from '../api/checkout-watcher.js'
import { createKeyedMutex } from '../api/keyed-mutex.js'
import { createProvenListener } from '../api/proven-listener.js'
import { startApi } from '../api/start.js'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { address, data, lineOf, type Shopper } from '../local/shopper.js'
import { setAuditPolicy } from '../shared/audit/audit-policy.js'
import { isNotAnswered } from '../shared/database/bounded-client.js'
import { isDatabaseUnavailable, openDatabase, transaction } from '../shared/database/database.js'
import { createPool, probeHeldConnections } from '../shared/database/postgres-pool.js'
import { openQueues } from '../shared/queue/queues.js'
import { whenGone } from '../shared/runtime/client-gone.js'
import { createGuessBrake, type Verdict } from '../shared/runtime/guess-brake.js'
import { CHECKOUT_CHANGED } from '../shared/statements/checkouts.js'
import { switchMaintenance } from '../shared/statements/switches.js'
import { storeEvents } from '../shared/statements/webhook-events.js'
import { startMetricsListener } from '../workers/metrics-listener.js'
import { startWorkers } from '../workers/start.js'
import { randomFrom } from './support/random.js'
import { asOwner, engines, openShop, type Shop, withShop } from './support/shop.js'
import { startTcpProxy, type TcpProxy } from './support/tcp-proxy.js'

const POSTGRES = () => process.env.TILLWORKS_TEST_POSTGRES ?? ''
/** Longer than anything may take, and shorter than the hour or the half minute that it would take otherwise. */
const PATIENCE = 40_000

describe('customers who leave', () => {
  let shop: Shop
  beforeAll(async () => {
    shop = await openShop('postgres', { CHECKOUT_WAIT_MS: '30000' })
  })
  afterAll(() => shop.close())

  /** Sends a request and closes its connection at once, as a page does that is left. */
  const sendAndLeave = (request: string) =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(shop.stack.api.port, '127.0.0.1', () => socket.write(request, () => socket.destroy()))
      socket.on('close', () => resolve()).on('error', reject)
    })
  const bearerOf = async (userId: string) => {
    let seen: string | null = null
    const { signSessionToken } = await import('../shared/identity/session-token.js')
    seen = await signSessionToken({ userId, email: `${userId}@shop.example` }, shop.stack.config.auth.secret, 600)
    return `Authorization: Bearer ${seen}`
  }

  it('are counted and read for no longer than they stay', async () => {
    const { services, stopWorkers } = { ...shop.stack }
    const { pool } = services.db
    const customer = await shop.customer('leaves')
    const items = [lineOf(await customer.product('stoneware-mug'), 1)]
    const bearer = await bearerOf('leaves')
    await stopWorkers()
    const { checkoutId } = data(await customer.checkout({ items }, { Prefer: 'respond-async' }))
    const path = `/api/stripe/checkout/${checkoutId}/events`
    const head = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${bearer}\r\n\r\n`
    for (let number = 0; number < 30; number++) await sendAndLeave(head)
    // Two in one connection: the second has not had its turn when the connection ends.
    for (let number = 0; number < 5; number++) await sendAndLeave(head + head)
    const body = JSON.stringify({ items })
    await sendAndLeave(
      `POST /api/stripe/checkout HTTP/1.1\r\nHost: localhost\r\n${bearer}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    )

    // All ten places are free again.
    const open = async () => {
      const leave = new AbortController()
      const answer = await customer.request(path, { signal: leave.signal })
      return { answer, leave, reader: answer.body?.getReader() }
    }
    const first = await eventually(open, ({ answer }) => answer.status === 200)
    const others = await Promise.all(Array.from({ length: 9 }, open))
    expect([first, ...others].map(({ answer }) => answer.status)).toEqual(Array(10).fill(200))
    expect((await open()).answer.status).toBe(429)
    for (const { leave } of others) leave.abort()
    await first.reader?.read()
    await eventually(open, ({ answer, leave }) => {
      leave.abort()
      return answer.status === 200
    })
    await eventually(
      async () => pool.idleCount,
      count => count === pool.totalCount
    )

    // Whoever still waits for this checkout reads it when it changes: only the one that is open. Ten would read twenty times.
    let reads = 0
    pool.on('acquire', () => reads++)
    await pool.query('SELECT pg_notify($1, $2)', [CHECKOUT_CHANGED, checkoutId])
    await eventually(
      async () => reads,
      count => count > 0
    )
    expect(reads).toBeLessThan(10)
    first.leave.abort()
  })
})

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
    const { default: Stripe } = await import('stripe')
    const { WEBHOOK_SECRET } = await import('./support/shop.js')
    const event = JSON.stringify({ id: 'evt_lost', object: 'event', type: 'x', created: Math.floor(Date.now() / 1000) })
    const signature = Stripe.webhooks.generateTestHeaderString({ payload: event, secret: WEBHOOK_SECRET })
    const order = JSON.stringify({ items, address, subtotal: product.price, shipping: 0 })
    proxy.silence()
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
      get('/api/orders/cdoesnotexist0000000000000')
    ])
    expect(answers.map(answer => answer.status)).toEqual(answers.map(() => 503))
    expect(answers.map(answer => Number(answer.headers.get('retry-after')) > 0)).toEqual(answers.map(() => true))
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
        expect(openQueues({ ...queue, databaseUrl: deaf.url(database.url) }, log)).rejects.toThrow(
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
    connectionString: shop.stack.config.database.url,
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

it('keeps no word of an answer on the connection that bore it', async () => {
  let gone = 0
  const listeners: number[] = []
  const server = createServer((request, response: ServerResponse) => {
    listeners.push(request.socket.listenerCount('close'))
    whenGone(response as Response, () => gone++)
    setImmediate(() => response.end())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  let received = ''
  const socket = connect(port, '127.0.0.1').on('data', chunk => {
    received += chunk
  })
  try {
    // The second of two in one packet waits for its turn.
    const two = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(2)
    for (let pairs = 1; pairs <= 5; pairs++) {
      socket.write(two)
      await eventually(
        async () => received.split('HTTP/1.1 200').length - 1,
        count => count === 2 * pairs
      )
    }
    const [first, ...later] = listeners.filter((_, number) => number % 2 === 0)
    expect(later).toEqual(Array(4).fill(first))
    expect(gone).toBe(10)
  } finally {
    socket.destroy()
    await new Promise(resolve => server.close(resolve))
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

/** As a pooler in transaction mode does. */
function forgetListen(chunk: Buffer): Buffer {
  const nothing = 'SELECT 1'.padEnd(`LISTEN ${CHECKOUT_CHANGED}`.length)
  return Buffer.from(chunk.toString('latin1').replace(`LISTEN ${CHECKOUT_CHANGED}`, nothing), 'latin1')
}

it('polls behind a pooler that takes LISTEN and delivers nothing', async () => {
  const shop = await openShop('postgres')
  const { config, db, log } = shop.stack.services
  const proxy = await startTcpProxy(config.database.url, forgetListen)
  const watcher = createCheckoutWatcher({
    config: { ...config, database: { ...config.database, url: proxy.url(config.database.url) } },
    db,
    log
  })
  try {
    const watch = watcher.watch('a checkout')
    const looks = (async () => {
      for (let look = 0; look < 2; look++) await watch.changed(60_000)
      return 'looked'
    })()
    const seen = await eventually(() => Promise.race([looks, undefined]), Boolean)
    expect(seen).toBe('looked')
    watch.stop()
  } finally {
    await watcher.close()
    await proxy.close()
    await shop.close()
  }
})

it('looks less and less often behind such a pooler, and tells a stream only what is new', async () => {
  const proxy = await startTcpProxy(POSTGRES(), forgetListen)
  const shop = await openShop('postgres', {}, { database: proxy.url })
  const { pool } = shop.stack.services.db
  const leave = new AbortController()
  try {
    const customer = await shop.customer('ada')
    const items = [lineOf(await customer.product('stoneware-mug'), 1)]
    const open = data(await customer.checkout({ items }))
    await shop.stack.stopWorkers()
    const { text, ended } = await follow(customer, open.checkoutId, 10, leave.signal)
    let statements = 0
    pool.on('acquire', () => statements++)
    await asOwner(shop, 'SELECT pg_sleep(3)')
    // Ten streams that look four times a second at the checkout and its order: 240.
    expect(statements).toBeLessThan(80)
    expect(text()).not.toContain('still here')
    await asOwner(shop, `UPDATE "Checkout" SET "status" = 'EXPIRED' WHERE "id" = '${open.checkoutId}'`)
    await ended
    expect(text().match(/"status":"EXPIRED"/g)).toHaveLength(10)
  } finally {
    leave.abort()
    await shop.close()
    await proxy.close()
  }
})

/** Streams of one checkout, each of which has told its first status. */
async function follow(customer: Shopper, checkoutId: string, count: number, signal: AbortSignal) {
  const texts: string[] = Array(count).fill('')
  const answers = await Promise.all(
    texts.map(() => customer.request(`/api/stripe/checkout/${checkoutId}/events`, { signal }))
  )
  const ended = Promise.all(
    answers.map(async (answer, number) => {
      for await (const chunk of answer.body ?? []) texts[number] += Buffer.from(chunk as Uint8Array).toString()
    })
  )
  ended.catch(() => undefined)
  await eventually(
    async () => texts,
    all => all.every(text => text.includes('event: status'))
  )
  return { text: () => texts.join(''), ended }
}

describe('readiness and health', () => {
  it('is ready while the pool is busy, and takes no connection from it when the database does not answer', async () => {
    await withShop(openShop('postgres', { DATABASE_POOL_SIZE: '2' }), async shop => {
      const { pool } = shop.stack.services.db
      const customer = await shop.customer('ada')
      const ready = async () => (await customer.request('/readyz')).status
      await shop.stack.stopWorkers()
      const held = await Promise.all([pool.connect(), pool.connect()])
      expect(await ready()).toBe(200)
      for (const client of held) client.release()
      const lock = asOwner(shop, 'BEGIN; LOCK TABLE "_prisma_migrations"; SELECT pg_sleep(4); COMMIT')
      expect(await eventually(ready, status => status === 503)).toBe(503)
      expect(pool.totalCount).toBe(2)
      await lock
      expect(await eventually(ready, status => status === 200)).toBe(200)
    })
  })

  it('is ready with the schema, not without', async () => {
    await withShop(openShop('postgres'), async shop => {
      const ask = async () => {
        const answer = await (await shop.customer('ada')).request('/readyz')
        return [answer.status, ((await answer.json()) as { status: string }).status]
      }
      expect(await ask()).toEqual([200, 'ready'])
      await asOwner(
        shop,
        `DELETE FROM "_prisma_migrations" WHERE "migration_name" = (SELECT max("migration_name") FROM "_prisma_migrations")`
      )
      expect(await eventually(ask, ([status]) => status === 503)).toEqual([503, 'not ready'])
    })
  })

  it('names a worker that has stopped, and a timer of the schedules that has', async () => {
    const shop = await openShop('postgres')
    // BullMQ's own worker, which nobody but BullMQ closes.
    const running: Worker[] = []
    const { run } = Worker.prototype
    Worker.prototype.run = function (this: Worker) {
      running.push(this)
      return run.call(this)
    }
    let later = 0
    const { services } = shop.stack
    const ended: string[] = []
    await shop.stack.stopWorkers()
    const now = () => new Date(Date.now() + later)
    const workers = await startWorkers({ ...services, now }, reason => ended.push(reason))
    const ops = { ...services.config.ops, workersPort: await freePort() }
    const listener = await startMetricsListener({ ...services, config: { ...services.config, ops } }, workers)
    const health = async () => {
      const answer = await fetch(`http://127.0.0.1:${listener?.port}/healthz`)
      return { status: answer.status, body: (await answer.json()) as { status: string; troubles?: string[] } }
    }
    try {
      expect(await health()).toEqual({ status: 200, body: { status: 'ok' } })
      later = 10 * 60_000
      expect(await health()).toEqual({
        status: 503,
        body: { status: 'failing', troubles: [expect.stringContaining('the timer of the schedules has not run since')] }
      })
      later = 0
      const [first] = running
      await first?.close()
      const failing = await eventually(health, ({ status }) => status === 503)
      const troubles = [`the worker of ${first?.name} has stopped: its loop has ended`]
      expect(failing).toEqual({ status: 503, body: { status: 'failing', troubles } })
      expect(ended).toEqual(troubles)
    } finally {
      Worker.prototype.run = run
      await listener?.close()
      await workers.stop()
      await shop.close()
    }
  })
})

describe('guessing an operator’s password', () => {
  const guess = (text: string, right = 'right') => ({
    address: '192.0.2.1',
    digest: text,
    compare: () => (text === right ? 'olga' : undefined),
    isGone: () => false
  })

  it('becomes slow and stays slow, and ends after a quarter of an hour', async () => {
    let time = 0
    const waits: number[] = []
    const wait = async (ms: number) => {
      waits.push(ms)
    }
    const brake = createGuessBrake<string>({ wait, now: () => time })
    for (let number = 1; number <= 10; number++) {
      expect(await brake.check(guess(`guess ${number}`))).toEqual({ is: 'wrong', known: false, count: number })
    }
    expect(waits).toEqual([])
    // What was wrong before is wrong at once and counts no more.
    expect(await brake.check(guess('guess 3'))).toEqual({ is: 'wrong', known: true, count: 10 })
    for (let number = 11; number <= 17; number++) await brake.check(guess(`guess ${number}`))
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 4_000, 4_000])
    expect(await brake.check(guess('right'))).toEqual({ is: 'right', who: 'olga' })
    expect(waits.at(-1)).toBe(4_000)
    expect(await brake.check({ ...guess('other'), address: '192.0.2.2' })).toMatchObject({ is: 'wrong', count: 1 })
    time = 15 * 60_000
    expect(await brake.check(guess('much later'))).toEqual({ is: 'wrong', known: false, count: 1 })
    expect(waits).toHaveLength(8)
  })

  it('is looked at one by one, twenty wait, and whoever has left costs nothing', async () => {
    let release: () => void = () => undefined
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    const waits: number[] = []
    const brake = createGuessBrake<string>({
      wait: async ms => {
        waits.push(ms)
        await held
      }
    })
    for (let number = 0; number < 10; number++) await brake.check(guess(`guess ${number}`))
    const ended: string[] = []
    const judge = (text: string, isGone = false) =>
      brake.check({ ...guess(text), isGone: () => isGone }).then((verdict: Verdict<string>) => {
        ended.push(`${text} ${verdict.is}`)
      })
    const waiting = [judge('a'), judge('left', true), judge('right')]
    for (let number = 0; number < 17; number++) waiting.push(judge(`w${number}`))
    expect(await brake.check(guess('one too many'))).toEqual({ is: 'busy', retryAfterMs: 4_000 })
    expect(await brake.check(guess('guess 1'))).toMatchObject({ is: 'wrong', known: true })
    expect([ended, waits]).toEqual([[], [250]])
    release()
    await Promise.all(waiting)
    expect(ended.slice(0, 3)).toEqual(['a wrong', 'left gone', 'right right'])
    expect(waits).toHaveLength(19)
  })
})

describe('guessing from many networks', () => {
  const from = (number: number, digest: string, compare: () => string | undefined = () => undefined) => ({
    address: `2001:db8:0:${number.toString(16)}::/64`,
    digest,
    compare,
    isGone: () => false
  })

  it('is as slow as from one, once more have come than are counted', async () => {
    let time = 0
    const waits: number[] = []
    const brake = createGuessBrake<string>({
      wait: async (ms: number) => waits.push(ms),
      now: () => time,
      maxAddresses: 50
    })
    let guesses = 0
    const round = async (networks: number) => {
      for (let network = 0; network < networks; network++) {
        for (let number = 0; number < 10; number++) await brake.check(from(network, `guess ${guesses++}`))
      }
    }
    await round(50)
    expect(waits).toHaveLength(0)
    await round(60)
    // Each network has had its ten, and the ten networks that nobody counts share a line.
    expect(waits).toHaveLength(600)
    expect(waits.at(-1)).toBe(4_000)
    expect(await brake.check(from(99, 'right', () => 'olga'))).toEqual({ is: 'right', who: 'olga' })
    time = 15 * 60_000
    await round(50)
    expect(waits).toHaveLength(601)
  })

  it('goes on after a comparison that threw', async () => {
    const brake = createGuessBrake<string>({ wait: async () => undefined })
    for (let number = 0; number < 10; number++) await brake.check(from(1, `guess ${number}`))
    const broken = () => {
      throw new Error('no comparison today')
    }
    await expect(brake.check(from(1, 'broken', broken))).rejects.toThrow('no comparison today')
    expect(await brake.check(from(1, 'right', () => 'olga'))).toEqual({ is: 'right', who: 'olga' })
  })
})

it('gives up waiting for its turn, and the next one still waits for the work', async () => {
  const inTurn = createKeyedMutex(50)
  const order: string[] = []
  let finish: () => void = () => undefined
  const first = inTurn('ada', async () => {
    await new Promise<void>(resolve => {
      finish = resolve
    })
    order.push('first')
  })
  await expect(inTurn('ada', async () => order.push('second'))).rejects.toThrow('still under way')
  const third = inTurn('ada', async () => order.push('third'))
  expect(await inTurn('bob', async () => order.push('bob'))).toBe(1)
  finish()
  await Promise.all([first, third])
  expect(order).toEqual(['bob', 'first', 'third'])
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
    const { createShopper } = await import('../local/shopper.js')
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

it('stores the same events from two connections in any order without a deadlock', async () => {
  await withShop(openShop('postgres'), async shop => {
    const { pool } = shop.stack.services.db
    const { pick } = randomFrom(7)
    const refused: string[] = []
    for (let round = 0; round < 60; round++) {
      const ids = Array.from({ length: 200 }, (_, number) => `evt_${round}_${number}`)
      const batch = (names: string[]) =>
        names.map(id => ({
          id,
          type: 'x',
          apiVersion: null,
          livemode: false,
          created: new Date(),
          payload: '{}',
          requestId: 'test',
          receivedAt: new Date()
        }))
      const shuffled = [...ids].sort(() => pick([-1, 1]))
      const results = await Promise.allSettled([
        storeEvents(pool, batch(ids)),
        storeEvents(pool, batch([...ids].reverse())),
        storeEvents(pool, batch(shuffled))
      ])
      for (const result of results) if (result.status === 'rejected') refused.push(String(result.reason))
    }
    expect(refused).toEqual([])
  })
})

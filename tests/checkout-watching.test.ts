import { createServer, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { Response } from 'express'
import { createCheckoutWatcher } from '../api/checkout-watcher.js'
import { eventually } from '../local/eventually.js'
import { data, lineOf, type Shopper } from '../local/shopper.js'
import { signSessionToken } from '../shared/identity/session-token.js'
import { whenGone } from '../shared/runtime/client-gone.js'
import { CHECKOUT_CHANGED } from '../shared/statements/checkouts.js'
import { asOwner, openShop, type Shop } from './support/shop.js'
import { startTcpProxy } from './support/tcp-proxy.js'

const POSTGRES = () => process.env.TILLWORKS_TEST_POSTGRES ?? ''

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
    const customer = { userId, email: `${userId}@shop.example` }
    return `Authorization: Bearer ${await signSessionToken(customer, shop.stack.config.auth.secret, 600)}`
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

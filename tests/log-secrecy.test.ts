import { Cluster, type Redis } from 'ioredis'
import pg from 'pg'
import { eventually } from '../local/eventually.js'
import { address, data, lineOf } from '../local/shopper.js'
import type { Config } from '../shared/config/config.js'
import type { RedisConfig } from '../shared/config/groups/redis.js'
import { createLogger } from '../shared/logger.js'
import { connectRedis, type RedisClient } from '../shared/queue/redis-connection.js'
import { openShop, plainEngines, WEBHOOK_SECRET, withShop } from './support/shop.js'

const PAN = '4242424242424242'
const GROUPED = '5555 5555 5555 4444'

it('logs of a path, which anybody can make up, two thousand characters and no half of an e-mail address', async () => {
  const lines: string[] = []
  const log = createLogger({
    level: 'info',
    production: true,
    name: 'paths',
    destination: { write: line => lines.push(line) }
  })
  await withShop(openShop('postgres', {}, { log }), async shop => {
    const logged = async (path: string) => {
      lines.length = 0
      await fetch(`http://127.0.0.1:${shop.stack.api.port}${path}`)
      const [line] = await eventually(
        async () => lines.map(each => JSON.parse(each)).filter(each => each.req !== undefined),
        found => found.length > 0
      )
      return line.req.path as string
    }
    expect(await logged(`/${'%401'.repeat(3_800)}?x=y`)).toBe('/…')
    expect(await logged(`/${'a/'.repeat(7_000)}`)).toBe(`/${'a/'.repeat(999)}…`)
    // The limit is in the middle of the address, whichever part of it comes first.
    for (const length of [1_970, 1_980, 1_990]) {
      expect(await logged(`/${'a'.repeat(length)}/zelda.quirk@mail.example`)).not.toContain('zelda')
    }
    expect(await logged('/api/orders/none?email=zelda')).toBe('/api/orders/none')
  })
})

it.each(plainEngines)(
  'keeps card numbers, e-mails, tokens and secrets out of logs, and card numbers out of tables and jobs, on %s',
  async engine => {
    const lines: string[] = []
    const log = createLogger({
      level: 'trace',
      production: true,
      name: 'secrecy',
      destination: { write: line => lines.push(line) }
    })
    await withShop(openShop(engine, {}, { log }), async shop => {
      let tables = ''
      let jobs = ''
      const ada = await shop.customer('ada')
      const line = lineOf(await ada.product('stoneware-mug'), 1)
      const noisy = { 'User-Agent': `agent ${PAN}`, 'X-Request-Id': PAN, 'Idempotency-Key': PAN }
      expect((await ada.checkout({ items: [{ ...line, description: `pay with ${PAN}` }] }, noisy)).status).toBe(400)
      expect((await ada.checkout({ items: [{ ...line, name: GROUPED }] }, noisy)).status).toBe(400)
      const street = { ...address, street: GROUPED }
      expect(
        (await ada.createOrder({ items: [line], address: street, subtotal: line.price, shipping: 0 })).status
      ).toBe(400)
      await ada.request(`/api/orders/${PAN}?card=${PAN}`)
      const checkout = data(await ada.checkout({ items: [line] }, noisy))
      await ada.pay(checkout.url ?? '')
      await ada.orderBecomes(checkout.orderId ?? '', 'PAID')

      const { pool } = shop.stack.services.db
      const owner = new pg.Client({ connectionString: shop.stack.config.database.url })
      await owner.connect()
      const { rows } = await owner.query<{ name: string }>(
        `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables WHERE table_schema IN ('public', 'bullmq') AND table_type = 'BASE TABLE'`
      )
      for (const { name } of rows) {
        const found = await owner.query<{ text: string | null }>(
          `SELECT string_agg(t::text, E'\\n') AS text FROM ${name} t`
        )
        if (name.startsWith('bullmq')) jobs += found.rows[0]?.text ?? ''
        else tables += found.rows[0]?.text ?? ''
      }
      await owner.end()
      if (engine !== 'postgres') jobs = await everythingIn(shop.stack.config.queue)
      expect(jobs).toContain('webhook-processing')
      expect((await pool.query('SELECT 1')).rowCount).toBe(1)
      const logged = lines.join('')
      expect(lines.length).toBeGreaterThan(10)
      expect(tables.length).toBeGreaterThan(5_000)
      for (const text of [logged, tables, jobs]) expect(text).not.toMatch(/4242424242424242|5555 5555 5555 4444/)
      expect(logged).not.toContain('ada@shop.example')
      expect(jobs).not.toContain('ada@shop.example')
      for (const secret of [WEBHOOK_SECRET, 'password of the tests', 'sk_test_', 'a secret for tests', 'eyJ']) {
        expect(logged).not.toContain(secret)
        expect(jobs).not.toContain(secret)
        expect(tables).not.toContain(secret)
      }
    })
  }
)

/** All that the queues have in Redis, as text. */
async function everythingIn({ redis: config, prefix }: Config['queue']): Promise<string> {
  const redis = connectRedis(config as RedisConfig, {})
  try {
    await redis.ping()
    const nodes = redis instanceof Cluster ? redis.nodes('master') : [redis]
    const keys = await Promise.all(nodes.map(node => (node as Redis).keys(`{${prefix}*`)))
    const parts = await Promise.all(keys.flat().map(async key => [key, await contentOf(redis, key)]))
    return parts.flat().join('\n')
  } finally {
    redis.disconnect()
  }
}

async function contentOf(redis: RedisClient, key: string): Promise<string> {
  const read = {
    hash: () => redis.hgetall(key),
    list: () => redis.lrange(key, 0, -1),
    set: () => redis.smembers(key),
    zset: () => redis.zrange(key, 0, '-1'),
    stream: () => redis.xrange(key, '-', '+'),
    string: () => redis.get(key)
  }[await redis.type(key)]
  return JSON.stringify(await read?.())
}

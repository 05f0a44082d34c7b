import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import pg from 'pg'
import Stripe from 'stripe'
import { address, data, lineOf } from '../demo/shopper.js'
import { containsCardNumber, maskCardNumbers } from '../shared/card-numbers.js'
import { loadConfig } from '../shared/config.js'
import { createLogger } from '../shared/logger.js'
import { engines, openShop, WEBHOOK_SECRET } from './support/shop.js'

const PAN = '4242424242424242'
const GROUPED = '5555 5555 5555 4444'

it.each([
  [PAN, true],
  [GROUPED, true],
  ['my card is 3782-822463-10005.', true],
  ['4242424242424241', false],
  ['1764030000000', false],
  ['+33 6 12 34 56 78', false],
  ['pi_4242424242424242', false]
])('knows what looks like a card number: %s', (text, expected) => {
  expect(containsCardNumber(text)).toBe(expected)
  expect(maskCardNumbers(text).includes('[card number]')).toBe(expected)
})

it.each(engines)(
  'keeps card numbers, e-mails, tokens and secrets out of logs, and card numbers out of tables and jobs, on %s',
  async engine => {
    const lines: string[] = []
    const log = createLogger({
      level: 'trace',
      production: true,
      name: 'secrecy',
      destination: { write: line => lines.push(line) }
    })
    const shop = await openShop(engine, {}, { log })
    let tables = ''
    let jobs = ''
    try {
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
      if (engine === 'redis') jobs = await everythingIn(shop.stack.config.queue)
      expect(jobs).toContain('webhook-processing')
      expect((await pool.query('SELECT 1')).rowCount).toBe(1)
    } finally {
      await shop.close()
    }
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
  }
)

/** All that the queues have in Redis, as text. */
async function everythingIn({ redisUrl, prefix }: { redisUrl: string | undefined; prefix: string }): Promise<string> {
  const redis = new Redis(redisUrl ?? '')
  try {
    const parts: string[] = []
    for (const key of await redis.keys(`{${prefix}}*`)) {
      const read = {
        hash: () => redis.hgetall(key),
        list: () => redis.lrange(key, 0, -1),
        set: () => redis.smembers(key),
        zset: () => redis.zrange(key, 0, '-1'),
        stream: () => redis.xrange(key, '-', '+'),
        string: () => redis.get(key)
      }[await redis.type(key)]
      parts.push(key, JSON.stringify(await read?.()))
    }
    return parts.join('\n')
  } finally {
    redis.disconnect()
  }
}

it('takes secrets from files, and says what is wrong with one without showing another', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tillworks-secrets-'))
  try {
    const file = join(folder, 'key')
    writeFileSync(file, 'sk_test_from_a_file\n')
    const env = {
      DATABASE_URL: 'postgresql://user:password@localhost/shop',
      QUEUE_ENGINE: 'postgres',
      STRIPE_SECRET_KEY_FILE: file,
      STRIPE_WEBHOOK_SECRET: 'whsec_x',
      AUTH_SECRET: 'x'.repeat(32),
      OPS_PASSWORD: 'y'.repeat(12),
      PAYMENT_SUCCESS_URL: 'https://shop.example',
      PAYMENT_CANCEL_URL: 'https://shop.example'
    }
    expect(loadConfig(env).stripe.secretKey).toBe('sk_test_from_a_file')
    expect(() => loadConfig({ ...env, OPS_PASSWORD_FILE: file })).toThrow(
      'OPS_PASSWORD_FILE: is set although OPS_PASSWORD is'
    )
    expect(() => loadConfig({ ...env, AUTH_SECRET: '', AUTH_SECRET_FILE: join(folder, 'none') })).toThrow(
      'AUTH_SECRET_FILE: cannot be read (ENOENT)'
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})

it('refuses an event of the other mode, and a thin one', async () => {
  const shop = await openShop('postgres')
  try {
    const send = async (event: object) => {
      const payload = JSON.stringify({
        id: 'evt_mode',
        created: Math.floor(Date.now() / 1000),
        type: 'a.b',
        data: { object: {} },
        ...event
      })
      const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: WEBHOOK_SECRET })
      const url = `http://127.0.0.1:${shop.stack.api.port}/api/stripe/webhook`
      const response = await fetch(url, { method: 'POST', body: payload, headers: { 'Stripe-Signature': signature } })
      return { status: response.status, body: await response.text() }
    }
    const live = await send({ object: 'event', livemode: true })
    expect([live.status, live.body]).toEqual([400, expect.stringContaining('live mode')])
    const thin = await send({ object: 'v2.core.event' })
    expect([thin.status, thin.body]).toEqual([400, expect.stringContaining('thin event')])
    expect((await send({ object: 'event', livemode: false, api_version: '2012-02-23' })).status).toBe(200)
    expect(await shop.stack.services.db.prisma.webhookEvent.count()).toBe(1)
  } finally {
    await shop.close()
  }
})

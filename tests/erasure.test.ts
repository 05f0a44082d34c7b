import fc from 'fast-check'
import pg from 'pg'
import Stripe from 'stripe'
import { eventually } from '../local/eventually.js'
import { address, createShopper, data, lineOf } from '../local/shopper.js'
import { alert } from '../shared/audit/alerts.js'
import { maskText } from '../shared/identity/masking.js'
import { createLogger } from '../shared/logger.js'
import { erasePersonalData } from '../shared/orders/erasure.js'
import { buryEvent } from '../shared/statements/webhook-events.js'
import { retention } from '../workers/retention.js'
import { runOps } from './support/ops.js'
import { asOwner, openShop, type Shop, WEBHOOK_SECRET } from './support/shop.js'

describe('a customer who is forgotten', () => {
  const EMAIL = 'zelda.quirk+77@mail.example'
  const REFUSED_EMAIL = 'zelda.quirk+77@nowhere'
  const IP = '203.0.113.201'
  const BROWSER = 'Zeldascape/77'
  const traces = ['zelda.quirk', '203.0.113.201', 'Zeldascape', 'Rue Zelda']
  const lines: string[] = []
  let shop: Shop

  beforeAll(async () => {
    const log = createLogger({
      level: 'trace',
      production: true,
      name: 'erase',
      destination: { write: line => lines.push(line) }
    })
    shop = await openShop(
      'postgres',
      {
        TRUST_PROXY: 'loopback',
        ORDER_WEBHOOK_URL: 'http://127.0.0.1:1/',
        ORDER_WEBHOOK_SECRET: `whsec_${'x'.repeat(32)}`
      },
      { log }
    )
  })
  afterAll(() => shop.close())

  /** Everything that the database holds, in every schema, a line a row. */
  async function everything(): Promise<string> {
    const owner = new pg.Client({ connectionString: shop.stack.config.database.url })
    await owner.connect()
    try {
      const { rows } = await owner.query<{ name: string }>(
        `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables WHERE table_schema IN ('public', 'bullmq') AND table_type = 'BASE TABLE'`
      )
      const texts: string[] = []
      for (const { name } of rows) {
        const found = await owner.query<{ text: string | null }>(
          `SELECT string_agg('${name.replace(/"/g, '')} ' || t::text, E'\\n') AS text FROM ${name} t`
        )
        texts.push(found.rows[0]?.text ?? '')
      }
      return texts.join('\n')
    } finally {
      await owner.end()
    }
  }

  const linesWith = (text: string) => text.split('\n').filter(line => traces.some(trace => line.includes(trace)))

  async function customerWith(email: string) {
    const shopper = await createShopper({
      port: shop.stack.api.port,
      authSecret: shop.stack.config.auth.secret,
      userId: 'z',
      email
    })
    const headers = { 'X-Forwarded-For': IP, 'User-Agent': BROWSER, 'X-Request-Id': IP }
    return {
      ...shopper,
      buy: (body: unknown, key: string) => shopper.checkout(body, { ...headers, 'Idempotency-Key': key }),
      headers
    }
  }

  async function deliver(event: { id: string; type: string; object: object }): Promise<void> {
    const payload = JSON.stringify({
      id: event.id,
      object: 'event',
      livemode: false,
      created: Math.floor(Date.now() / 1000),
      type: event.type,
      data: { object: event.object }
    })
    const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: WEBHOOK_SECRET })
    const url = `http://127.0.0.1:${shop.stack.api.port}/api/stripe/webhook`
    expect(
      (await fetch(url, { method: 'POST', body: payload, headers: { 'Stripe-Signature': signature } })).status
    ).toBe(200)
    const { prisma } = shop.stack.services.db
    const status = async () => (await prisma.webhookEvent.findUniqueOrThrow({ where: { id: event.id } })).status
    await eventually(status, seen => seen !== 'RECEIVED')
  }

  it('does everything that a customer can', async () => {
    const zelda = await customerWith(EMAIL)
    const { simulator } = shop
    const { services } = shop.stack
    const { prisma, pool } = services.db
    const line = lineOf(await zelda.product('stoneware-mug'), 1)

    // A 400 of Stripe's can quote the address; a cart is refused with what it said.
    simulator.faults.set({ refused: 1, refusal: `Invalid email address: ${REFUSED_EMAIL}` })
    const refused = await (await customerWith(REFUSED_EMAIL)).buy({ items: [line] }, 'refused')
    expect(refused.status).toBe(502)
    const named = { ...line, name: `Mug for ${EMAIL}, 1 Rue Zelda` }
    expect((await zelda.buy({ items: [named] }, 'wrong')).status).toBe(400)

    const order = {
      items: [line],
      address: { ...address, email: EMAIL, street: '1 Rue Zelda' },
      subtotal: line.price,
      shipping: 0
    }
    const { id: orderId } = data(await zelda.createOrder(order, zelda.headers))
    // Names and postal addresses have no form: they are known by what was sent.
    simulator.faults.set({
      refused: 1,
      refusal: `${address.firstName} ${address.lastName} of "1 Rue Zelda" is unknown`
    })
    expect((await zelda.buy({ items: [line], orderId }, 'refused with an address')).status).toBe(502)

    const paid = data(await zelda.buy({ items: [{ ...line, description: `gift of ${EMAIL}` }] }, 'paid'))
    await zelda.pay(paid.url ?? '', '4000000000000002')
    await zelda.pay(paid.url ?? '')
    await zelda.orderBecomes(paid.orderId ?? '', 'PAID')

    // A decline whose message quotes the customer, events that change nothing, and one that cannot be applied.
    const [intent] = simulator.record.intentsOf({ orderId: paid.orderId ?? '' })
    const error = { code: 'card_declined', message: `The card of ${EMAIL} was declined.`, charge: 'ch_declined' }
    await deliver({
      id: 'evt_decline',
      type: 'payment_intent.payment_failed',
      object: { ...intent, last_payment_error: error }
    })
    await deliver({
      id: 'evt_customer',
      type: 'customer.updated',
      object: { id: 'cus_1', object: 'customer', email: EMAIL }
    })
    await deliver({ id: 'evt_intent', type: 'payment_intent.created', object: { ...intent, note: BROWSER } })
    await pool.query(
      `INSERT INTO "WebhookEvent" ("id", "type", "livemode", "created", "payload", "requestId") VALUES ('evt_dead', 'x', false, now(), '{}', 'r')`
    )
    await buryEvent(pool, 'evt_dead', `No such customer: ${EMAIL}`, new Date())

    // A person types what a person knows, and Stripe refuses a refund with words of its own.
    const reason = `asked by ${EMAIL}, from ${IP}, +33 6 12 34 56 78`
    const refunded = await runOps(shop, 'order', 'refund', paid.orderId ?? '', '--amount', '1.00', '--reason', reason)
    expect(refunded).toMatchObject({ code: 0 })
    await alert(pool, services.log, 'refund_refused', { orderId: paid.orderId, reason: `refund of ${EMAIL} refused` })
    const { id } = await prisma.alert.findFirstOrThrow({ where: { name: 'refund_refused' } })
    expect((await runOps(shop, 'resolve', id, '--note', `wrote to ${EMAIL}`)).code).toBe(0)
    expect((await runOps(shop, 'fraud', 'unblock', '--user', 'z', '--note', `${EMAIL} called`)).code).toBe(0)
    await eventually(
      () => prisma.refund.findFirstOrThrow(),
      refund => refund.status === 'SUCCEEDED'
    )
    expect(await prisma.alert.count({ where: { name: 'session_refused' } })).toBe(1)
  })

  it('is in nothing that cannot be erased, and in no log line', async () => {
    const trail = linesWith(await everything()).filter(line => line.startsWith('public.PaymentAuditLog'))
    // What is left of the traces in the trail stands in the two columns that can be forgotten.
    const { prisma } = shop.stack.services.db
    const rows = await prisma.paymentAuditLog.findMany({ omit: { ipAddress: true, userAgent: true } })
    expect(trail.length).toBeGreaterThan(0)
    expect(
      linesWith(
        rows
          .map(row =>
            JSON.stringify(row, (_k, value) =>
              String(value) === '[object Object]' ? value : typeof value === 'bigint' ? Number(value) : value
            )
          )
          .join('\n')
      )
    ).toEqual([])
    expect(rows.map(row => row.error)).toEqual(
      expect.arrayContaining(['Invalid email address: [e-mail]', '[personal data] of "[personal data]" is unknown'])
    )
    expect(linesWith(lines.join('\n'))).toEqual([])
    expect(lines.join('\n')).toContain('[e-mail]')
  })

  it('is nowhere after `ops privacy erase`, not even in what was written before texts were masked', async () => {
    const old = `'Invalid email address: ${EMAIL}, ${BROWSER}'`
    await asOwner(
      shop,
      `UPDATE "Refund" SET "failureReason" = ${old}; UPDATE "Payment" SET "reviewReason" = ${old}, "acceptedAt" = now();
       UPDATE "WebhookEvent" SET "error" = ${old} WHERE "checkoutId" IS NOT NULL;
       UPDATE "Notification" SET "status" = 'FAILED', "error" = ${old};
       UPDATE "Checkout" SET "sessionParams" = '{"mode":"payment","customer_email":"${EMAIL}"}';
       UPDATE "Alert" SET "context" = jsonb_set("context", '{reason}', to_jsonb(${old}::text)), "note" = ${old};
       UPDATE "IdempotencyKey" SET "response" = '{"detail":"${EMAIL}"}' WHERE "status" >= 400`
    )
    const held = linesWith(await everything())
    expect(held.length).toBeGreaterThan(20)
    const exported = await runOps(shop, 'customer', 'export', EMAIL.toUpperCase(), '--reason', 'GDPR 15')
    expect(exported.code).toBe(0)
    const { customer, data: tables } = JSON.parse(exported.output)
    expect(customer).toBe('z')
    for (const trace of traces) expect(exported.output).toContain(trace)
    const holding = new Set(held.flatMap(line => /^public\.(\w+)/.exec(line)?.[1] ?? []))
    holding.delete('IdempotencyKey') // Its answer, which is not handed out, has them.
    for (const table of holding) expect([table, linesWith(JSON.stringify(tables[table]))]).not.toEqual([table, []])
    expect(exported.output).not.toMatch(/client_secret|"operator"|cs_test_\w+#|sessionUrl|personalSalt/)
    const erased = await runOps(shop, 'privacy', 'erase', '--user', 'z', '--reason', `${EMAIL} wants it`)
    expect(erased).toMatchObject({ code: 0, output: expect.stringContaining('Erased from 4 orders') })
    expect(linesWith(await everything())).toEqual([])
    const left = await runOps(shop, 'customer', 'export', 'z', '--reason', 'GDPR 15')
    expect([left.code, linesWith(left.output)]).toEqual([0, []])
    const { prisma } = shop.stack.services.db
    const asked = await prisma.paymentAuditLog.findMany({ where: { action: 'personal_data_exported', userId: 'z' } })
    expect(asked.map(({ metadata }) => metadata)).toEqual(Array(2).fill({ operator: 'olga', reason: 'GDPR 15' }))
    const nobody = await runOps(shop, 'customer', 'export', EMAIL, '--reason', 'GDPR 15')
    expect(nobody).toMatchObject({ code: 1, output: expect.stringContaining('Nothing is held about a customer') })
    expect(await prisma.checkout.findFirstOrThrow({ where: { userId: 'z', status: 'PAID' } })).toMatchObject({
      sessionParams: { mode: 'payment' }
    })
    expect(await runOps(shop, 'audit', 'verify')).toMatchObject({ code: 0 })
  })

  it('is forgotten by age, too', async () => {
    const zelda = await customerWith(EMAIL)
    const paid = data(await zelda.buy({ items: [lineOf(await zelda.product('stoneware-mug'), 1)] }, 'old'))
    await zelda.pay(paid.url ?? '')
    await zelda.orderBecomes(paid.orderId ?? '', 'PAID')
    await asOwner(
      shop,
      `UPDATE "Checkout" SET "updatedAt" = now() - interval '91 days', "sessionParams" = '{"customer_email":"${EMAIL}"}' WHERE "orderId" = '${paid.orderId}';
       UPDATE "Order" SET "updatedAt" = now() - interval '91 days'; UPDATE "WebhookEvent" SET "receivedAt" = now() - interval '91 days';
       SET session_replication_role = replica; UPDATE "PaymentAuditLog" SET "createdAt" = now() - interval '91 days'`
    )
    await retention.handle(shop.stack.services, {}, { id: 'test', attempt: 1, isLastAttempt: true })
    expect(linesWith(await everything()).filter(line => !line.startsWith('public.IdempotencyKey'))).toEqual([])
  })
})

describe('a customer whose browser calls itself as it pleases', () => {
  let shop: Shop
  beforeAll(async () => {
    shop = await openShop('postgres')
  })
  afterAll(() => shop.close())

  const ODD = [':', 'e', 'null', '{', 'reason', '"reason"', '\\', '"', '$&', 'Mozilla/5.0 (.*)|[', 'erased', '[e-mail]']

  it('is forgotten by `ops privacy erase`', async () => {
    const odd = await shop.customer('odd')
    const line = lineOf(await odd.product('stoneware-mug'), 1)
    for (const [index, browser] of [':', 'null', '{', 'reason'].entries()) {
      const paid = data(
        await odd.checkout({ items: [line] }, { 'User-Agent': browser, 'Idempotency-Key': `odd ${index}` })
      )
      await odd.pay(paid.url ?? '')
      await odd.orderBecomes(paid.orderId ?? '', 'PAID')
      await alert(shop.stack.services.db.pool, shop.stack.services.log, 'refund_refused', {
        orderId: paid.orderId,
        reason: 'something went wrong'
      })
    }
    expect(await runOps(shop, 'privacy', 'erase', '--user', 'odd', '--reason', 'asked')).toMatchObject({ code: 0 })
    const { prisma } = shop.stack.services.db
    const checkouts = await prisma.checkout.findMany({ where: { userId: 'odd' } })
    expect(checkouts.map(each => [each.email, each.userAgent])).toEqual(Array(4).fill(['erased@invalid', null]))
    const alerts = await prisma.alert.findMany({ where: { name: 'refund_refused' } })
    for (const { context } of alerts) {
      expect(context).toEqual({ orderId: expect.any(String), reason: expect.stringContaining('went wrong') })
    }
  })

  it('leaves of texts what is not its name, whatever that is', async () => {
    const { pool, prisma } = shop.stack.services.db
    await asOwner(shop, 'DELETE FROM "Alert"')
    const browser = fc.oneof(
      fc.constantFrom(...ODD),
      fc.string({ unit: fc.constantFrom(...'"\\{}[]():,.*+?^$|/-ae0 @é'), minLength: 1, maxLength: 30 }),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 255 })
    )
    const words = ['reason', 'null', 'something', 'true', '1999']
    await fc.assert(
      fc.asyncProperty(
        browser.filter(text => !/\0/.test(text)),
        fc.boolean(),
        async (name, isMasked) => {
          await pool.query(
            `UPDATE "Checkout" SET "email" = 'odd@shop.example', "userAgent" = $1 WHERE "userId" = 'odd'`,
            [name]
          )
          const told = isMasked ? maskText(name) : name
          await pool.query(
            `INSERT INTO "Alert" ("id", "name", "context", "note") VALUES ('odd', 'dead_event', $1, $2) ON CONFLICT ("id")
           DO UPDATE SET "context" = EXCLUDED."context", "note" = EXCLUDED."note"`,
            [JSON.stringify({ userId: 'odd', reason: `<${told}> of odd@shop.example`, more: name }), words.join(' ')]
          )
          await erasePersonalData(pool, { userId: 'odd', operator: 'olga', reason: 'asked' })
          const { context, note } = await prisma.alert.findUniqueOrThrow({ where: { id: 'odd' } })
          const left = context as { userId: string; reason: string; more: string }
          expect([left.userId, left.more, Object.keys(left).length]).toEqual(['odd', name, 3])
          expect(left.reason).not.toContain('odd@shop')
          // Shorter, or a mask, it tells nobody from another.
          if (name.trim().length >= 6 && !/^\[?(?:e-mail|erased)/.test(name)) {
            expect(left.reason.slice(0, -' of [e-mail]'.length).toLowerCase()).not.toContain(told.toLowerCase())
          }
          for (const word of words) if (word !== name) expect(note).toContain(word)
          expect(await prisma.checkout.count({ where: { userId: 'odd', email: { not: 'erased@invalid' } } })).toBe(0)
        }
      ),
      {
        numRuns: 60,
        examples: ODD.flatMap(name => [[name, false] as [string, boolean], [name, true] as [string, boolean]])
      }
    )
  })
})

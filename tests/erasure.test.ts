import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import pg from 'pg'
import Stripe from 'stripe'
import { eventually } from '../local/eventually.js'
import { address, createShopper, data, lineOf } from '../local/shopper.js'
import { alert } from '../shared/audit/alerts.js'
import { loadConfig } from '../shared/config/config.js'
import { containsCardNumber, maskCardNumbers } from '../shared/identity/card-numbers.js'
import { maskJson, maskText, maskValue } from '../shared/identity/masking.js'
import { createLogger } from '../shared/logger.js'
import { erasePersonalData } from '../shared/orders/erasure.js'
import { buryEvent } from '../shared/statements/webhook-events.js'
import { retention } from '../workers/retention.js'
import { runOps } from './support/ops.js'
import { asOwner, engines, openShop, type Shop, WEBHOOK_SECRET, withShop } from './support/shop.js'

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

describe('the mask', () => {
  const letters = (alphabet: string, max: number) =>
    fc.string({ unit: fc.constantFrom(...alphabet), minLength: 1, maxLength: max })
  const local = fc.oneof(
    letters("abcxyz0189!#$%&'*+/=?^_`{|}~-", 20),
    letters('abcåøüñéßжя字.+_-', 12).filter(text => !/^\.|\.$|\.\./.test(text)),
    fc.array(letters('abz09', 6), { minLength: 2, maxLength: 4 }).map(parts => parts.join('.')),
    // RFC 5321: Quoted-string
    fc
      .array(fc.oneof(letters('ab @.,;:<>()[]', 8), fc.constantFrom('\\"', '\\\\')), { minLength: 1, maxLength: 3 })
      .map(parts => `"${parts.join('')}"`)
  )
  const label = letters('abcz09', 8)
  const domain = fc.oneof(
    fc.tuple(label, fc.constantFrom('example', 'com', 'co.uk', 'xn--p1ai')).map(([name, end]) => `${name}.${end}`),
    fc.constantFrom('müller.example', 'пример.рф', '例え.テスト', 'localhost', '[203.0.113.7]', '[IPv6:2001:db8::1]')
  )
  const eMail = fc
    .tuple(local, domain)
    .map(([name, where]) => `${name}@${where}`)
    // It reads as the folder of a package does: node_modules/@localhost.
    .filter(text => !text.endsWith('/@localhost'))
  const around = fc.constantFrom(
    ['Invalid email address: ', ''],
    ['to <', '>, again'],
    ['', '.'],
    ['(', ')'],
    ['two\nlines\n', '\nand more'],
    ['«', '»'],
    ['mailto:', '; x']
  )
  /** The forms in which texts carry texts. What a form makes of the address must be gone. */
  const forms: [name: string, write: (text: string) => string, mask: (text: string) => string][] = [
    ['as it is', text => text, maskText],
    ['in JSON', text => JSON.stringify({ err: { message: text }, '@id': '@type' }), maskJson],
    ['in JSON within a text', text => JSON.stringify({ message: text }), maskText],
    ['in JSON within JSON', text => JSON.stringify({ body: JSON.stringify({ message: text }) }), maskJson],
    [
      'in ASCII JSON',
      text =>
        JSON.stringify(text).replace(
          /[\u0080-\uffff]/g,
          char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
        ),
      maskJson
    ],
    ['in a URL', text => encodeURIComponent(text), maskText]
  ]

  it.each(forms)('leaves nothing of an e-mail address %s', (_name, write, mask) => {
    fc.assert(
      fc.property(eMail, around, (email, [before, after]) => {
        const masked = mask(write(`${before}${email}${after}`))
        expect(masked).toContain('[e-mail]')
        expect(masked).not.toMatch(/@(?!id|type)|%40/)
        const word = /[a-z0-9]{4,}/.exec(email.slice(0, email.lastIndexOf('@')))?.[0]
        if (word !== undefined) expect(masked).not.toContain(word)
        if (mask === maskJson) JSON.parse(masked)
        expect(mask(masked)).toBe(masked)
      }),
      { numRuns: 1_000 }
    )
  })

  it('leaves JSON what it is, whatever it holds', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.array(fc.string({ unit: fc.constantFrom('"', '@', '\\', 'a', '.', ' ', '%40', '\n') })),
        (value, texts) => {
          JSON.parse(maskJson(JSON.stringify([value, texts])))
        }
      ),
      { numRuns: 500 }
    )
  })

  /** The least of three, in microseconds of the processor: what else the machine does is not in it. */
  const costOf = (text: string) =>
    Math.min(
      ...[1, 2, 3].map(() => {
        const before = process.cpuUsage()
        maskText(text)
        const { user, system } = process.cpuUsage(before)
        return user + system
      })
    )

  it.each([
    'a',
    '@',
    '"@',
    '@"',
    '1 ',
    '+1',
    '2001:',
    '\\',
    '\\"',
    '%40',
    '%401',
    '%2540',
    '%2540a',
    '%252540x',
    '%22%40',
    '\\u0040',
    '\\u0040a',
    '&#64;',
    '&#64;a',
    '&commat;a',
    '\uff20a',
    '@.a',
    '%25',
    'a@b.',
    'é@é.'
  ])('is done in time that follows the length, of a text full of %j', part => {
    const textOf = (length: number) => part.repeat(length / part.length)
    // Four times the length costs sixteen times as much where each part looks at all others.
    expect(costOf(textOf(40_000))).toBeLessThan(8 * Math.max(costOf(textOf(10_000)), 5_000))
  })

  it.each([
    ['@', '.', 'a'],
    ['@a', '-', 'b'],
    ['', '\\', '"@a.b'],
    ['', '%25', '22%40a.b'],
    ['+1', '-', '@'],
    ['a@', '[', ''],
    ['', '1.', '@a.b']
  ])('is done in time that follows the length, of "%s" and "%s" without number and "%s"', (before, part, after) => {
    const textOf = (length: number) => before + part.repeat(length / part.length) + after
    expect(costOf(textOf(80_000))).toBeLessThan(8 * Math.max(costOf(textOf(20_000)), 5_000))
  })

  const digits = (count: number) =>
    fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: count, maxLength: count })
  /** x is a digit. */
  const filled = (pattern: string) =>
    digits(pattern.length).map(some => [...pattern].map((char, at) => (char === 'x' ? some[at] : char)).join(''))
  const phone = fc
    .constantFrom(
      ...['06xxxxxxxx', '06 xx xx xx xx', '07.xx.xx.xx.xx', '01-4x-xx-xx-xx', '+336xxxxxxxx', '+33 (0)6 xx xx xx xx'],
      ...['0033 6 xx xx xx xx', '00336xxxxxxxx', '+33\u00a06\u00a0xx\u00a0xx\u00a0xx\u00a0xx', '%2B336xxxxxxxx'],
      ...['079 xxx xx xx', '079xxxxxxx', '044 xxx xx xx', '044/xxx xx xx', '+41 79 xxx xx xx', '0041 79 xxx xx xx'],
      ...[
        '0470 xx xx xx',
        '0470/xx.xx.xx',
        '0470 xxx xxx',
        '0470/xxxxxx',
        '02 xxx xx xx',
        '02/xxx.xx.xx',
        '010 xx xx xx'
      ],
      ...[
        '+32 470 xx xx xx',
        '+32 470/xx.xx.xx',
        '0032 470 xx xx xx',
        '(555) xxx-xxxx',
        '555-xxx-xxxx',
        '+1 555 xxx xxxx'
      ]
    )
    .chain(filled)
  const beside = fc.constantFrom(
    ['call ', ' now'],
    ['', ''],
    ['(', ')'],
    ['tel:', ', please'],
    ['"', '"'],
    ['a\n', '.']
  )

  it('leaves nothing of a telephone number in the forms of the countries around', () => {
    fc.assert(
      fc.property(phone, beside, (number, [before, after]) => {
        const masked = maskText(`${before}${number}${after}`)
        expect(masked).not.toMatch(/\d{2}/)
        expect(masked.replace(/\+?\[(?:phone|card) number\]/, '')).toBe(before + after)
      }),
      { numRuns: 1_000 }
    )
  })

  const alphanumeric = (count: number) =>
    fc.string({
      unit: fc.constantFrom(...'abcdefghjkmnpqrstvwxyzABCDEFGHJKMNPQRSTVWXYZ0123456789'),
      minLength: count,
      maxLength: count
    })
  const number = (max: number) => fc.integer({ min: 0, max })
  const harmless = fc.oneof(
    fc
      .tuple(
        fc.constantFrom('pi_', 'ch_', 're_', 'evt_', 'cs_test_', 'dp_', 'txn_', 'cus_', 'price_'),
        alphanumeric(24)
      )
      .map(parts => parts.join('')),
    fc.constantFrom('pi_', 'evt_').chain(prefix => digits(24).map(tail => prefix + tail)),
    alphanumeric(24).map(tail => `c${tail.toLowerCase()}`),
    fc.uuid(),
    fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true }).map(date => date.toISOString()),
    number(9_999_999_999).map(String),
    fc
      .tuple(fc.constantFrom('', '+', '-'), number(9_999_999), fc.constantFrom('EUR', 'CHF', 'usd'))
      .map(([sign, amount, currency]) => `${sign}${amount} ${currency}`),
    fc
      .tuple(fc.constantFrom('', '+', '-'), number(9_999_999), number(99))
      .map(([sign, whole, part]) => `${sign}${whole}.${String(part).padStart(2, '0')} EUR`),
    fc
      .tuple(fc.constantFrom('+', '-'), number(999), digits(3), digits(3))
      .map(([sign, ...groups]) => `${sign}${groups.join(' ')}.00 EUR`),
    fc
      .tuple(fc.constantFrom('pg@', 'v', 'node/', '@prisma/client@'), number(99), number(99), number(99))
      .map(([name, ...parts]) => name + parts.join('.')),
    fc
      .tuple(fc.constantFrom('Chrome', 'Edg', 'HeadlessChrome', 'OPR'), number(255))
      .map(([name, major]) => `${name}/${major}.0.0.0`),
    fc.constantFrom(
      'node@latest',
      'npm i left-pad@next',
      'job repeat:abc@every',
      'cron@daily',
      '01-02-03-04-05',
      '1.02.03'
    ),
    fc.tuple(number(9), digits(2), digits(2)).map(([a, b, c]) => `2026-0${a}-${b} ${c}:00:00`),
    digits(12).map(some => `${some.slice(0, 4)}/${some.slice(4, 6)}/${some.slice(6, 8)}`)
  )

  it('leaves ids, amounts, times and versions as they are', () => {
    fc.assert(
      fc.property(harmless, beside, (text, [before, after]) => {
        // One in ten numbers of 13 digits and more has the check digit of a card.
        fc.pre(!containsCardNumber(text))
        expect(maskText(before + text + after)).toBe(before + text + after)
      }),
      { numRuns: 3_000 }
    )
  })

  it.each([
    ['call +33 6 12 34 56 78', 'call [phone number]'],
    ['call (555) 123-4567 or 06 12 34 56 78', 'call [phone number] or [phone number]'],
    ['from 203.0.113.7:443', 'from [IP address]:443'],
    ['from 2001:db8::1 and ::ffff:198.51.100.1', 'from [IP address] and ::ffff:[IP address]'],
    ['connect ECONNREFUSED 127.0.0.1:5432', 'connect ECONNREFUSED 127.0.0.1:5432'],
    ['node_modules/@prisma/client/index.js:12:34', 'node_modules/@prisma/client/index.js:12:34'],
    ['.pnpm/pg@8.23.1/node_modules', '.pnpm/pg@8.23.1/node_modules'],
    ['order clx1 for 1999 EUR at 2026-11-25T08:00:00.000Z', 'order clx1 for 1999 EUR at 2026-11-25T08:00:00.000Z'],
    ['+123456789 EUR and +33612345678', '+123456789 EUR and [phone number]'],
    ['Chrome/120.0.0.0 from 203.0.113.7', 'Chrome/120.0.0.0 from [IP address]'],
    ['/from/203.0.113.7 and /From/203.0.0.0', '/from/[IP address] and /From/[IP address]'],
    ['%401%40a.example', '%40[e-mail]'],
    [`card ${PAN}`, 'card [card number]']
  ])('makes of "%s" "%s"', (text, expected) => {
    expect(maskText(text)).toBe(expected)
  })

  it('knows fields that are about a person, and leaves who ran a command', () => {
    expect(
      maskValue({
        operator: 'olga@shop.example',
        reason: 'asked by ada@shop.example',
        customer_details: { name: 'Ada' },
        of: [{ phone: '1' }]
      })
    ).toEqual({
      operator: 'olga@shop.example',
      reason: 'asked by [e-mail]',
      customer_details: '[personal data]',
      of: [{ phone: '[personal data]' }]
    })
  })
})

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
    expect((await zelda.buy({ items: [{ ...line, name: `Mug for ${EMAIL}` }] }, 'wrong')).status).toBe(400)

    const order = {
      items: [line],
      address: { ...address, email: EMAIL, street: '1 Rue Zelda' },
      subtotal: line.price,
      shipping: 0
    }
    await zelda.createOrder(order, zelda.headers)

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
    expect(rows.map(row => row.error)).toContain('Invalid email address: [e-mail]')
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
    expect(linesWith(await everything()).length).toBeGreaterThan(20)
    const erased = await runOps(shop, 'privacy', 'erase', '--user', 'z', '--reason', `${EMAIL} wants it`)
    expect(erased).toMatchObject({ code: 0, output: expect.stringContaining('Erased from 4 orders') })
    expect(linesWith(await everything())).toEqual([])
    const { prisma } = shop.stack.services.db
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
  await withShop(openShop('postgres'), async shop => {
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
  })
})

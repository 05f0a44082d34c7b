import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { eventually } from '../local/eventually.js'
import { createShopper, data, lineOf, type Shopper } from '../local/shopper.js'
import { erasePersonalData } from '../shared/orders/erasure.js'
import { mailableAtStripe } from '../shared/rules/stripe-email.js'
import { prunings } from '../shared/statements/personal-data.js'
import { isEmail } from '../simulator/email.js'
import { sessionCreation } from '../workers/session-creation.js'
import { orderRow, sessionOf, verifyOnly } from './support/purchase.js'
import { openShop, type Shop } from './support/shop.js'

const NOTIFICATION_SECRET = `whsec_${Buffer.from('a secret for the notifications of tests').toString('base64')}`

const JOB = { id: 'test', attempt: 1, isLastAttempt: false }

let shop: Shop
let told: Server
const notifications: { type: string; data: { orderId: string; customer: unknown } }[] = []
beforeAll(async () => {
  told = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    notifications.push(JSON.parse(Buffer.concat(chunks).toString()))
    response.end()
  })
  await new Promise<void>(resolve => told.listen(0, '127.0.0.1', resolve))
  shop = await openShop('postgres', {
    ORDER_WEBHOOK_URL: `http://127.0.0.1:${(told.address() as AddressInfo).port}/`,
    ORDER_WEBHOOK_SECRET: NOTIFICATION_SECRET,
    CHECKOUT_RECEIPT_EMAIL: 'true'
  })
})
afterAll(async () => {
  await shop.close()
  told.close()
  told.closeAllConnections()
})

let made = 0
const shopperWith = (email: string | null): Promise<Shopper> =>
  createShopper({
    port: shop.stack.api.port,
    authSecret: shop.stack.config.auth.secret,
    userId: `nobody-${++made}`,
    email
  })

async function buyAs(customer: Shopper) {
  const items = [lineOf(await customer.product('stoneware-mug'), 1)]
  const { orderId = '', sessionId = '', url = '', ...rest } = data(await customer.checkout({ items }))
  return { ...rest, orderId, sessionId, url }
}

const checkoutRow = (id: string) => shop.stack.services.db.prisma.checkout.findUniqueOrThrow({ where: { id } })

describe('a customer whose sign-in knows no e-mail, or one that Stripe refuses', () => {
  const unusable = [
    null,
    'test@test',
    'ada',
    'ada@gmail',
    'ada@shop..example',
    'ädä@shop.example',
    '"a b"@shop.example',
    'a@b@shop.example'
  ]

  it.each(unusable)('%j buys all the same: Stripe asks for it, and the shop is told', async email => {
    const customer = await shopperWith(email)
    const { orderId, sessionId, url } = await buyAs(customer)
    expect(sessionOf(shop, sessionId)).toMatchObject({ customer_email: null, customer_details: null })
    // The page asks, and takes no nonsense.
    expect((await customer.pay(url)).status).toBe(402)
    expect((await customer.pay(url, undefined, { email: 'ada@test' })).status).toBe(402)
    expect((await customer.pay(url, undefined, { email: 'ada@home.example' })).status).toBe(303)
    const paid = await customer.orderBecomes(orderId, 'PAID')
    const contact = { email: 'ada@home.example', name: 'Ada Lovelace', phone: null }
    expect(paid.customer).toEqual(contact)
    expect(await orderRow(shop, orderId)).toMatchObject({ email: email ?? 'ada@home.example', contact })
    const news = await eventually(
      async () => notifications.find(each => each.data.orderId === orderId && each.type === 'order.paid'),
      found => found !== undefined
    )
    expect(news?.data.customer).toEqual(contact)
  })

  it('is asked for nothing when the e-mail is one, with white space around it or not', async () => {
    const customer = await shopperWith(' ada@shop.example\t')
    const { orderId, sessionId, url } = await buyAs(customer)
    expect(sessionOf(shop, sessionId).customer_email).toBe('ada@shop.example')
    expect(data(await customer.order(orderId)).customer).toBeNull()
    await customer.pay(url)
    expect((await customer.orderBecomes(orderId, 'PAID')).customer).toMatchObject({ email: 'ada@shop.example' })
  })
})

describe('an e-mail that only Stripe knows to be wrong', () => {
  it('is left out of a second call, under another key', async () => {
    // Whatever names it is refused: for the receipt it is named once more.
    shop.simulator.faults.set({ emailRefused: 10 })
    const customer = await shopperWith('ada@shop.example')
    const { checkoutId, sessionId, url, orderId } = await buyAs(customer)
    expect(sessionOf(shop, sessionId).customer_email).toBeNull()
    const row = await checkoutRow(checkoutId)
    expect(row).toMatchObject({ status: 'OPEN', serverErrors: 1, email: 'ada@shop.example' })
    expect(JSON.stringify(row.sessionParams)).not.toContain('ada@shop.example')
    shop.simulator.faults.set({})
    await customer.pay(url, undefined, { email: 'ada@home.example' })
    expect((await customer.orderBecomes(orderId, 'PAID')).customer).toMatchObject({ email: 'ada@home.example' })
  })

  it('ends no checkout that the release before this one has verified, and after a crash the call is the same', async () => {
    const quiet = await openShop('postgres')
    try {
      const { services } = quiet.stack
      const customer = await quiet.customer('ada')
      await quiet.stack.stopWorkers()
      const items = [lineOf(await customer.product('stoneware-mug'), 1)]
      const { checkoutId } = data(await customer.checkout({ items }, { Prefer: 'respond-async' }))
      await verifyOnly(services, checkoutId)
      const { prisma } = services.db
      const verified = await prisma.checkout.findUniqueOrThrow({ where: { id: checkoutId } })
      expect(verified.status).toBe('VERIFIED')
      const sessionParams = { ...(verified.sessionParams as object), customer_email: 'test@test' }
      await prisma.checkout.update({ where: { id: checkoutId }, data: { sessionParams } })
      // The answer to the second call is lost, as by a crash; those to the client's own retries are, too.
      quiet.simulator.faults.set({ emailRefused: 1, dropResponse: 10 })
      await expect(sessionCreation.handle(services, { checkoutId }, JOB)).rejects.toThrow()
      quiet.simulator.faults.set({})
      await sessionCreation.handle(services, { checkoutId }, JOB)
      const opened = await prisma.checkout.findUniqueOrThrow({ where: { id: checkoutId } })
      expect(opened).toMatchObject({ status: 'OPEN', serverErrors: 1 })
      expect(quiet.simulator.record.sessions()).toHaveLength(1)
      expect(await prisma.alert.count()).toBe(0)
    } finally {
      await quiet.close()
    }
  })
})

describe('what is an e-mail at Stripe', () => {
  const local = fc.stringMatching(/^[a-z0-9_+-]{1,20}(\.[a-z0-9_+-]{1,10})?$/)
  const domain = fc.stringMatching(/^([a-z0-9]{1,10}(-[a-z0-9]{1,5})?\.){1,3}[a-z]{2,10}$/)
  const email = fc.tuple(local, domain).map(parts => parts.join('@'))

  it('takes plain ones as they are, and the white space away', () => {
    fc.assert(
      fc.property(email, fc.stringMatching(/^[ \t\n\u00a0]{0,3}$/), (plain, space) => {
        expect(mailableAtStripe(space + plain + space)).toBe(plain)
        expect(isEmail(plain)).toBe(true)
      })
    )
  })

  it('lets nothing through that the simulator would refuse', () => {
    const spoiling = fc.constantFrom(' ', '@', '..', '.', 'ü', '\n', '"', '<', '\0', '\u200b', ',', ';', '(', '\\', '-')
    const odd = fc.oneof(
      fc.string(),
      fc.emailAddress(),
      fc.tuple(email, fc.nat(), spoiling).map(([plain, at, what]) => {
        const place = at % (plain.length + 1)
        return plain.slice(0, place) + what + plain.slice(place)
      }),
      email.map(plain => plain.replace(/\.[^.]*$/, '')),
      email.map(plain => `${plain}.1`),
      email.map(plain => `${plain}.x`),
      email.map(plain => 'x'.repeat(65) + plain)
    )
    fc.assert(
      fc.property(odd, text => {
        const sent = mailableAtStripe(text)
        if (sent !== undefined) expect([sent, isEmail(sent)]).toEqual([sent, true])
      }),
      { numRuns: 2_000 }
    )
    for (const refused of ['', 'test@test', 'ada@gmail', 'erased@invalid', 'ada@shop.example.', '@shop.example']) {
      expect([refused, mailableAtStripe(refused)]).toEqual([refused, undefined])
    }
  })
})

describe('the simulator', () => {
  it('refuses what is no e-mail as Stripe does: 400, email_invalid, customer_email', async () => {
    const create = (customer_email: string) =>
      shop.stack.services.stripe.checkout.sessions.create({
        mode: 'payment',
        success_url: 'https://shop.example/thanks',
        customer_email,
        line_items: [{ quantity: 1, price_data: { currency: 'eur', unit_amount: 500, product_data: { name: 'Mug' } } }]
      })
    for (const email of ['test@test', 'ada@gmail', ' ada@shop.example', 'ädä@shop.example', 'ada@shop..example']) {
      await expect(create(email)).rejects.toMatchObject({
        statusCode: 400,
        type: 'StripeInvalidRequestError',
        code: 'email_invalid',
        param: 'customer_email',
        message: `Invalid email address: ${email}`
      })
    }
    expect((await create('ada@shop.example')).customer_email).toBe('ada@shop.example')
  })
})

describe('what the customer gave at Stripe', () => {
  it('is forgotten with the order, on request and by age, also where an older release has forgotten the rest', async () => {
    const { db } = shop.stack.services
    const buyer = async () => {
      const customer = await shopperWith(null)
      const { orderId, url } = await buyAs(customer)
      await customer.pay(url, undefined, { email: `${orderId}@home.example` })
      await customer.orderBecomes(orderId, 'PAID')
      return { customer, orderId }
    }
    const [one, two, three] = [await buyer(), await buyer(), await buyer()]
    await erasePersonalData(db.pool, { userId: one.customer.userId, operator: 'tester', reason: 'a test' })
    expect(await orderRow(shop, one.orderId)).toMatchObject({ email: null, contact: null })
    const events = await db.prisma.webhookEvent.count({
      where: { payload: { contains: `${one.orderId}@home.example` } }
    })
    expect(events).toBe(0)

    await db.prisma.order.update({ where: { id: two.orderId }, data: { email: null, address: undefined } })
    const later = new Date(Date.now() + 60_000)
    for (const { prune } of prunings) await prune(db.pool, later, 1_000)
    expect(await orderRow(shop, two.orderId)).toMatchObject({ email: null, contact: null })
    expect(await orderRow(shop, three.orderId)).toMatchObject({ email: null, contact: null })
  })
})

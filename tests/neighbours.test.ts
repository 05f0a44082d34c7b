import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import type Stripe from 'stripe'
import { eventually } from '../local/eventually.js'
import type { Shopper } from '../local/shopper.js'
import { SECOND } from '../shared/duration.js'
import { reconcile } from '../shared/reconcile/reconcile.js'
import { reconcileObjects } from '../shared/reconcile/reconcile-objects.js'
import { readInstallation } from '../shared/statements/installation.js'
import { open } from './support/fresh-shop.js'
import { runOps } from './support/ops.js'
import { allApplied, buy, deliver, intentOf, paymentRow, sessionOf } from './support/purchase.js'
import { asOwner, type Shop } from './support/shop.js'
import { post } from './support/signed-delivery.js'

const EVENTS = new URL('./events/', import.meta.url)
const bodies = readdirSync(EVENTS)
  .filter(file => file.endsWith('.json'))
  .map(file => readFileSync(new URL(file, EVENTS), 'utf8').replace(/"livemode": ?true/g, '"livemode": false'))

const db = (shop: Shop) => shop.stack.services.db.prisma

/** How often Stripe was asked while it ran. */
async function callsOf(shop: Shop, work: () => Promise<unknown>): Promise<number> {
  const before = shop.simulator.calls()
  await work()
  return shop.simulator.calls() - before
}

/** What became of the events, in the order in which they came, and whether anybody was alarmed. */
async function outcomes(shop: Shop) {
  const events = await db(shop).webhookEvent.findMany({ orderBy: { receivedAt: 'asc' } })
  return { statuses: [...new Set(events.map(each => each.status))], attempts: Math.max(...events.map(e => e.attempts)) }
}

/** A payment of another integration on the account, through the API as that makes it. */
async function neighbourPays(shop: Shop, customer: Shopper, metadata: Record<string, string> = {}) {
  const { stripe } = shop.stack.services
  const price_data = { currency: 'eur', unit_amount: 1_000, product_data: { name: 'A donation' } }
  const made = await stripe.checkout.sessions.create({
    mode: 'payment',
    customer_email: 'giver@neighbour.example',
    line_items: [{ quantity: 1, price_data }],
    success_url: 'https://neighbour.example/',
    metadata,
    payment_intent_data: { metadata }
  })
  await customer.pay(made.url ?? '')
  return intentOf(shop, made.id)
}

describe('what a neighbour on the same Stripe account does', () => {
  it('is ignored at once, whatever it is, without a call to Stripe', async () => {
    const { shop, customer } = await open()
    expect(bodies.length).toBeGreaterThanOrEqual(70)
    const calls = await callsOf(shop, async () => {
      for (const body of bodies) expect(await post(customer, body)).toMatchObject({ status: 200 })
      await eventually(
        () => db(shop).webhookEvent.count({ where: { status: 'RECEIVED' } }),
        count => count === 0
      )
    })
    expect(calls).toBe(0)
    expect(await outcomes(shop)).toEqual({ statuses: ['IGNORED'], attempts: 0 })
    expect(await db(shop).alert.count()).toBe(0)
  })

  it('costs no call while a checkout of ours is open, once its own payment was seen', async () => {
    const { shop, customer } = await open()
    await buy(customer)
    const { stripe } = shop.stack.services
    const calls = await callsOf(shop, async () => {
      const intent = await neighbourPays(shop, customer)
      await stripe.refunds.create({ payment_intent: intent, amount: 300 })
      await stripe.refunds.create({ payment_intent: intent, amount: 200 })
      await allApplied(shop)
    })
    // Those of the neighbour itself.
    expect(calls).toBe(3)
    expect((await outcomes(shop)).statuses).toEqual(['IGNORED'])
    expect(await db(shop).alert.count()).toBe(0)
  })

  it('costs one call a payment when a refund, a dispute or a warning is all that is told of it', async () => {
    const { shop, customer } = await open()
    shop.simulator.faults.set({ dropDeliveries: 1 })
    const { services } = shop.stack
    const intent = await neighbourPays(shop, customer)
    const tell = async () => {
      const created = Math.floor(Date.now() / SECOND)
      const of = { payment_intent: intent, created, charge: 'ch_ofTheNeighbour' }
      const warning = { object: 'radar.early_fraud_warning', id: 'issfr_x', fraud_type: 'misc', actionable: true }
      for (const status of ['pending', 'succeeded', 'failed']) {
        await deliver(services, 'refund.updated', { object: 'refund', id: 're_foreign', status, amount: 5, ...of })
      }
      await deliver(services, 'charge.dispute.created', { object: 'dispute', id: 'du_foreign', amount: 5, ...of })
      await deliver(services, 'radar.early_fraud_warning.created', { ...warning, ...of })
      await deliver(services, 'review.opened', { object: 'review', id: 'prv_x', reason: 'rule', open: true, ...of })
    }
    expect(await callsOf(shop, tell)).toBe(0)
    await buy(customer)
    expect(await callsOf(shop, tell)).toBe(1)
    expect(await callsOf(shop, tell)).toBe(0)
    expect((await outcomes(shop)).statuses).toEqual(['IGNORED'])
  })

  it('is told apart by what is expanded of the payment', async () => {
    const { shop, customer } = await open()
    await buy(customer)
    const { services } = shop.stack
    const created = Math.floor(Date.now() / SECOND) + 60
    const refund = { object: 'refund', id: 're_x', amount: 5, currency: 'eur', status: 'succeeded', created }
    const payments = [
      { payment_intent: { id: 'pi_theirs', object: 'payment_intent', metadata: {} } },
      { charge: { id: 'ch_theirs', object: 'charge', payment_intent: 'pi_theirs2', metadata: { installation: 'x' } } },
      { payment_intent: 'pi_theirs3', metadata: { installation: 'another' } },
      { payment_intent: null, charge: 'ch_old' },
      { payment_intent: null, charge: null }
    ]
    const calls = await callsOf(shop, async () => {
      for (const of of payments) await deliver(services, 'refund.created', { metadata: {}, ...refund, ...of })
    })
    expect(calls).toBe(0)
    expect((await outcomes(shop)).statuses).toEqual(['IGNORED'])
  })

  it('is ignored with any metadata and of any kind, while our own payment is under way', async () => {
    const { shop, customer } = await open()
    const { services } = shop.stack
    const { sessionId, url, orderId } = await buy(customer)
    await customer.pay(url)
    await customer.orderBecomes(orderId, 'PAID')
    await buy(customer)
    const { record } = shop.simulator
    const intentId = intentOf(shop, sessionId)
    const intent = record.intent(intentId) as Stripe.PaymentIntent
    const charge = record.charges().find(({ id }) => id === intent.latest_charge) as Stripe.Charge
    const session = sessionOf(shop, sessionId)
    const { checkoutId, orderId: order } = intent.metadata
    const foreign = fc.oneof(
      fc.constant(null),
      fc.dictionary(
        fc.string({ maxLength: 12 }).filter(key => key !== 'checkoutId' && key !== 'installation'),
        fc.string({ maxLength: 40 })
      ),
      // A shop of the release before, and whoever else has a word for a checkout.
      fc.record({ checkoutId: fc.oneof(fc.uuid(), fc.stringMatching(/^c[0-9a-z]{24}$/), fc.string(), fc.integer()) }),
      // Another installation, also one whose database is a copy of ours.
      fc.record({ installation: fc.stringMatching(/^shop-[0-9a-f]{12}$/), orderId: fc.constant(order) })
    )
    const kinds = fc.oneof(
      fc.record({
        type: fc
          .constantFrom('completed', 'expired', 'async_payment_succeeded', 'async_payment_failed')
          .map(name => `checkout.session.${name}`),
        object: fc
          .record({
            mode: fc.constantFrom('payment', 'subscription', 'setup'),
            payment_link: fc.constantFrom(null, 'plink_x'),
            invoice: fc.constantFrom(null, 'in_x')
          })
          .map(changes => ({ ...session, id: 'cs_test_foreign', payment_intent: 'pi_foreign', ...changes }))
      }),
      fc.record({
        type: fc
          .constantFrom('succeeded', 'processing', 'canceled', 'payment_failed', 'amount_capturable_updated')
          .map(name => `payment_intent.${name}`),
        object: fc.constantFrom({ ...intent, id: 'pi_foreign' }, { ...intent, id: 'pi_foreign2', invoice: 'in_x' })
      }),
      fc.record({
        type: fc.constantFrom('succeeded', 'captured', 'updated', 'refunded').map(name => `charge.${name}`),
        object: fc
          .constantFrom<object>(
            { payment_intent: null },
            { payment_intent: 'pi_foreign' },
            { payment_intent: 'pi_terminal', payment_method_details: { type: 'card_present', card_present: {} } },
            { payment_intent: 'pi_invoice', invoice: 'in_x', amount_refunded: 5 }
          )
          .map(changes => ({ ...charge, id: 'ch_foreign', ...changes }))
      })
    )
    const calls = await callsOf(shop, () =>
      fc.assert(
        fc.asyncProperty(kinds, foreign, async ({ type, object }, metadata) => {
          await deliver(services, type, { ...object, metadata })
          const { status, note } = await db(shop)
            .webhookEvent.findFirstOrThrow({ orderBy: { receivedAt: 'desc' } })
            .then(row => ({ status: row.status, note: row.error }))
          expect([status, note]).toEqual(['IGNORED', 'it is of a neighbour on the same Stripe account'])
        }),
        { numRuns: 150 }
      )
    )
    expect(calls).toBe(0)
    expect(await db(shop).alert.count()).toBe(0)
    expect(checkoutId).toBeDefined()
  })
})

describe('what is ours', () => {
  it('bears the name of this installation: Session, payment, charge and refund', async () => {
    const { shop, customer } = await open()
    const { services } = shop.stack
    const [name] = await readInstallation(services.db.pool)
    expect(name).toMatch(/^shop-[0-9a-f]{12}$/)
    const { orderId, sessionId, url } = await buy(customer)
    await customer.pay(url)
    await customer.orderBecomes(orderId, 'PAID')
    expect(await runOps(shop, 'order', 'refund', orderId, '--amount', '1.00')).toMatchObject({ code: 0 })
    await customer.orderBecomes(orderId, 'PARTIALLY_REFUNDED')
    const { record } = shop.simulator
    const made = [sessionOf(shop, sessionId), ...record.intents(), ...record.charges(), ...record.refunds()]
    expect(made.map(each => each.metadata?.installation)).toEqual(Array(4).fill(name))
    expect(await runOps(shop, 'shop')).toEqual({ code: 0, output: `This installation is called ${name} at Stripe.\n` })
  })

  it('is known by a refund that comes before anything else is told of the payment', async () => {
    const { shop, customer } = await open()
    const { services } = shop.stack
    const { orderId, sessionId, url } = await buy(customer)
    shop.simulator.faults.set({ dropDeliveries: 1 })
    await customer.pay(url)
    const refund = await services.stripe.refunds.create({ payment_intent: intentOf(shop, sessionId), amount: 500 })
    expect(await callsOf(shop, () => deliver(services, 'refund.created', refund))).toBeGreaterThanOrEqual(1)
    expect((await paymentRow(shop, orderId)).paymentIntentId).toBe(intentOf(shop, sessionId))
    await deliver(services, 'checkout.session.completed', sessionOf(shop, sessionId))
    await customer.orderBecomes(orderId, 'PARTIALLY_REFUNDED')
  })

  it('stays ours when the release before has made it, without a name', async () => {
    const { shop, customer } = await open()
    const { orderId, sessionId, url } = await buy(customer)
    shop.simulator.record.forgetMetadata(sessionId, 'installation')
    await customer.pay(url)
    await customer.orderBecomes(orderId, 'PAID')
    expect(shop.simulator.record.intent(intentOf(shop, sessionId))?.metadata.installation).toBeUndefined()
    await shop.stack.services.stripe.refunds.create({ payment_intent: intentOf(shop, sessionId), amount: 500 })
    await customer.orderBecomes(orderId, 'PARTIALLY_REFUNDED')
  })

  it('is an alert when it bears our name and its checkout is not here', async () => {
    const { shop, customer } = await open()
    const [installation] = await readInstallation(shop.stack.services.db.pool)
    const metadata = { installation, checkoutId: 'c'.padEnd(25, '7') }
    await neighbourPays(shop, customer, metadata)
    await expect(
      deliver(shop.stack.services, 'payment_intent.succeeded', {
        object: 'payment_intent',
        id: 'pi_lost',
        status: 'succeeded',
        metadata
      })
    ).rejects.toThrow('which is not in this database')
  })

  it('is found under a name that was lost with a backup, once the name is given again', async () => {
    const { shop, customer } = await open()
    const { services } = shop.stack
    const [before] = await readInstallation(services.db.pool)
    const { orderId, url } = await buy(customer)
    // A backup of before the name was made has been restored, and the migration has made another.
    await asOwner(shop, `UPDATE "Installation" SET "name" = 'shop-of-the-restore'`)
    await customer.pay(url)
    await allApplied(shop)
    expect((await outcomes(shop)).statuses).toEqual(['IGNORED'])
    const alerts = await db(shop).alert.findMany()
    expect(alerts.map(each => each.name)).toEqual(['installation_name_lost'])
    expect(JSON.stringify(alerts[0]?.context)).toContain(before)
    expect(await runOps(shop, 'shop', '--name', before)).toMatchObject({
      code: 0,
      output: `This installation is called ${before} at Stripe.\nWhat bears an earlier name is its own, too: shop-of-the-restore\n`
    })
    const report = await reconcileObjects(services, { since: new Date(), requestId: 'test' })
    expect(report).toMatchObject({ different: 1, remaining: 0, errors: [] })
    await customer.orderBecomes(orderId, 'PAID')
    const audit = await db(shop).paymentAuditLog.findFirstOrThrow({ where: { action: 'installation_named' } })
    expect([audit.before, audit.after]).toEqual(['shop-of-the-restore', before])
  })

  it('is the original’s in a copy of its database that has taken a name of its own', async () => {
    const { shop, customer } = await open()
    const { services } = shop.stack
    const [before] = await readInstallation(services.db.pool)
    const { orderId, url } = await buy(customer)
    expect(await runOps(shop, 'shop', '--name', before, '--copy')).toMatchObject({ code: 2 })
    expect(await runOps(shop, 'shop', '--name', 'Not A Name')).toMatchObject({ code: 2 })
    expect(await runOps(shop, 'shop', '--copy')).toMatchObject({ code: 2 })
    expect(await runOps(shop, 'shop', '--name', 'staging', '--copy')).toMatchObject({ code: 0 })
    expect(await readInstallation(services.db.pool)).toEqual(['staging'])
    await customer.pay(url)
    await allApplied(shop)
    expect((await db(shop).order.findUniqueOrThrow({ where: { id: orderId } })).status).toBe('PENDING')
    const second = await buy(customer, 'desk-lamp', 1)
    await customer.pay(second.url)
    await customer.orderBecomes(second.orderId, 'PAID')
  })
})

describe('reconcile', () => {
  it('keeps nothing of neighbours and asks nothing about them', async () => {
    const { shop, customer } = await open()
    const { services } = shop.stack
    shop.simulator.faults.set({ dropDeliveries: 1 })
    const { orderId, url } = await buy(customer)
    await customer.pay(url)
    // From one moment on: a run asks about each day since, and about the rest of the last one.
    const since = new Date()
    const run = () => reconcileObjects(services, { since, requestId: 'test' })
    await run()
    await customer.orderBecomes(orderId, 'PAID')
    await allApplied(shop)
    await run()
    const alone = await callsOf(shop, run)
    for (let count = 0; count < 4; count++) {
      const intent = await neighbourPays(
        shop,
        customer,
        count % 2 === 0 ? {} : { installation: 'another', checkoutId: 'c'.padEnd(25, 'x') }
      )
      await services.stripe.refunds.create({ payment_intent: intent, amount: 300 })
    }
    const refunds = shop.simulator.record.refunds()
    expect(refunds).toHaveLength(4)
    expect(await callsOf(shop, run)).toBe(alone)
    expect((await run()).unknown).toBe(0)
    const stored = await db(shop).webhookEvent.count()
    const report = await reconcile(services, { requestId: 'test' })
    expect(report.errors).toEqual([])
    expect(report.neighbours).toBeGreaterThanOrEqual(4 * 3)
    await allApplied(shop)
    const kept = await db(shop).webhookEvent.findMany({ skip: stored, orderBy: { receivedAt: 'asc' } })
    expect(kept.some(each => each.payload.includes('neighbour.example'))).toBe(false)
    expect(await db(shop).alert.count()).toBe(0)
  })
})

describe('an event of elsewhere', () => {
  const connected = { object: 'event', api_version: null, created: 1_700_000_000, type: 'charge.succeeded' }
  const body = { data: { object: { object: 'charge', id: 'ch_x', metadata: {} } } }

  it('is acknowledged and ignored with a note: of a connected account, in either mode', async () => {
    const { shop, customer } = await open()
    for (const livemode of [true, false]) {
      const id = `evt_connected_${livemode}`
      const event = { ...connected, ...body, id, livemode, account: 'acct_1ofSomebody' }
      expect(await post(customer, event)).toEqual({ status: 200, text: '{"received":true}' })
      const row = await eventually(
        () => db(shop).webhookEvent.findUniqueOrThrow({ where: { id } }),
        each => each.status !== 'RECEIVED'
      )
      expect([row.status, row.livemode]).toEqual(['IGNORED', livemode])
      expect(row.error).toContain('connected account')
    }
    const wrongMode = await post(customer, { ...connected, ...body, id: 'evt_wrong', livemode: true })
    expect([wrongMode.status, await db(shop).webhookEvent.count({ where: { id: 'evt_wrong' } })]).toEqual([400, 0])
    expect(await db(shop).alert.count()).toBe(0)
  })

  it('is acknowledged and ignored with a note: a thin one, and an alert if it should have been a snapshot', async () => {
    const { shop, customer } = await open()
    const thin = { object: 'v2.core.event', created: '2026-01-01T00:00:00.000Z', data: {} }
    const types = [
      'v1.billing.meter.error_report_triggered',
      'v2.core.account[requirements].updated',
      'v2.core.event_destination.ping'
    ]
    const events = [
      ...types.map(type => ({ type, livemode: false })),
      { type: 'v2.core.account.updated', livemode: true, context: 'acct_1ofSomebody' },
      { type: 'v1.charge.refunded', livemode: false, context: 'acct_1ofSomebody' },
      { type: 'v2.core.account.closed' }
    ].map((each, index) => ({ ...thin, id: `evt_thin_${index}`, ...each }))
    for (const event of events) expect((await post(customer, event)).status).toBe(200)
    await allApplied(shop)
    const rows = await db(shop).webhookEvent.findMany()
    expect(rows.map(each => each.status)).toEqual(events.map(() => 'IGNORED'))
    expect(new Set(rows.map(each => each.error?.slice(0, 12)))).toEqual(new Set(['a thin event']))
    expect(await db(shop).alert.count()).toBe(0)
    for (const id of ['evt_thin_a', 'evt_thin_b']) {
      await post(customer, { ...thin, id, type: 'v1.checkout.session.completed', livemode: false, context: null })
    }
    await allApplied(shop)
    expect((await db(shop).alert.findMany()).map(each => each.name)).toEqual(['thin_events'])
    const malformed = { ...thin, id: 'evt_thin_bad', type: 'v2.core.account.updated', created: 'soon' }
    expect((await post(customer, malformed)).status).toBe(400)
  })

  it('is judged by its object when it comes from an organization’s destination', async () => {
    const { shop, customer } = await open()
    const { sessionId, url, orderId } = await buy(customer)
    shop.simulator.faults.set({ dropDeliveries: 1 })
    await customer.pay(url)
    const context = 'acct_1ofThisShop'
    const event = { ...connected, context, type: 'checkout.session.completed', livemode: false }
    await post(customer, { ...event, id: 'evt_org_theirs', ...body, type: 'charge.succeeded' })
    await post(customer, { ...event, id: 'evt_org_ours', data: { object: sessionOf(shop, sessionId) } })
    await customer.orderBecomes(orderId, 'PAID')
    const rows = await db(shop).webhookEvent.findMany({ orderBy: { id: 'asc' } })
    expect(rows.map(each => [each.id, each.status])).toEqual([
      ['evt_org_ours', 'PROCESSED'],
      ['evt_org_theirs', 'IGNORED']
    ])
  })
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../local/eventually.js'
import type { Shopper } from '../local/shopper.js'
import { loadConfig } from '../shared/config/config.js'
import { migrationsDir } from '../shared/database/migration-names.js'
import { DAY, MINUTE } from '../shared/duration.js'
import { type RefundInput, requestRefunds } from '../shared/orders/refund.js'
import { reconcileObjects } from '../shared/reconcile/reconcile-objects.js'
import { findAuditProblems } from '../shared/statements/audit-trail.js'
import { refundCreation } from '../workers/refund-creation.js'
import { startWorkers } from '../workers/start.js'
import { alertsOf } from './support/alerts.js'
import { JOB, open, openPaid } from './support/fresh-shop.js'
import { runOps } from './support/ops.js'
import {
  allApplied,
  buy,
  deliver,
  goSilent,
  heldByStripe,
  intentOf,
  ledgerDifferences,
  openStray,
  orderRow,
  paymentRow,
  payWith,
  sessionOf
} from './support/purchase.js'
import { asOwner, type Shop } from './support/shop.js'

const DEBIT = 'DE89370400440532013000'
const FAILING_DEBIT = 'DE62370400440532013001'
const DISPUTED = '4000000000000259'
const REFUND_FAILS = '4000000000005126'
const MANUAL = { PAYMENT_CAPTURE_METHOD: 'manual' }

const payments = (shop: Shop, orderId: string) =>
  shop.stack.services.db.prisma.payment.findMany({ where: { orderId }, orderBy: { createdAt: 'asc' } })
const stockOf = async (customer: Shopper) => (await customer.product('stoneware-mug')).stock

/** Debits end when a test says so. */
const SLOW = { debitMs: DAY }

/** Stripe settles the debits that are on their way, and the refunds, and tells of it. */
async function settleAll(shop: Shop): Promise<void> {
  shop.simulator.tick({ settleAllDebits: true })
  await allApplied(shop)
}

/** A stray payment in review beside the order's own; `own` is the card or the account that paid it. */
async function twice(env: Record<string, string>, own?: string) {
  const { shop, customer } = await open(env, SLOW)
  const stock = await stockOf(customer)
  const { orderId, checkoutId, sessionId, url } = await buy(customer)
  const stray = await openStray(shop, checkoutId)
  await customer.pay(url, own)
  await eventually(
    () => payments(shop, orderId),
    found => found.length === 1
  )
  await customer.pay(stray.url)
  await customer.orderBecomes(orderId, 'NEEDS_REVIEW')
  const [ownIntent, strayIntent] = [intentOf(shop, sessionId), intentOf(shop, stray.id)]
  const accept = () => runOps(shop, 'order', 'accept', orderId, '--payment', strayIntent, '--note', 'she said so')
  const order = (action: string, ...args: string[]) => runOps(shop, 'order', action, orderId, ...args)
  return { shop, customer, stock, orderId, checkoutId, ownIntent, strayIntent, accept, order }
}

/** Paid by one payment, its goods sold once, and the books are Stripe's. */
async function isPaidOnce(shop: Shop, customer: Shopper, orderId: string, stock: number): Promise<void> {
  await allApplied(shop)
  await customer.orderBecomes(orderId, 'PAID')
  const { status, captured, refunded, total } = await orderRow(shop, orderId)
  expect([status, Number(captured), Number(refunded)]).toEqual(['PAID', Number(total), 0])
  expect(await heldByStripe(shop, orderId)).toBe(Number(total))
  expect(await ledgerDifferences(shop)).toEqual([])
  expect(await stockOf(customer)).toBe(stock - 2)
}

/** The command that a message names, as one would type it. */
function commandIn(output: string): string[] {
  return (/npm run ops -- (.+)/.exec(output)?.[1] ?? '').trim().split(' ')
}

describe('a payment in review is not accepted', () => {
  const refused = (state: string, own: string) =>
    expect.stringContaining(`The order has another payment, ${own}, which is ${state}.`)

  it('while the order’s own is AUTHORIZED: that one is cancelled first', async () => {
    const { shop, customer, stock, orderId, ownIntent, strayIntent, accept, order } = await twice(MANUAL)
    await shop.stack.services.stripe.paymentIntents.capture(strayIntent)
    await eventually(
      () => payments(shop, orderId),
      found => found.some(each => each.status === 'SUCCEEDED')
    )
    const first = await accept()
    expect([first.code, first.output]).toEqual([1, refused('AUTHORIZED', ownIntent)])
    expect(commandIn(first.output)).toEqual(['order', 'cancel', orderId, '--payment', ownIntent])
    expect(await runOps(shop, ...commandIn(first.output))).toMatchObject({ code: 0 })
    expect(await accept()).toMatchObject({ code: 0 })
    await isPaidOnce(shop, customer, orderId, stock)
    const captured = await order('capture')
    expect([captured.code, captured.output]).toEqual([1, expect.stringContaining('no authorization')])
    await isPaidOnce(shop, customer, orderId, stock)
  })

  it('that is only authorized, while the order’s own is AUTHORIZED: it is cancelled', async () => {
    const { shop, customer, stock, orderId, ownIntent, strayIntent, accept, order } = await twice(MANUAL)
    const first = await accept()
    expect([first.code, first.output]).toEqual([1, refused('AUTHORIZED', ownIntent)])
    expect(commandIn(first.output)).toEqual(['order', 'cancel', orderId, '--payment', strayIntent])
    expect(await runOps(shop, ...commandIn(first.output))).toMatchObject({ code: 0 })
    expect(await order('capture')).toMatchObject({ code: 0 })
    await isPaidOnce(shop, customer, orderId, stock)
  })

  it('that is only authorized, while the order’s own has SUCCEEDED: it is cancelled', async () => {
    const { shop, customer, stock, orderId, ownIntent, accept, order } = await twice(MANUAL)
    expect(await order('capture', '--payment', ownIntent)).toMatchObject({ code: 0 })
    const first = await accept()
    expect([first.code, first.output]).toEqual([1, expect.stringContaining('nothing is captured')])
    expect(commandIn(first.output)).toEqual(['order', 'cancel', orderId])
    expect(await runOps(shop, ...commandIn(first.output))).toMatchObject({ code: 0 })
    await isPaidOnce(shop, customer, orderId, stock)
  })

  it('while the order’s own debit is on its way: it counts once the debit has failed', async () => {
    const { shop, customer, stock, orderId, checkoutId, ownIntent, accept } = await twice({}, FAILING_DEBIT)
    const first = await accept()
    expect([first.code, first.output]).toEqual([1, refused('PROCESSING', ownIntent)])
    expect(first.output).toContain('Wait for its end, or refund this one.')
    await settleAll(shop)
    await customer.checkoutBecomes(checkoutId, 'FAILED')
    expect(await accept()).toMatchObject({ code: 0 })
    await isPaidOnce(shop, customer, orderId, stock)
  })

  it('while the order’s own debit is on its way: it is refunded once the debit has paid', async () => {
    const { shop, customer, stock, orderId, checkoutId, ownIntent, strayIntent, accept, order } = await twice({}, DEBIT)
    expect((await accept()).output).toEqual(refused('PROCESSING', ownIntent))
    await settleAll(shop)
    await customer.checkoutBecomes(checkoutId, 'PAID')
    const second = await accept()
    expect([second.code, second.output]).toEqual([1, refused('SUCCEEDED', ownIntent)])
    expect(await order('refund', '--payment', strayIntent)).toMatchObject({ code: 0 })
    await isPaidOnce(shop, customer, orderId, stock)
  })

  it('while the order’s own has SUCCEEDED: it counts once that one is refunded', async () => {
    const { shop, customer, stock, orderId, ownIntent, accept, order } = await twice({})
    const first = await accept()
    expect([first.code, first.output]).toEqual([1, refused('SUCCEEDED', ownIntent)])
    expect(first.output).toContain(`npm run ops -- order refund ${orderId} --payment`)
    // A part of it gone back is not enough.
    expect(await order('refund', '--payment', ownIntent, '--amount', '5.00')).toMatchObject({ code: 0 })
    expect(await accept()).toMatchObject({ code: 1 })
    expect(await order('refund', '--payment', ownIntent)).toMatchObject({ code: 0 })
    expect(await accept()).toMatchObject({ code: 0 })
    await isPaidOnce(shop, customer, orderId, stock)
    // Only the stray was ever a case: what went back whole calls nobody.
    expect(await alertsOf(shop, 'payment_unexpected')).toHaveLength(1)
  })
})

describe('order accept finds no payment in review', () => {
  const noneInReview = (orderId: string) => ({
    code: 1,
    output: expect.stringContaining(`Order ${orderId} has no payment in review.`)
  })

  it('once the stray is refunded', async () => {
    const { shop, customer, stock, orderId, strayIntent, accept, order } = await twice({})
    expect(await order('refund', '--payment', strayIntent)).toMatchObject({ code: 0 })
    await customer.orderBecomes(orderId, 'PAID')
    expect(await order('accept', '--note', 'again')).toMatchObject(noneInReview(orderId))
    const named = await accept()
    expect([named.code, named.output]).toEqual([1, expect.stringContaining(`${strayIntent} is not in review`)])
    await isPaidOnce(shop, customer, orderId, stock)
  })

  it('once the stray is cancelled', async () => {
    const { shop, customer, stock, orderId, strayIntent, order } = await twice(MANUAL)
    expect(await order('cancel', '--payment', strayIntent)).toMatchObject({ code: 0 })
    await customer.orderBecomes(orderId, 'AUTHORIZED')
    expect(await order('accept', '--note', 'again')).toMatchObject(noneInReview(orderId))
    expect(await order('capture')).toMatchObject({ code: 0 })
    await isPaidOnce(shop, customer, orderId, stock)
  })

  it('once the dispute of the stray is lost, and the order is paid by its own', async () => {
    const { shop, customer } = await open()
    const { services } = shop.stack
    const stock = await stockOf(customer)
    const { orderId, checkoutId, url } = await buy(customer)
    const stray = await openStray(shop, checkoutId)
    await customer.pay(stray.url, DISPUTED)
    await customer.orderBecomes(orderId, 'NEEDS_REVIEW')
    const [dispute] = await eventually(
      () => services.db.prisma.dispute.findMany({ where: { orderId } }),
      found => found.length === 1
    )
    await services.stripe.disputes.close(dispute?.id ?? '')
    await customer.orderBecomes(orderId, 'PENDING')
    expect(await runOps(shop, 'order', 'accept', orderId, '--note', 'again')).toMatchObject(noneInReview(orderId))
    await customer.pay(url)
    await isPaidOnce(shop, customer, orderId, stock)
  })

  it('when the lost dispute is known before the money, and nobody is called for it', async () => {
    const { shop, customer } = await open()
    const { services } = shop.stack
    const stock = await stockOf(customer)
    const { orderId, checkoutId, url } = await buy(customer)
    const stray = await openStray(shop, checkoutId)
    shop.simulator.faults.set({ dropDeliveries: 1 })
    await customer.pay(stray.url, DISPUTED)
    const [made] = (await services.stripe.disputes.list()).data
    const lost = await services.stripe.disputes.close(made?.id ?? '')
    await deliver(services, 'charge.dispute.closed', lost)
    await deliver(services, 'checkout.session.completed', sessionOf(shop, stray.id))
    shop.simulator.faults.set({})
    expect((await orderRow(shop, orderId)).status).toBe('PENDING')
    expect((await payments(shop, orderId)).map(each => each.status)).toEqual(['SUCCEEDED'])
    await customer.pay(url)
    await isPaidOnce(shop, customer, orderId, stock)
    expect(await alertsOf(shop, 'payment_unexpected')).toEqual([])
  })
})

it('takes the same wish for the same refund until Stripe has answered it, whatever is refunded meanwhile', async () => {
  const { shop, services, orderId } = await openPaid()
  const wish = async () => {
    const refunds = await requestRefunds(services, { orderId, amount: 500, operator: 'olga' })
    return refunds.map(each => each.id)
  }
  const atStripe = async () => (await services.stripe.refunds.list()).data.map(each => each.amount).sort()
  const [refundId = ''] = await wish()
  shop.simulator.faults.set({ serverError: 1 })
  await expect(refundCreation.handle(services, { refundId }, JOB)).rejects.toThrow()
  // Somebody refunds something else in the dashboard.
  const { paymentIntentId: payment_intent } = await paymentRow(shop, orderId)
  const other = await services.stripe.refunds.create({ payment_intent, amount: 100 })
  await deliver(services, 'refund.created', other)
  expect(await wish()).toEqual([refundId])
  const later = { ...services, now: () => new Date(Date.now() + 11 * MINUTE) }
  await refundCreation.handle(later, { refundId }, JOB)
  expect(await atStripe()).toEqual([100, 500])
  const [again = ''] = await wish()
  expect(again).not.toBe(refundId)
  await refundCreation.handle(services, { refundId: again }, JOB)
  expect(await atStripe()).toEqual([100, 500, 500])
  expect(await ledgerDifferences(shop)).toEqual([])
})

it('takes a request with other goods for no equal one, and a key for one request alone', async () => {
  const { shop, customer, services, orderId } = await openPaid()
  const { paymentIntentId } = await paymentRow(shop, orderId)
  const { id: mug } = await customer.product('stoneware-mug')
  const ask = async (more: Partial<RefundInput>) => {
    const refunds = await requestRefunds(services, { orderId, amount: 100, operator: 'olga', ...more })
    return refunds.map(each => each.id)
  }
  // Stripe has not answered it: neither is it paid twice, nor are other goods forgotten without a word.
  const first = await ask({ restock: { [mug]: 1 } })
  expect(await ask({ restock: { [mug]: 1 } })).toEqual(first)
  for (const restock of ['all', { [mug]: 2 }] as const)
    await expect(ask({ restock })).rejects.toThrow('with other goods')
  // Of one key, whatever other keys begin with it.
  const keyed = await ask({ key: 'a', restock: { [mug]: 1, other: 2 } })
  const longer = await ask({ key: 'a:b', amount: 200 })
  expect(await ask({ key: 'a', restock: { other: 2, [mug]: 1 }, paymentIntentId })).toEqual(keyed)
  expect(await ask({ key: 'a:b', amount: 200 })).toEqual(longer)
  for (const other of [{ paymentIntentId: 'pi_other' }, { amount: 101 }])
    await expect(ask({ key: 'a', ...other })).rejects.toThrow('was used for another refund')
  await expect(ask({ key: 'a', restock: 'all' })).rejects.toThrow('with other goods')
})

it('puts no goods back for a payment that took none', async () => {
  const { shop, customer, stock, orderId, strayIntent, ownIntent, order } = await twice({})
  expect(await order('refund', '--payment', strayIntent, '--restock', 'all')).toMatchObject({ code: 0 })
  await isPaidOnce(shop, customer, orderId, stock)
  expect(await order('refund', '--payment', ownIntent, '--restock', 'all')).toMatchObject({ code: 0 })
  await customer.orderBecomes(orderId, 'REFUNDED')
  expect(await stockOf(customer)).toBe(stock)
})

it('puts the goods back once when all payments of an order are refunded at once', async () => {
  const { shop, customer, stock, orderId, order } = await twice({})
  expect(await order('refund', '--restock', 'all')).toMatchObject({ code: 0 })
  await customer.orderBecomes(orderId, 'REFUNDED')
  expect(await stockOf(customer)).toBe(stock)
  expect(await heldByStripe(shop, orderId)).toBe(0)
})

it('takes goods out again that a refund has put back, when the payment of another Session is to count', async () => {
  const { shop, customer, stock, orderId, strayIntent, ownIntent, accept, order } = await twice({})
  expect(await order('refund', '--payment', ownIntent, '--restock', 'all')).toMatchObject({ code: 0 })
  await allApplied(shop)
  expect(await stockOf(customer)).toBe(stock)
  // Somebody buys them meanwhile.
  await shop.stack.services.db.pool.query(`UPDATE "Product" SET "stock" = 1 WHERE "slug" = 'stoneware-mug'`)
  const gone = await accept()
  expect([gone.code, gone.output]).toEqual([1, expect.stringContaining('The goods are gone.')])
  await shop.stack.services.db.pool.query(`UPDATE "Product" SET "stock" = $1 WHERE "slug" = 'stoneware-mug'`, [stock])
  expect(await accept()).toMatchObject({ code: 0 })
  await isPaidOnce(shop, customer, orderId, stock)
  expect(await order('refund', '--payment', strayIntent, '--restock', 'all')).toMatchObject({ code: 0 })
  await customer.orderBecomes(orderId, 'REFUNDED')
  expect(await stockOf(customer)).toBe(stock)
})

it('suggests to give a payment back whose goods a refund has put on the shelf, and others have bought', async () => {
  const { shop, customer } = await open({})
  const { orderId, checkoutId, url } = await buy(customer)
  const stray = await openStray(shop, checkoutId)
  await customer.pay(url)
  await customer.orderBecomes(orderId, 'PAID')
  expect((await runOps(shop, 'order', 'refund', orderId, '--restock', 'all')).code).toBe(0)
  await customer.orderBecomes(orderId, 'REFUNDED')
  const { prisma } = shop.stack.services.db
  await prisma.product.updateMany({ where: { slug: 'stoneware-mug' }, data: { stock: 1 } })
  await customer.pay(stray.url)
  await customer.orderBecomes(orderId, 'NEEDS_REVIEW')
  const payment = await prisma.payment.findUniqueOrThrow({ where: { paymentIntentId: intentOf(shop, stray.id) } })
  expect(payment.reviewAction).toBe('refund')
})

it.each([
  ['fails', FAILING_DEBIT, 'PENDING', 'RELEASED'],
  ['pays', DEBIT, 'NEEDS_REVIEW', 'HELD']
])(
  'holds the goods while a debit through a stray Session is on its way, until it %s',
  async (_how, debit, status, held) => {
    const { shop, customer } = await open({}, SLOW)
    const { services } = shop.stack
    const stock = await stockOf(customer)
    const { orderId, checkoutId, sessionId } = await buy(customer)
    const stray = await openStray(shop, checkoutId)
    await customer.pay(stray.url, debit)
    await allApplied(shop)
    await services.stripe.checkout.sessions.expire(sessionId)
    await customer.checkoutBecomes(checkoutId, 'EXPIRED')
    const reservations = async () =>
      (await services.db.prisma.reservation.findMany({ where: { checkoutId } })).map(each => each.status)
    expect([(await orderRow(shop, orderId)).status, await reservations()]).toEqual(['PENDING', ['HELD']])
    await settleAll(shop)
    expect([(await orderRow(shop, orderId)).status, await reservations()]).toEqual([status, [held]])
    if (held === 'RELEASED') return
    expect(await runOps(shop, 'order', 'accept', orderId, '--note', 'she said so')).toMatchObject({ code: 0 })
    await isPaidOnce(shop, customer, orderId, stock)
  }
)

it('hears of the dispute of a stray payment before of the payment, though nothing can be paid any more', async () => {
  const { shop, customer } = await open()
  const { services } = shop.stack
  const { orderId, checkoutId, url } = await buy(customer)
  const stray = await openStray(shop, checkoutId)
  await customer.pay(url)
  await customer.orderBecomes(orderId, 'PAID')
  await goSilent(shop)
  await customer.pay(stray.url, DISPUTED)
  const [made] = (await services.stripe.disputes.list()).data
  await deliver(services, 'charge.dispute.created', made ?? {})
  const [dispute] = await services.db.prisma.dispute.findMany({ where: { orderId } })
  expect(dispute).toMatchObject({ id: made?.id, paymentIntentId: intentOf(shop, stray.id) })
  await deliver(services, 'checkout.session.completed', sessionOf(shop, stray.id))
  expect((await orderRow(shop, orderId)).status).toBe('NEEDS_REVIEW')
  expect(await ledgerDifferences(shop)).toEqual([])
})

it('does not lose the money of a debit that failed and is paid after all', async () => {
  const { shop, customer } = await open({}, SLOW)
  const { services } = shop.stack
  const { orderId, sessionId, url } = await buy(customer)
  const stock = await stockOf(customer)
  await customer.pay(url, FAILING_DEBIT)
  await customer.orderBecomes(orderId, 'PROCESSING')
  await settleAll(shop)
  await customer.orderBecomes(orderId, 'PENDING')
  const intent = await services.stripe.paymentIntents.retrieve(intentOf(shop, sessionId))
  const succeeded = { ...intent, status: 'succeeded', amount_received: intent.amount }
  for (const _time of [1, 2]) await deliver(services, 'payment_intent.succeeded', succeeded)
  const { status, total } = await orderRow(shop, orderId)
  expect([status, await heldByStripe(shop, orderId)]).toEqual(['NEEDS_REVIEW', Number(total)])
  const alerts = await alertsOf(shop, 'payment_unexpected')
  expect(alerts.map(each => JSON.stringify(each.context))).toEqual([
    expect.stringContaining(`order accept ${orderId} --payment ${intent.id}`)
  ])
  expect(await runOps(shop, 'order', 'accept', orderId, '--note', 'the bank was late')).toMatchObject({ code: 0 })
  expect(await orderRow(shop, orderId)).toMatchObject({ status: 'PAID', captured: total })
  expect(await stockOf(customer)).toBe(stock)
})

describe('a Session with nothing to pay', () => {
  const PROMOTED = { PAYMENT_PROMOTION_CODES: 'true' }

  it('of a cancelled order is nothing to decide about', async () => {
    const { shop, customer } = await open(PROMOTED)
    const stock = await stockOf(customer)
    const { orderId, checkoutId, url } = await buy(customer)
    // The customer is at the page while an operator cancels.
    await shop.stack.services.db.pool.query(
      `UPDATE "Order" SET "cancelledAt" = now(), "status" = 'CANCELLED' WHERE "id" = $1`,
      [orderId]
    )
    await payWith(url, 'FREE')
    await customer.checkoutBecomes(checkoutId, 'PAID')
    await allApplied(shop)
    expect((await orderRow(shop, orderId)).status).toBe('CANCELLED')
    expect(await shop.stack.services.db.prisma.alert.findMany()).toEqual([])
    expect(await stockOf(customer)).toBe(stock)
  })

  it('that does not fit is given up with its order', async () => {
    const { shop, customer } = await open(PROMOTED)
    const { services, env } = shop.stack
    const stock = await stockOf(customer)
    const { orderId, url } = await buy(customer)
    await shop.stack.stopWorkers()
    // As an earlier release opened it: it kept no parameters, so that the settings of today judge.
    await services.db.pool.query('UPDATE "Checkout" SET "sessionParams" = NULL')
    const config = loadConfig({ ...env, PAYMENT_PROMOTION_CODES: 'false' })
    const workers = await startWorkers({ ...services, config })
    try {
      await payWith(url, 'FREE')
      await customer.orderBecomes(orderId, 'NEEDS_REVIEW')
      expect(await alertsOf(shop, 'payment_mismatch')).toHaveLength(1)
      expect(await runOps(shop, 'order', 'cancel', orderId, '--reason', 'a code of old')).toMatchObject({ code: 0 })
      await customer.orderBecomes(orderId, 'CANCELLED')
      expect(await stockOf(customer)).toBe(stock)
    } finally {
      await workers.stop()
    }
  })
})

describe('the migration to this release', () => {
  /** The statement that reopens refunds, as the migration has it. */
  function repair(): string {
    const sql = readFileSync(join(migrationsDir, '20261125080100_one_authority/migration.sql'), 'utf8')
    return sql.slice(sql.indexOf('WITH victim AS'))
  }

  async function refunded(shop: Shop, customer: Shopper, card?: string) {
    const { orderId, url } = await buy(customer)
    await customer.pay(url, card)
    await customer.orderBecomes(orderId, 'PAID')
    await requestRefunds(shop.stack.services, { orderId, amount: 500, operator: 'olga' })
    await customer.orderBecomes(orderId, 'PARTIALLY_REFUNDED')
    return { orderId, total: Number((await orderRow(shop, orderId)).total) }
  }

  const refundOf = (shop: Shop, orderId: string) =>
    shop.stack.services.db.prisma.refund.findFirstOrThrow({ where: { orderId } })
  const postingsOf = (shop: Shop, orderId: string) =>
    shop.stack.services.db.prisma.ledgerPosting.findMany({
      where: { orderId },
      orderBy: [{ entry: 'asc' }, { account: 'asc' }]
    })

  it('reopens a refund that we had refused although Stripe had made it, and no other', async () => {
    const { shop, customer } = await open()
    const { services } = shop.stack
    const failed = await refunded(shop, customer, REFUND_FAILS)
    await settleAll(shop)
    await customer.orderBecomes(failed.orderId, 'PAID')
    const left = async () => [await refundOf(shop, failed.orderId), await postingsOf(shop, failed.orderId)]
    const untouched = await left()
    expect(untouched).toMatchObject([{ status: 'FAILED', failureReason: 'lost_or_stolen_card' }, {}])

    const { orderId, total } = await refunded(shop, customer)
    const { id, stripeId } = await refundOf(shop, orderId)
    await asOwner(
      shop,
      `UPDATE "Refund" SET "status" = 'FAILED', "failureReason" = 'Invalid API Key provided: sk_test_…' WHERE "id" = '${id}';
       INSERT INTO "LedgerPosting" ("entry", "account", "currency", "orderId", "amount", "source") VALUES
         ('refund_returned:${stripeId}', 'STRIPE', 'EUR', '${orderId}', 500, '${stripeId}'),
         ('refund_returned:${stripeId}', 'REFUNDS', 'EUR', '${orderId}', -500, '${stripeId}')`
    )
    expect(await heldByStripe(shop, orderId)).toBe(total)
    for (const _time of [1, 2]) await asOwner(shop, repair())

    expect(await refundOf(shop, orderId)).toMatchObject({ status: 'REFUSED' })
    expect(await heldByStripe(shop, orderId)).toBe(total - 500)
    const reversed = (await postingsOf(shop, orderId)).filter(each => each.entry === `correction:refused-${stripeId}`)
    expect(reversed.map(each => [each.account, Number(each.amount), each.source])).toEqual([
      ['STRIPE', -500, `refund_returned:${stripeId}`],
      ['REFUNDS', 500, `refund_returned:${stripeId}`]
    ])
    const audit = await services.db.prisma.paymentAuditLog.findMany({ where: { action: 'refund_reopened' } })
    expect(audit.map(row => [row.orderId, row.before, row.after, row.metadata])).toEqual([
      [orderId, 'FAILED', 'REFUSED', { refundId: id, stripeId, correction: `correction:refused-${stripeId}` }]
    ])
    expect(await findAuditProblems(services.db.pool)).toEqual([])
    expect(await left()).toEqual(untouched)

    const report = await reconcileObjects(services, { since: new Date(), requestId: 'test' })
    expect(report).toMatchObject({ different: 1, remaining: 0, errors: [] })
    expect(await refundOf(shop, orderId)).toMatchObject({ status: 'SUCCEEDED' })
    expect((await orderRow(shop, orderId)).status).toBe('PARTIALLY_REFUNDED')
    expect(await heldByStripe(shop, orderId)).toBe(total - 500)
    expect(await ledgerDifferences(shop)).toEqual([])

    // It can still fail, as every refund can: its money is then back, as was said too early.
    const made = await services.stripe.refunds.retrieve(stripeId ?? '')
    const returned = { ...made, status: 'failed', failure_reason: 'lost_or_stolen_card' }
    await deliver(services, 'refund.failed', returned)
    expect(await refundOf(shop, orderId)).toMatchObject({ status: 'FAILED' })
    expect(await heldByStripe(shop, orderId)).toBe(total)
  })
})

import { data, lineOf, type Shopper } from '../local/shopper.js'
import { runOps } from './support/ops.js'
import { openShop, type Shop } from './support/shop.js'

let shop: Shop
let customer: Shopper
beforeAll(async () => {
  shop = await openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *' })
  customer = await shop.customer('reviewed')
})
afterAll(() => shop.close())

const stockOf = async () => (await customer.product('stoneware-mug')).stock

/** An order whose own Session is open while another one, which was made for it too, is paid and in review. */
async function inReview(key: string) {
  const { simulator } = shop
  const { services } = shop.stack
  const mug = await customer.product('stoneware-mug')
  const opened = data(await customer.checkout({ items: [lineOf(mug, 1)] }, { 'Idempotency-Key': key }))
  const { orderId = '', checkoutId, sessionId, url } = opened
  const metadata = { orderId, checkoutId }
  const stray = await services.stripe.checkout.sessions.create({
    mode: 'payment',
    customer_email: 'reviewed@shop.example',
    line_items: [
      { quantity: 1, price_data: { currency: 'eur', unit_amount: 1999, product_data: { name: 'Stoneware mug' } } }
    ],
    metadata,
    payment_intent_data: { metadata },
    success_url: 'https://shop.example/done'
  })
  await customer.pay(stray.url ?? '')
  await customer.orderBecomes(orderId, 'NEEDS_REVIEW')
  const session = (id: string | null | undefined) => simulator.record.session(String(id))
  const payment = String(session(stray.id)?.payment_intent)
  return { orderId, checkoutId, url: url ?? '', payment, own: () => session(sessionId) }
}

it('leaves nothing to pay: a Session that is still open expires before the payment counts', async () => {
  const stock = await stockOf()
  const { orderId, checkoutId, url, payment, own } = await inReview('open')
  expect(own()?.status).toBe('open')
  expect(await runOps(shop, 'order', 'accept', orderId, '--payment', payment)).toMatchObject({ code: 0 })
  expect(own()?.status).toBe('expired')
  expect((await customer.pay(url)).status).toBe(410)
  await shop.simulator.idle()
  await customer.orderBecomes(orderId, 'PAID')
  await customer.checkoutBecomes(checkoutId, 'PAID')
  expect(await stockOf()).toBe(stock - 1)
  expect(shop.simulator.record.chargesOf({ orderId })).toHaveLength(1)
})

it('is refused when the customer was faster and has paid there too, and says what to do', async () => {
  const { orderId, checkoutId, url, payment } = await inReview('faster')
  shop.simulator.faults.set({ dropDeliveries: 1 })
  await customer.pay(url)
  const refused = await runOps(shop, 'order', 'accept', orderId, '--payment', payment)
  shop.simulator.faults.set({})
  const refund = ['order', 'refund', orderId, '--payment', payment]
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining(`ops -- ${refund.join(' ')}`)])
  await customer.checkoutBecomes(checkoutId, 'PAID')
  expect(await runOps(shop, ...refund)).toMatchObject({ code: 0 })
  await customer.orderBecomes(orderId, 'PAID')
})

it('changes nothing when Stripe does not know the open Session', async () => {
  const { orderId, payment, own } = await inReview('unknown')
  const session = own()
  shop.simulator.record.forget(String(session?.id))
  const refused = await runOps(shop, 'order', 'accept', orderId, '--payment', payment)
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('--unknown-to-stripe')])
  await customer.orderBecomes(orderId, 'NEEDS_REVIEW')
})

it('counts the payment when it is asked for again, after the answer that closed the other Session was lost', async () => {
  const stock = await stockOf()
  const { orderId, checkoutId, payment, own } = await inReview('lost')
  const accept = () => runOps(shop, 'order', 'accept', orderId, '--payment', payment)
  shop.simulator.faults.set({ dropResponse: 100 })
  expect(await accept()).toMatchObject({ code: 1 })
  shop.simulator.faults.set({})
  expect(own()?.status).toBe('expired')
  // Its event comes before the operator does; the money in review keeps the goods.
  await customer.checkoutBecomes(checkoutId, 'EXPIRED')
  expect(await stockOf()).toBe(stock - 1)
  expect(await accept()).toMatchObject({ code: 0 })
  await customer.orderBecomes(orderId, 'PAID')
  expect(await stockOf()).toBe(stock - 1)
})

import Stripe from 'stripe'
import { type Simulator, startSimulator } from '../simulator/start.js'

let simulator: Simulator
let stripe: Stripe
beforeAll(async () => {
  simulator = await startSimulator({ port: 0 })
  stripe = client('sk_test_x')
})
afterAll(() => simulator.close())

function client(key: string): Stripe {
  return new Stripe(key, {
    host: '127.0.0.1',
    port: simulator.port,
    protocol: 'http',
    telemetry: false,
    maxNetworkRetries: 0
  })
}

const params = (changes: object = {}): Stripe.Checkout.SessionCreateParams => ({
  mode: 'payment',
  success_url: 'https://shop.example/ok?session_id={CHECKOUT_SESSION_ID}',
  line_items: [{ quantity: 2, price_data: { currency: 'eur', unit_amount: 1999, product_data: { name: 'Mug' } } }],
  ...changes
})

async function pay(session: Stripe.Checkout.Session, number: string) {
  return await fetch(session.url ?? '', {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams({ number, email: 'a@b.example' })
  })
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: Stripe.errors.StripeError) => error
  )

it('sends the documented events of a card payment, in order', async () => {
  const session = await stripe.checkout.sessions.create(params())
  const answer = await pay(session, '4242 4242 4242 4242')
  expect([answer.status, answer.headers.get('location')]).toEqual([
    303,
    `https://shop.example/ok?session_id=${session.id}`
  ])
  const paid = await stripe.checkout.sessions.retrieve(session.id, {
    expand: ['payment_intent.latest_charge.balance_transaction', 'line_items']
  })
  expect(paid).toMatchObject({ status: 'complete', payment_status: 'paid', url: null, amount_total: 3998 })
  const intent = paid.payment_intent as Stripe.PaymentIntent
  expect((intent.latest_charge as Stripe.Charge).balance_transaction).toMatchObject({ amount: 3998, type: 'charge' })
  expect(paid.line_items?.data.map(item => item.description)).toEqual(['Mug'])
  const events = await stripe.events.list({ limit: 5 })
  expect(events.data.map(event => event.type).reverse()).toEqual([
    'payment_intent.created',
    'charge.succeeded',
    'payment_intent.succeeded',
    'checkout.session.completed',
    'charge.updated'
  ])
})

it('declines as the test card says and lets the customer try again', async () => {
  const session = await stripe.checkout.sessions.create(params())
  expect((await pay(session, '4000000000009995')).status).toBe(402)
  const open = await stripe.checkout.sessions.retrieve(session.id, { expand: ['payment_intent'] })
  expect(open.status).toBe('open')
  expect((open.payment_intent as Stripe.PaymentIntent).last_payment_error).toMatchObject({
    code: 'card_declined',
    decline_code: 'insufficient_funds'
  })
  expect((await pay(session, '4242424242424242')).status).toBe(303)
})

it('replays an idempotent request and refuses the key for other parameters', async () => {
  const first = await stripe.checkout.sessions.create(params(), { idempotencyKey: 'k' })
  const again = await stripe.checkout.sessions.create(params(), { idempotencyKey: 'k' })
  expect(again.id).toBe(first.id)
  expect(again.lastResponse.headers['idempotent-replayed']).toBe('true')
  expect(
    await failure(stripe.checkout.sessions.create(params({ cancel_url: 'https://x.example' }), { idempotencyKey: 'k' }))
  ).toBeInstanceOf(Stripe.errors.StripeIdempotencyError)
})

it.each([
  ['no line items', { line_items: undefined }, { code: 'parameter_missing', param: 'line_items' }],
  ['an unknown parameter', { nonsense: '1' }, { code: 'parameter_unknown', param: 'nonsense' }],
  ['an expiry that is too soon', { expires_at: 1 }, { param: 'expires_at' }],
  [
    'an amount that is too small',
    { line_items: [{ quantity: 1, price_data: { currency: 'eur', unit_amount: 1, product_data: { name: 'x' } } }] },
    { code: 'amount_too_small' }
  ],
  [
    'an empty name',
    { line_items: [{ quantity: 1, price_data: { currency: 'eur', unit_amount: 100, product_data: { name: '' } } }] },
    { code: 'parameter_invalid_empty' }
  ]
])('refuses a Session with %s as Stripe does', async (_what, changes, error) => {
  expect(await failure(stripe.checkout.sessions.create(params(changes)))).toMatchObject({
    type: 'StripeInvalidRequestError',
    statusCode: 400,
    ...error
  })
})

it('knows its keys and its objects', async () => {
  expect(await failure(client('sk_live_x').events.list())).toBeInstanceOf(Stripe.errors.StripeAuthenticationError)
  expect(await failure(stripe.checkout.sessions.retrieve('cs_test_missing'))).toMatchObject({
    statusCode: 404,
    code: 'resource_missing'
  })
})

it('captures, refunds in parts and never more than was taken', async () => {
  const session = await stripe.checkout.sessions.create(params({ payment_intent_data: { capture_method: 'manual' } }))
  await pay(session, '5555555555554444')
  const { payment_intent: id } = await stripe.checkout.sessions.retrieve(session.id)
  expect((await stripe.paymentIntents.capture(String(id))).status).toBe('succeeded')
  await stripe.refunds.create({ payment_intent: String(id), amount: 1000 })
  expect(await failure(stripe.refunds.create({ payment_intent: String(id), amount: 2999 }))).toMatchObject({
    param: 'amount'
  })
  await stripe.refunds.create({ payment_intent: String(id) })
  expect(await failure(stripe.refunds.create({ payment_intent: String(id) }))).toMatchObject({
    code: 'charge_already_refunded'
  })
})

it('pages through lists without losing or repeating one', async () => {
  const seen = []
  for await (const session of stripe.checkout.sessions.list({ limit: 2 })) seen.push(session.id)
  expect(seen.length).toBeGreaterThan(3)
  expect(new Set(seen).size).toBe(seen.length)
  expect(seen.length).toBe(simulator.record.sessions().length)
})

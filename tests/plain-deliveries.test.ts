import { connect } from 'node:net'
import Stripe from 'stripe'
import { newId } from '../shared/ids.js'
import { PINNED_API_VERSION } from '../shared/runtime/stripe-version.js'
import { NO_SCHEDULES } from './support/settings.js'
import { openShop, type Shop, WEBHOOK_SECRET } from './support/shop.js'

const PATH = '/api/stripe/webhook'
/** Another spelling of the path, which the app takes: both ways have to answer alike. */
const OTHER_WAY = `${PATH}/`

let shop: Shop
beforeAll(async () => {
  shop = await openShop('postgres', NO_SCHEDULES)
})
afterAll(() => shop.close())

const eventOf = (fields: object = {}) =>
  JSON.stringify({
    id: `evt_${newId()}`,
    object: 'event',
    api_version: PINNED_API_VERSION,
    type: 'customer.created',
    created: 1_700_000_000,
    livemode: false,
    data: { object: {} },
    ...fields
  })

const sign = (payload: string, secret = WEBHOOK_SECRET, timestamp = Math.floor(Date.now() / 1_000)) =>
  Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp })

interface Delivery {
  body: string | Buffer
  headers: Record<string, string>
}

const signed = (body: string): Delivery => ({ body, headers: { 'Stripe-Signature': sign(body) } })

/** Each kind is made anew for each of the ways, since an event is new once. */
const DELIVERIES: Record<string, () => Delivery> = {
  'an event': () => signed(eventOf()),
  'an event with letters beyond ASCII': () => signed(eventOf({ note: 'Œuvre – 漢字 🧾' })),
  'an event of another API version': () => signed(eventOf({ api_version: '2020-08-27' })),
  'a request id of the caller': () => {
    const delivery = signed(eventOf())
    return { ...delivery, headers: { ...delivery.headers, 'X-Request-Id': 'callers-own-1' } }
  },
  'a request id that names a person': () => {
    const delivery = signed(eventOf())
    return { ...delivery, headers: { ...delivery.headers, 'X-Request-Id': 'ada@shop.example' } }
  },
  'no signature': () => ({ body: eventOf(), headers: {} }),
  'a malformed signature': () => ({ body: eventOf(), headers: { 'Stripe-Signature': 't=1,v1=' } }),
  'the signature of another secret': () => {
    const body = eventOf()
    return { body, headers: { 'Stripe-Signature': sign(body, 'whsec_of_somebody_else') } }
  },
  'an old signature': () => {
    const body = eventOf()
    return { body, headers: { 'Stripe-Signature': sign(body, WEBHOOK_SECRET, 1_700_000_000) } }
  },
  'a body that is no UTF-8': () => ({ body: Buffer.from([0xff, 0xfe]), headers: { 'Stripe-Signature': sign('x') } }),
  'an empty body': () => signed(''),
  'no JSON': () => signed('{'),
  'JSON that is no event': () => signed('[]'),
  'an event of the other mode': () => signed(eventOf({ livemode: true })),
  'a body over the limit': () => signed(eventOf({ note: 'x'.repeat(1_100_000) })),
  'a compressed body': () => {
    const delivery = signed(eventOf())
    return { ...delivery, headers: { ...delivery.headers, 'Content-Encoding': 'gzip' } }
  }
}

async function deliver(path: string, { body, headers }: Delivery) {
  const response = await fetch(`http://127.0.0.1:${shop.stack.api.port}${path}`, {
    method: 'POST',
    body: new Uint8Array(Buffer.from(body)),
    headers: { 'Content-Type': 'application/json', ...headers }
  })
  const { requestId, ...answer } = (await response.json()) as Record<string, unknown>
  const id = response.headers.get('x-request-id') ?? ''
  const others = Object.fromEntries(
    [...response.headers].filter(([name]) => !['date', 'x-request-id', 'content-length'].includes(name))
  )
  return { status: response.status, headers: others, answer, named: requestId === undefined || requestId === id, id }
}

it.each(Object.keys(DELIVERIES))('a delivery is answered alike with and without the app: %s', async kind => {
  const make = DELIVERIES[kind] as () => Delivery
  const [plain, byApp] = [await deliver(PATH, make()), await deliver(OTHER_WAY, make())]
  const ownId = make().headers['X-Request-Id'] === 'callers-own-1'
  expect({ ...plain, id: ownId && plain.id }).toEqual({ ...byApp, id: ownId && byApp.id })
  expect(plain.named).toBe(true)
  expect(plain.id).toMatch(ownId ? /^callers-own-1$/ : /^[0-9a-f-]{36}$/)
})

it('an event is a duplicate whichever way it came first', async () => {
  const [first, second] = [signed(eventOf()), signed(eventOf())]
  expect((await deliver(PATH, first)).answer).toEqual({ received: true })
  expect((await deliver(OTHER_WAY, first)).answer).toEqual({ received: true, duplicate: true })
  expect((await deliver(OTHER_WAY, second)).answer).toEqual({ received: true })
  expect((await deliver(PATH, second)).answer).toEqual({ received: true, duplicate: true })
})

it('a delivery that ends within its body stores nothing and harms no other', async () => {
  const { prisma } = shop.stack.services.db
  const before = await prisma.webhookEvent.count()
  await new Promise<void>(resolve => {
    const socket = connect(shop.stack.api.port, '127.0.0.1', () => {
      socket.write(
        `POST ${PATH} HTTP/1.1\r\nHost: shop\r\nContent-Length: 100\r\nStripe-Signature: t=1\r\n\r\n{"id":`,
        () => socket.destroy()
      )
    })
    socket.on('close', () => resolve())
  })
  expect((await deliver(PATH, signed(eventOf()))).status).toBe(200)
  expect(await prisma.webhookEvent.count()).toBe(before + 1)
})

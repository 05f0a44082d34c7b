import { createHmac } from 'node:crypto'
import { Agent, request } from 'node:http'
import fc from 'fast-check'
import { openShop, type Shop, WEBHOOK_SECRET } from './support/shop.js'

const SEED = Number(process.env.SIGNATURE_SEED ?? Math.floor(Math.random() * 2 ** 31))
const HEADERS = process.env.CI === 'true' ? 800 : 400

const agent = new Agent({ keepAlive: true, maxSockets: 8 })
let shop: Shop
beforeAll(async () => {
  shop = await openShop('postgres')
})
afterAll(async () => {
  agent.destroy()
  await shop.close()
})

/** As it travels: text beyond ASCII as the bytes of its UTF-8; what no header can hold is left out. */
function onTheWire(text: string): string {
  return Buffer.from(text.replace(/\p{Cc}|\p{Cs}/gu, ''), 'utf8')
    .toString('latin1')
    .replace(/[^\x20-\x7e\x80-\xff]/g, '')
}

function deliver(payload: string, signature: string): Promise<{ status: number; detail?: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'Stripe-Signature': onTheWire(signature) }
    const { port } = shop.stack.api
    const call = request({ port, agent, method: 'POST', path: '/api/stripe/webhook', headers }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', chunk => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, ...JSON.parse(text) }))
    })
    call.on('error', reject)
    call.end(payload)
  })
}

const eventOf = (id: string) =>
  JSON.stringify({ id, object: 'event', type: 'customer.created', created: 1, livemode: false, data: { object: {} } })

const sign = (payload: string, timestamp: number | string, secret = WEBHOOK_SECRET) =>
  createHmac('sha256', secret).update(`${timestamp}.${payload}`).digest('hex')

const now = () => Math.floor(Date.now() / 1_000)

const garbage = fc.oneof(
  fc.constantFrom(
    'v1',
    'v1=',
    'v1==',
    '=',
    '',
    ' ',
    'v1= ',
    'v0=abc',
    'v1=zz',
    `v1=${'0'.repeat(64)}`,
    `v2=${'f'.repeat(64)}`,
    `v1=${'a'.repeat(2_000)}`,
    'constructor=1',
    '__proto__=1',
    'V1=1',
    'tt=5',
    't'
  ),
  fc.string({ unit: 'binary', maxLength: 60 }).map(text => text.replace(/,/g, ';').replace(/^\s*t\s*=/, 'x=')),
  fc
    .tuple(fc.constantFrom('v0', 'v1', 'v2', 'x'), fc.string({ unit: 'grapheme', maxLength: 70 }))
    .map(pair => pair.join('=').replace(/,/g, ''))
)

const oddTime = fc.oneof(
  fc.constantFrom(
    't',
    't=',
    't=NaN',
    't=-1',
    't=1e9',
    't=0x10',
    't= ',
    `t=${'9'.repeat(400)}`,
    't=9007199254740993',
    't=Infinity',
    't=١٢٣'
  ),
  fc.integer().map(number => `t=${number}`),
  fc.double().map(number => `t=${number}`)
)

it(`answers ${HEADERS} generated signatures with 200 when one time and one right signature are in it, else with 400 and why`, async () => {
  const shape = fc.record({
    times: fc.oneof(
      { weight: 4, arbitrary: fc.constant('one' as const) },
      { weight: 1, arbitrary: fc.constant('two' as const) },
      { weight: 1, arbitrary: fc.constant('none' as const) },
      { weight: 2, arbitrary: oddTime }
    ),
    signature: fc.constantFrom('right', 'right', 'of another secret', 'cut', 'none'),
    before: fc.array(garbage, { maxLength: 12 }),
    after: fc.array(garbage, { maxLength: 12 }),
    separator: fc.constantFrom(',', ', ')
  })
  let number = 0
  await fc.assert(
    fc.asyncProperty(shape, async ({ times, signature, before, after, separator }) => {
      const id = `evt_signed_${number++}`
      const payload = eventOf(id)
      const time = now()
      const right = sign(payload, time)
      const elements = [
        ...before,
        ...({ one: [`t=${time}`], two: [`t=${time}`, `t=${time - 1}`], none: [] }[times] ?? [times]),
        ...{
          right: [`v1=${right}`],
          'of another secret': [`v1=${sign(payload, time, 'whsec_other')}`],
          cut: [`v1=${right.slice(0, 40)}`],
          none: []
        }[signature],
        ...after
      ]
      const { status, detail } = await deliver(payload, elements.join(separator))
      const valid = times === 'one' && signature === 'right'
      expect([status, detail]).toEqual(
        valid ? [200, undefined] : [400, expect.stringMatching(/Stripe-Signature|signature/)]
      )
    }),
    { seed: SEED, numRuns: HEADERS }
  )
  const { prisma } = shop.stack.services.db
  const stored = await prisma.webhookEvent.count({ where: { id: { startsWith: 'evt_signed_' } } })
  expect(stored).toBeGreaterThan(HEADERS / 10)
  expect(stored).toBeLessThan(HEADERS / 2)
})

it.each([
  ['an element without =', (time: number, right: string) => `t=${time},v1,v1=${right}x`],
  ['an empty v1', (time: number) => `t=${time},v1=`],
  ['a v1 without =', (time: number) => `t=${time},v1`],
  ['nothing but commas', () => ',,,,'],
  ['a time that is no number', (_time: number, right: string) => `t=now,v1=${right}`]
])('refuses %s with a sentence', async (_what, header) => {
  const payload = eventOf('evt_malformed')
  const time = now()
  const { status, detail } = await deliver(payload, header(time, sign(payload, time)))
  expect([status, detail]).toEqual([400, expect.stringContaining('Nothing was stored.')])
})

it('takes a right signature that stands among others', async () => {
  const payload = eventOf('evt_among_others')
  const time = now()
  const others = `v0=1,v1,v1=,v1=${'0'.repeat(64)},scheme`
  expect((await deliver(payload, `${others}, t=${time}, v1=${sign(payload, time)} ,${others}`)).status).toBe(200)
})

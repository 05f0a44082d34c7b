import { execFile } from 'node:child_process'
import fc from 'fast-check'
import { tableLines } from '../shared/plain-text.js'
import { runOps, runProgram } from './support/ops.js'
import { buy, intentOf } from './support/purchase.js'
import { openShop, type Shop } from './support/shop.js'

let shop: Shop
let bought: Awaited<ReturnType<typeof buy>>
let eventId: string

beforeAll(async () => {
  shop = await openShop('postgres')
  const customer = await shop.customer('ada')
  bought = await buy(customer, 'stoneware-mug', 2)
  await customer.pay(bought.url)
  await customer.orderBecomes(bought.orderId, 'PAID')
  const refund = ['order', 'refund', bought.orderId, '--amount', '10.00', '--reason', 'chipped', '--json']
  const { code, output } = await runOps(shop, ...refund)
  expect([code, JSON.parse(output)]).toEqual([0, [expect.objectContaining({ amount: 1_000, reason: 'chipped' })]])
  await customer.orderBecomes(bought.orderId, 'PARTIALLY_REFUNDED')
  const { prisma } = shop.stack.services.db
  eventId = (await prisma.webhookEvent.findFirstOrThrow({ where: { type: 'checkout.session.completed' } })).id
})
afterAll(() => shop.close())

/** Every command that only reads the database, and a field of what it has with --json. */
const reads = (): [string[], string | undefined][] => [
  [['attention'], undefined],
  [['order', 'show', bought.orderId], 'timeline'],
  [['checkout', 'show', bought.checkoutId], 'reservations'],
  [['events', 'list'], undefined],
  [['events', 'show', eventId], 'payload'],
  [['notifications', 'list'], undefined],
  [['fraud', 'show', '--user', 'ada'], 'decision'],
  [['ledger', 'show', bought.orderId], 'postings'],
  [['audit', 'order', bought.orderId], undefined],
  [['audit', 'user', 'ada'], undefined],
  [['audit', 'suspicious'], undefined],
  [['product', 'list'], undefined],
  [['product', 'show', 'stoneware-mug'], 'trail'],
  [['maintenance', 'status'], 'on'],
  [['shop'], 'name'],
  [['report', 'weekly'], 'period'],
  [['drain'], 'underWay']
]

it('tells an order as a story: who, what, how it was paid, what happened, in local times and written amounts', async () => {
  const { code, output } = await runProgram(
    { ...process.env, ...shop.stack.env, TZ: 'Asia/Tokyo' },
    'order',
    'show',
    bought.orderId
  )
  const order = await shop.stack.services.db.prisma.order.findUniqueOrThrow({
    where: { id: bought.orderId },
    include: { items: true }
  })
  const day = (date: Date) => date.toLocaleDateString('sv', { timeZone: 'Asia/Tokyo' })
  const clock = (date: Date) => date.toLocaleTimeString('sv', { timeZone: 'Asia/Tokyo' })
  const euros = (minor: bigint) => `${(Number(minor) / 100).toFixed(2)} EUR`
  const [item] = order.items
  expect(code).toBe(0)
  expect(output).toContain(`Order ${order.id}  PARTIALLY_REFUNDED\n`)
  expect(output).toContain(`Customer ada`)
  expect(output).toContain(`placed ${day(order.createdAt)} ${clock(order.createdAt)}+09:00`)
  expect(output).toContain(`Captured ${euros(order.captured)}, refunded 10.00 EUR`)
  expect(output).toMatch(
    new RegExp(`^ +2  ${item?.name}.* ${euros(item?.unitPrice ?? 0n)} +${euros(2n * (item?.unitPrice ?? 0n))}$`, 'm')
  )
  expect(output).toMatch(new RegExp(`^${intentOf(shop, bought.sessionId)} +SUCCEEDED +${euros(order.captured)}`, 'm'))
  expect(output).toMatch(/SUCCEEDED +10\.00 EUR {2}re_\w+ .*olga; chipped$/m)
  expect(output).toMatch(/PROCESSED +checkout\.session\.completed +evt_/)
  const happened = output.slice(output.indexOf('What happened'))
  expect(happened).toMatch(new RegExp(`^${day(order.createdAt)} \\(\\+09:00\\)$`, 'm'))
  const steps = ['checkout_received', 'checkout.session.completed', 'order_paid', 'olga: chipped', 'charge.refunded']
  const places = steps.map(step => happened.indexOf(step))
  expect([Math.min(...places) > 0, places]).toEqual([true, places.toSorted((a, b) => a - b)])
})

it('prints JSON with --json, and something for people without it, asking for the database alone', async () => {
  const { DATABASE_URL } = shop.stack.env
  for (const [command, field] of reads()) {
    // NODE_ENV, because a running `npm start` would lend its settings.
    const env = { PATH: process.env.PATH, NODE_ENV: 'production', DATABASE_URL }
    const [plain, json] = await Promise.all([runProgram(env, ...command), runProgram(env, ...command, '--json')])
    expect([command, plain.code, json.code, plain.output === json.output]).toEqual([command, 0, 0, false])
    const value = JSON.parse(json.output)
    if (field === undefined) expect(value).toBeInstanceOf(Array)
    else expect(value).toHaveProperty(field)
    expect(() => JSON.parse(plain.output)).toThrow()
  }
})

it('says what a command lacks, and what it has wrong', async () => {
  const { DATABASE_URL } = shop.stack.env
  const bare = { PATH: process.env.PATH, NODE_ENV: 'production' }
  const refund = await runProgram({ ...bare, DATABASE_URL }, 'order', 'refund', bought.orderId)
  expect(refund).toEqual({ code: 1, output: expect.stringContaining('REDIS_URL') })
  const capture = await runProgram({ ...bare, DATABASE_URL }, 'order', 'capture', bought.orderId)
  expect(capture).toEqual({ code: 1, output: expect.stringMatching(/REDIS_URL[\s\S]*STRIPE_SECRET_KEY/) })
  const read = await runProgram(bare, 'order', 'show', bought.orderId)
  expect(read).toEqual({ code: 1, output: expect.stringContaining('DATABASE_URL') })
  expect(read.output).not.toContain('REDIS_URL')
  const fraud = await runProgram({ ...bare, DATABASE_URL, FRAUD_BLOCK_CARDS: 'x' }, 'fraud', 'show', '--user', 'ada')
  expect(fraud).toEqual({ code: 1, output: expect.stringContaining('FRAUD_BLOCK_CARDS') })
})

it('says what it did as JSON, too', async () => {
  const json = async (...args: string[]) => {
    const { code, output } = await runOps(shop, ...args, '--json')
    expect([args, code]).toEqual([args, 0])
    return JSON.parse(output)
  }
  expect(await json('product', 'stock', 'stoneware-mug', '--add', '-1')).toMatchObject([
    { product: { slug: 'stoneware-mug' } }
  ])
  expect(await json('fraud', 'unblock', '--user', 'bob', '--note', 'ok')).toEqual({ subjects: ['user:bob'] })
  expect(await json('maintenance', 'on', '--message', 'Soon')).toEqual({ on: true, message: 'Soon', until: null })
  expect(await json('maintenance', 'off')).toMatchObject({ on: false })
  expect(await json('audit', 'verify')).toMatchObject({ finished: true, wrong: 0, findings: [] })
  expect(await json('ledger', 'verify', '--until', '2999-01-01')).toMatchObject({ differences: [] })
  expect(await json('reconcile')).toMatchObject({ events: { errors: [], recovered: [] } })
  expect(await json('token', '--user-id', 'ada')).toEqual({ token: expect.stringMatching(/^ey/) })
})

it('lets no text of others steer the terminal', async () => {
  const env = { ...process.env, ...shop.stack.env, OPS_OPERATOR: 'mal\u001b[2J\u009b1A\u202elory' }
  const args = ['fraud', 'unblock', '--user', 'mallory', '--note', 'ok']
  expect(await runProgram(env, ...args)).toMatchObject({ code: 0 })
  const { output } = await runOps(shop, 'audit', 'user', 'mallory')
  expect(output).toMatch(/mal.+lory/)
  for (const character of ['\u001b', '\u009b', '\u202e']) expect(output).not.toContain(character)
})

const WRITTEN_OVER = '\r\u001b[K'

it('shows how far it is at a terminal, and nothing of that in a script', async () => {
  const program = `${process.env.TILLWORKS_TEST_BUILD}/ops/main.js`
  const env = { ...process.env, ...shop.stack.env, NODE_OPTIONS: '' }
  const atTerminal = await new Promise<string>(resolve =>
    execFile('script', ['-qec', `${process.execPath} ${program} audit verify`, '/dev/null'], { env }, (_, output) =>
      resolve(output)
    )
  )
  expect(atTerminal.split(WRITTEN_OVER).length).toBeGreaterThan(2)
  expect((await runOps(shop, 'audit', 'verify')).output).toMatch(/^\d+ rows in \d+ chains, .+\n$/)
})

it('keeps columns straight, whatever stands in them', () => {
  const cell = fc.oneof(fc.stringMatching(/^[ -{}~]{0,8}$/), fc.constantFrom('漆器', '한글', '👩‍👩‍👧', 'é', 'a\nb'))
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, fc.constant('|')), { minLength: 1, maxLength: 5 }), rows => {
      const widths = tableLines([['NAME', 'END'], ...rows])
        .slice(1)
        .map(line => line.slice(0, line.lastIndexOf('|')))
        .map(columnsOf)
      expect(new Set(widths).size).toBe(1)
    }),
    { numRuns: 50 }
  )
})

/** How many columns a terminal draws, told apart from how tables count: by names of what is wide here. */
function columnsOf(text: string): number {
  return text
    .replaceAll('👩‍👩‍👧', '##')
    .replaceAll('é', '#')
    .replace(/[漆器한글]/g, '##').length
}

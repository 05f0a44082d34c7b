import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { DAY, HOUR } from '../shared/duration.js'
import { htmlOf } from '../shared/reports/html.js'
import { periodsOf, type ReportRequest } from '../shared/reports/period.js'
import { makeReport, type Report } from '../shared/reports/report.js'
import { sectionsOf, titleOf } from '../shared/reports/sections.js'
import { readPeriods } from '../shared/statements/report-figures.js'
import { isTimeZone } from '../shared/time-zone.js'
import { runOps } from './support/ops.js'
import { buy } from './support/purchase.js'
import { asOwner, openShop, type Shop } from './support/shop.js'

let shop: Shop
let orderId: string

beforeAll(async () => {
  shop = await openShop('postgres')
  const ada = await shop.customer('ada')
  const bob = await shop.customer('bob')
  const [bought, declined] = [await buy(ada, 'stoneware-mug', 2), await buy(bob, 'stoneware-mug', 1)]
  orderId = bought.orderId
  await ada.pay(bought.url)
  await ada.orderBecomes(orderId, 'PAID')
  await bob.pay(declined.url, '4000000000009995')
  const refund = await runOps(shop, 'order', 'refund', orderId, '--amount', '10.00', '--reason', 'chipped')
  expect(refund.code).toBe(0)
  await ada.orderBecomes(orderId, 'PARTIALLY_REFUNDED')
  const wrong = { ...(await ada.product('stoneware-mug')), price: 0.01 }
  const refused = await ada.checkout({
    items: [{ productId: wrong.id, name: wrong.name, price: wrong.price, quantity: 1 }]
  })
  expect(refused.status).toBe(400)
})
afterAll(() => shop.close())

const make = async (request: ReportRequest, at?: Date): Promise<Report> => {
  const { db, now } = shop.stack.services
  return await makeReport(db, request, { now: at ?? now(), stockLowAt: 3 })
}
const today = () => make({ kind: 'daily', of: shop.stack.services.now(), timeZone: 'UTC' })

it('tells what the day brought as the rows have it, and nothing of the day before', async () => {
  const { prisma } = shop.stack.services.db
  const order = await prisma.order.findUniqueOrThrow({ where: { id: orderId } })
  const postings = await prisma.ledgerPosting.findMany({ where: { orderId } })
  const booked = (account: string) =>
    0 - postings.filter(posting => posting.account === account).reduce((sum, { amount }) => sum + Number(amount), 0)
  const report = await today()
  const [captured, refunded, fees] = [booked('SALES'), booked('REFUNDS'), booked('FEES')]
  expect([captured, refunded]).toEqual([Number(order.captured), -1_000])
  expect(report.period.money).toEqual([
    { currency: 'EUR', payments: 1, captured, refunded, disputed: 0, fees, net: captured + refunded + fees }
  ])
  expect(report.period.checkouts).toMatchObject({
    customers: 2,
    customersWhoPaid: 1,
    byStatus: { PAID: 1, REJECTED: 1 }
  })
  expect(report.period.declines).toEqual([{ name: 'insufficient_funds', count: 1 }])
  expect(report.period.refusals).toEqual([{ name: 'checkout_cart_refused', count: 1 }])
  const events = await prisma.webhookEvent.count()
  expect(report.period.deliveries).toMatchObject({ received: events, dead: 0 })
  expect(report.ledgerDifferences).toEqual([])
  expect([report.before.money, report.before.checkouts.byStatus, report.before.declines]).toEqual([[], {}, []])
})

it('names an order of which the ledger does not have what its payment took', async () => {
  await asOwner(shop, `UPDATE "Payment" SET "captured" = "captured" + 1 WHERE "orderId" = '${orderId}'`)
  const { ledgerDifferences } = await today()
  await asOwner(shop, `UPDATE "Payment" SET "captured" = "captured" - 1 WHERE "orderId" = '${orderId}'`)
  expect(ledgerDifferences).toEqual([
    { orderId, currency: 'EUR', captured: expect.any(Number), booked: (ledgerDifferences[0]?.captured ?? 0) - 1 }
  ])
})

const hours = async (unit: 'day' | 'week' | 'month', day: string, timeZone: string) => {
  const { period, before } = await readPeriods(shop.stack.services.db.pool, { unit, moment: new Date(day), timeZone })
  expect(before.until).toEqual(period.since)
  return [period.since.toISOString(), (period.until.getTime() - period.since.getTime()) / HOUR]
}

it.each([
  ['day', '2026-03-29T12:00:00Z', 'Europe/Berlin', '2026-03-28T23:00:00.000Z', 23],
  ['day', '2026-10-25T12:00:00Z', 'Europe/Berlin', '2026-10-24T22:00:00.000Z', 25],
  ['day', '2026-11-29T12:00:00Z', 'Asia/Kathmandu', '2026-11-28T18:15:00.000Z', 24],
  ['week', '2026-11-29T12:00:00Z', 'UTC', '2026-11-23T00:00:00.000Z', 168],
  ['month', '2024-02-10T12:00:00Z', 'UTC', '2024-02-01T00:00:00.000Z', 29 * 24],
  ['month', '2026-03-31T23:30:00Z', 'America/New_York', '2026-03-01T05:00:00.000Z', 31 * 24 - 1]
] as const)('the %s of %s in %s begins at %s and has %s hours', async (unit, day, zone, since, length) => {
  expect(await hours(unit, day, zone)).toEqual([since, length])
})

it('every moment lies in its own period, in every zone', async () => {
  const zones = fc.constantFrom(...Intl.supportedValuesOf('timeZone').filter(isTimeZone))
  const moments = fc.date({ min: new Date('2020-01-01'), max: new Date('2030-01-01'), noInvalidDate: true })
  const units = fc.constantFrom('day' as const, 'week' as const, 'month' as const)
  await fc.assert(
    fc.asyncProperty(units, moments, zones, async (unit, moment, timeZone) => {
      const { period } = await readPeriods(shop.stack.services.db.pool, { unit, moment, timeZone })
      expect(period.since <= moment && moment < period.until).toBe(true)
      expect(period.until.getTime() - period.since.getTime()).toBeGreaterThan((unit === 'day' ? 0.9 : 6.9) * DAY)
    }),
    { numRuns: 60 }
  )
})

it('prints text for people, JSON for scripts, and one HTML file for a mail', async () => {
  const day = new Date().toISOString().slice(0, 10)
  const asked = ['report', 'daily', '--for', `${day}T12:00:00Z`, '--timezone', 'UTC']
  const [text, json] = [await runOps(shop, ...asked), await runOps(shop, ...asked, '--json')]
  expect([text.code, json.code]).toEqual([0, 0])
  expect(text.output).toContain(`Daily report, ${day} (UTC)`)
  expect(text.output).toMatch(/insufficient_funds +1 +0/)
  expect(JSON.parse(json.output)).toMatchObject({ kind: 'daily', period: { money: [{ currency: 'EUR' }] } })
  const file = join(tmpdir(), `tillworks-report-${process.pid}.html`)
  try {
    const made = await runOps(shop, ...asked, '--html', '--output', file)
    expect([made.code, made.output]).toEqual([0, expect.stringContaining(file)])
    const html = readFileSync(file, 'utf8')
    expect(html).toContain('<th scope="row"')
    expect(html).not.toMatch(/<script|<link|<img|url\(/)
  } finally {
    rmSync(file, { force: true })
  }
})

it.each([
  [['report', 'daily', '--timezone', 'Mars/Olympus'], 'IANA time zone'],
  [['report', 'daily', '--for', 'yesterday'], 'It takes a date'],
  [['report', 'daily', '--for', '2026-02-31'], 'It takes a date'],
  [['report', 'daily', '--currency', 'EURO'], 'code of a currency'],
  [['report', 'range'], '--since'],
  [['report', 'weekly', '--json', '--html'], 'not both'],
  [['report', 'monthly', '--output', '/tmp/x'], '--output takes'],
  [['report', 'monthly', '--html', '--output', '/no/such/folder/report.html'], 'could not be written']
])('%j is refused in words', async (args, words) => {
  const { code, output } = await runOps(shop, ...args)
  expect([code, output]).toEqual([2, expect.stringContaining(words)])
})

it('writes amounts as their currency has them, escapes names, and reads well when nothing happened', async () => {
  const report = await today()
  const money = { payments: 1, captured: 1_500, refunded: 0, disputed: 0, fees: -5, net: 1_495 }
  const other: Report = {
    ...report,
    kind: 'weekly',
    period: { ...report.period, money: ['JPY', 'KWD', 'EUR'].map(currency => ({ currency, ...money })), declines: [] },
    now: { ...report.now, lowStock: [{ id: 'c1', slug: 'x', name: '<b>mug</b>', left: 0 }] }
  }
  const [first] = sectionsOf(other)
  expect(first?.rows.filter(([name]) => name?.length === 3).map(row => row[2])).toEqual(['1500', '1.500', '15.00'])
  expect(htmlOf(other)).toContain('&lt;b>mug&lt;/b>')
  expect(titleOf(other)).toMatch(/^Weekly report, /)
  expect(sectionsOf(other).find(({ title }) => title === 'Declined payments')?.note).toBe('No card was declined.')
})

it.each([
  ['2999-01-01', undefined, 'still to come'],
  ['2026-11-15', '2026-11-14', 'before it begins']
])('a range since %s until %s is refused in words', async (since, until, words) => {
  await expect(make({ kind: 'range', since, until, timeZone: 'UTC' }, new Date('2026-11-29T12:00Z'))).rejects.toThrow(
    words
  )
})

it('a range has whole days of its zone, ends now at the latest, and stands beside the same time before it', async () => {
  const now = new Date('2026-11-29T12:00Z')
  const periods = async (since: string, until?: string, timeZone = 'Europe/Berlin') => {
    const { period, before } = await make({ kind: 'range', since, until, timeZone }, now)
    return [before.since, period.since, period.until].map(each => each.toISOString())
  }
  expect(await periods('2026-10-25', '2026-10-25')).toEqual([
    '2026-10-23T22:00:00.000Z',
    '2026-10-24T22:00:00.000Z',
    '2026-10-25T23:00:00.000Z'
  ])
  expect(await periods('2026-11-29', '2026-12-05', 'UTC')).toEqual([
    '2026-11-28T12:00:00.000Z',
    '2026-11-29T00:00:00.000Z',
    '2026-11-29T12:00:00.000Z'
  ])
  expect((await periods('2026-11-29T08:00'))[1]).toBe('2026-11-29T07:00:00.000Z')
})

it('the day of a date is that of the report’s zone, in every zone', async () => {
  const { now } = shop.stack.services
  for (const timeZone of ['America/New_York', 'Pacific/Kiritimati', 'Asia/Kathmandu', 'UTC']) {
    const { pool } = shop.stack.services.db
    const { period } = await periodsOf(pool, { kind: 'daily', of: '2026-11-01', timeZone }, now())
    expect([timeZone, period.since.toLocaleString('sv', { timeZone })]).toEqual([timeZone, '2026-11-01 00:00:00'])
  }
})

it('counts one currency alone: all of a shop with one, nothing of another', async () => {
  const whole = await today()
  const of = (currency: string) => make({ kind: 'daily', of: shop.stack.services.now(), timeZone: 'UTC', currency })
  const [euro, yen] = [await of('EUR'), await of('JPY')]
  expect(euro.period).toEqual(whole.period)
  expect(yen.period).toMatchObject({
    money: [],
    checkouts: { byStatus: {}, customers: 0 },
    declines: [],
    refusals: [],
    fraud: Object.fromEntries(Object.keys(whole.period.fraud).map(name => [name, 0])),
    deliveries: whole.period.deliveries
  })
  await asOwner(shop, `UPDATE "Payment" SET "captured" = "captured" + 1 WHERE "orderId" = '${orderId}'`)
  const differences = [(await of('EUR')).ledgerDifferences.length, (await of('JPY')).ledgerDifferences.length]
  await asOwner(shop, `UPDATE "Payment" SET "captured" = "captured" - 1 WHERE "orderId" = '${orderId}'`)
  expect(differences).toEqual([1, 0])
  expect(titleOf(yen)).toContain('JPY alone')
})

it('names what is low in stock, what can still be bought first', async () => {
  const { prisma, pool } = shop.stack.services.db
  const [first, second, third] = await prisma.product.findMany({ where: { trackStock: true, active: true }, take: 3 })
  const before = [first, second, third].map(each => [each?.id, each?.stock])
  const set = (id: string | undefined, left: number) =>
    pool.query('UPDATE "Product" SET "stock" = "reserved" - "backorderLimit" + $2 WHERE "id" = $1', [id, left])
  try {
    await set(first?.id, 0)
    await set(second?.id, 3)
    await set(third?.id, 4)
    const ids = [first, second, third].map(each => each?.id)
    const { lowStock, soldOut } = (await today()).now
    expect(lowStock.filter(({ id }) => ids.includes(id)).map(({ id, left }) => [id, left])).toEqual([
      [second?.id, 3],
      [first?.id, 0]
    ])
    expect(soldOut.map(({ slug }) => slug)).toContain(first?.slug)
  } finally {
    for (const [id, stock] of before) await pool.query('UPDATE "Product" SET "stock" = $2 WHERE "id" = $1', [id, stock])
  }
})

it('is on the operators’ API', async () => {
  const { api, config } = shop.stack
  const get = (path: string) =>
    fetch(`http://127.0.0.1:${api.opsPort}/ops/api/reports/${path}`, {
      headers: { authorization: `Basic ${Buffer.from(`${config.ops.user}:${config.ops.password}`).toString('base64')}` }
    })
  const made = await get(`daily?for=${new Date().toISOString()}`)
  expect([made.status, await made.json()]).toEqual([
    200,
    { success: true, data: expect.objectContaining({ kind: 'daily', timeZone: 'UTC' }) }
  ])
  expect((await get('hourly')).status).toBe(404)
  const range = await get('range?since=2026-11-01&until=2026-11-14&currency=eur&timezone=Europe/Berlin')
  expect([range.status, await range.json()]).toEqual([
    200,
    {
      success: true,
      data: expect.objectContaining({
        kind: 'range',
        currency: 'EUR',
        period: expect.objectContaining({ since: '2026-10-31T23:00:00.000Z', until: '2026-11-14T23:00:00.000Z' })
      })
    }
  ])
  const refused = ['range', 'range?since=2999-01-01', 'range?since=x', 'daily?since=2026-11-01', 'daily?currency=EURO']
  for (const path of refused) expect([path, (await get(path)).status]).toEqual([path, 400])
  expect((await get('daily?timezone=Mars')).status).toBe(400)
})

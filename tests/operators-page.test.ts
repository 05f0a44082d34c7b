import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { acts, pathOf } from '../api/ops/acts/acts.js'
import { forms } from '../api/ops/page/forms.js'
import { eventually } from '../local/eventually.js'
import type { Shopper } from '../local/shopper.js'
import { alert } from '../shared/audit/alerts.js'
import { newId } from '../shared/ids.js'
import { isWithoutChromium, launchChromium } from './support/chromium.js'
import { allApplied, buy } from './support/purchase.js'
import { QUIET } from './support/settings.js'
import { openShop, type Shop } from './support/shop.js'

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const SCREENSHOTS = process.env.SCREENSHOTS
/** As behind a proxy that shows it so. */
const OPS_BASE = '/internal/payments'
const MUG = 'ctillworksmug00000000001'

let shop: Shop
let ada: Shopper
let base: string
let browser: Browser
let operator: BrowserContext
let page: Page
const troubles: string[] = []
/** An order with a long story. */
let told: string | undefined

beforeAll(async () => {
  if (isWithoutChromium) return
  shop = await openShop('postgres', {
    ...QUIET,
    OPS_BASE_PATH: OPS_BASE,
    PAYMENT_CAPTURE_METHOD: 'manual',
    OPS_VIEWER_PASSWORD: 'password of a viewer'
  })
  ada = await shop.customer('ada')
  base = `http://127.0.0.1:${shop.stack.api.opsPort}${OPS_BASE}`
  browser = await launchChromium()
  // Nothing of it needs a script.
  operator = await signIn('ops', 'password of the tests', { javaScriptEnabled: false })
  page = await operator.newPage()
  page.setDefaultTimeout(10_000)
  page.on('console', message => {
    // A refusal has its status: that is no trouble.
    if (!message.text().includes('responded with a status of 4')) troubles.push(message.text())
  })
  page.on('requestfailed', request => troubles.push(`${request.url()} ${request.failure()?.errorText}`))
})
afterAll(async () => {
  await browser?.close()
  await shop?.close()
})
afterEach(() => {
  expect(troubles.splice(0)).toEqual([])
})

const inBrowser = isWithoutChromium ? it.skip : it

async function signIn(username: string, password: string, options: object = {}): Promise<BrowserContext> {
  return await browser.newContext({ httpCredentials: { username, password }, ...options })
}

async function authorized(quantity = 1) {
  const bought = await buy(ada, 'stoneware-mug', quantity)
  await ada.pay(bought.url)
  await ada.orderBecomes(bought.orderId, 'AUTHORIZED')
  await allApplied(shop)
  return bought
}

async function inReview() {
  const late = await buy(ada)
  const { pool } = shop.stack.services.db
  await pool.query(`UPDATE "Order" SET "cancelledAt" = now(), "status" = 'CANCELLED' WHERE "id" = $1`, [late.orderId])
  await ada.pay(late.url)
  await ada.orderBecomes(late.orderId, 'NEEDS_REVIEW')
  return late
}

async function deadEvent() {
  const id = `evt_dead_${newId()}`
  const object = { id: 'in_1', object: 'invoice', note: '<script>alert(1)</script>' }
  const payload = JSON.stringify({ id, object: 'event', type: 'invoice.paid', data: { object } })
  const data = { id, type: 'invoice.paid', livemode: false, created: new Date(), payload, requestId: 'test' }
  await shop.stack.services.db.prisma.webhookEvent.create({ data: { ...data, status: 'DEAD', error: 'a <b>test</b>' } })
  return id
}

const text = async (selector = 'main') => (await page.textContent(selector)) ?? ''
const go = async (path: string) => {
  const response = await page.goto(`${base}${path}`)
  return response?.status()
}

/** Presses a button of a page, says why, and confirms. */
async function act(name: string, button: string, fill: Record<string, string> = {}): Promise<void> {
  await page.click(`main a.button:text-is("${name}")`)
  for (const [field, value] of Object.entries({ ...fill })) await page.fill(`[name="${field}"]`, value)
  const why = await page.$('textarea')
  await why?.fill('the customer asked for it')
  await page.click(`main button:text-is("${button}")`)
}

inBrowser('finds a payment by what a customer says, refunds a part with its goods, and tells its story', async () => {
  const { orderId } = await authorized(2)
  told = orderId
  const { stock } = await ada.product('stoneware-mug')
  await go('/')
  expect(new URL(page.url()).pathname).toBe(`${OPS_BASE}/ops`)
  await page.fill('#q', 'Ada@Shop.example')
  await page.keyboard.press('Enter')
  await page.waitForURL(`**/ops/orders/${orderId}`)
  expect(await text('h1')).toContain('authorized')
  await act('Capture', 'Capture')
  expect(await text('[role=status]')).toBe(forms['/orders/:id/capture']?.done)
  expect(await text('h1')).toContain('paid')

  await page.click('main a.button:text-is("Refund")')
  await page.fill('[name=amount]', '999')
  await page.fill('textarea', 'too much')
  await page.click('main button')
  expect(await text('[role=alert]')).toContain('Only 39.98 EUR')
  await page.fill('[name=amount]', '19.99')
  await page.check('[value=some]')
  await page.fill(`[name="restock.${MUG}"]`, '1')
  await page.fill('textarea', 'one was broken')
  // Sent twice, as by a double click: done once.
  const body = new URLSearchParams({
    requestKey: (await page.inputValue('[name=requestKey]')) ?? '',
    amount: '19.99',
    restock: 'some',
    [`restock.${MUG}`]: '1',
    reason: 'one was broken'
  })
  const authorization = `Basic ${Buffer.from('ops:password of the tests').toString('base64')}`
  const first = await fetch(page.url(), { method: 'POST', body, headers: { authorization }, redirect: 'manual' })
  expect(first.status).toBe(303)
  await page.click('main button')
  expect(new URL(page.url()).pathname).toBe(`${OPS_BASE}/ops/orders/${orderId}`)
  await ada.orderBecomes(orderId, 'PARTIALLY_REFUNDED')
  await allApplied(shop)
  expect((await ada.product('stoneware-mug')).stock).toBe(stock + 1)

  await page.reload()
  const story = await text('.timeline')
  for (const told of [
    'checkout received',
    'order capture requested',
    'by ops',
    '“one was broken”',
    '€19.99',
    'payment_intent.succeeded',
    'UTC'
  ])
    expect(story).toContain(told)
  expect(await page.locator('.timeline details').count()).toBeGreaterThan(1)
  expect(await page.locator('tr:has-text("one was broken")').count()).toBe(1)
  const dashboard = await page.getAttribute('a[href*="dashboard.stripe.com"]', 'href')
  expect(dashboard).toMatch(/^https:\/\/dashboard\.stripe\.com\/test\/payments\/pi_/)
})

inBrowser('cancels, expires, accepts, reconciles', async () => {
  const held = await authorized()
  await go(`/ops/orders/${held.orderId}`)
  await act('Cancel', 'Cancel the order')
  expect(await text('h1')).toContain('cancelled')

  const open = await buy(ada)
  await go(`/ops/orders/${open.orderId}`)
  await act('Expire', 'Expire')
  expect(await text('tr:has-text("cs_")')).toContain('expired')

  const late = await inReview()
  await go('/ops')
  await page.click(`main a:text-is("${late.orderId}")`)
  expect(await text('.warning')).toContain('is in review')
  await act('Accept', 'Accept the payment')
  expect(await text('h1')).not.toContain('needs review')

  await act('Reconcile', 'Compare and repair')
  expect(await text('.timeline')).toContain('order reconciled')
})

inBrowser('shows what needs attention first, and lets each be dealt with', async () => {
  const { db, log } = shop.stack.services
  const [again, done] = [await deadEvent(), await deadEvent()]
  const { orderId } = await buy(ada)
  const sent = newId()
  await db.prisma.notification.create({
    data: { id: sent, orderId, sequence: 99, type: 'order.paid', data: {}, status: 'FAILED', error: '500' }
  })
  await alert(db.pool, log, 'stuck_checkout', { orderId, reason: 'a <i>reason</i>' })
  await go('/ops')
  expect(await text()).toContain('a <i>reason</i>')
  await page.click(`a[href="${OPS_BASE}/ops/events/${again}"]`)
  expect(await text('pre')).toContain('<script>alert(1)</script>')
  await act('Replay', 'Apply it again')
  expect(await text('[role=status]')).toContain('applied again')
  await eventually(
    () => db.prisma.webhookEvent.findUniqueOrThrow({ where: { id: again } }),
    ({ status }) => status === 'IGNORED'
  )
  await go(`/ops/events/${done}`)
  await act('Resolve', 'Resolve')
  expect(await text('h1')).toContain('resolved')
  await go('/ops')
  expect(await text()).not.toContain(again)
  await act('Send again', 'Send again')
  expect(await text('[role=status]')).toContain('told again')
  await go('/ops')
  await page.click('.cards li:has-text("stuck checkout") a.button')
  await page.fill('textarea', 'looked at it')
  await page.click('main button')
  expect(await text()).not.toContain('stuck checkout')
  await act('Unblock a customer or an address', 'Unblock', { userId: 'ada' })
  expect(await text('[role=status]')).toContain('count from zero')
  await act('Close checkouts', 'Close checkouts', { message: 'Back at noon', until: '2030-01-01T12:00' })
  expect(await text('.warning')).toContain('Back at noon')
  await act('Open checkouts', 'Open checkouts')
  expect(await text()).toContain('Checkouts are open')
  const trail = await db.prisma.paymentAuditLog.findMany({ where: { action: 'maintenance_on' } })
  expect(trail[0]?.metadata).toMatchObject({ operator: 'ops', until: '2030-01-01T12:00:00.000Z' })
})

inBrowser('changes a product, says so when somebody else was faster, and imports a file', async () => {
  const francs = { productId: MUG, currency: 'CHF', amount: 2150n }
  await shop.stack.services.db.prisma.productPrice.create({ data: francs })
  await go('/ops/products?q=mug')
  await page.click('main table a')
  await page.fill('[name=price]', '20,5')
  await page.fill('textarea', 'a sale')
  await page.click('main button')
  expect(await text('[role=alert]')).toContain('no price')
  await page.fill('[name=price]', '20.50')
  await page.click('main button')
  expect(await text('dl')).toContain('€20.50, CHF 21.50')
  await page.fill('[name="price.CHF"]', '22.00')
  await page.fill('textarea', 'the franc')
  await page.click('main button')
  expect(await text('dl')).toContain('€20.50, CHF 22.00')
  const { pool } = shop.stack.services.db
  await pool.query('UPDATE "Product" SET "price" = 1999 WHERE "id" = $1', [MUG])
  await page.fill('[name=stock]', '7')
  await page.fill('textarea', 'counted')
  await page.click('main button')
  expect(await text('[role=alert]')).toContain('changed the product meanwhile')

  const folder = mkdtempSync(join(tmpdir(), 'import-'))
  try {
    const path = join(folder, 'products.csv')
    writeFileSync(path, 'id,slug,name,price,stock\r\nctillworkspot00000000001,teapot,Teapot,39.00,4\r\n')
    await go('/ops/products/import')
    const send = async () => {
      await page.setInputFiles('[name=file]', path)
      await page.fill('textarea', 'new goods')
      await page.click('main button')
      return await text()
    }
    expect(await send()).toContain('1 new, 0 changed')
    expect(await shop.stack.services.db.prisma.product.count({ where: { slug: 'teapot' } })).toBe(0)
    await page.uncheck('[name=dryRun]')
    expect(await send()).toContain('It is done')
    writeFileSync(path, 'id,slug,name,price\r\nc1,x,Y,free\r\n')
    expect(await send()).toContain('no price')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

inBrowser('lets a viewer look and not act, and other sites nothing', async () => {
  const context = await signIn('viewer', 'password of a viewer')
  const viewer = await context.newPage()
  const { orderId } = await buy(ada)
  for (const path of ['/ops', `/ops/orders/${orderId}`, '/ops/products']) {
    await viewer.goto(`${base}${path}`)
    expect([path, await viewer.locator('main a.button').count()]).toEqual([path, 0])
  }
  for (const each of acts) {
    const headers = { authorization: `Basic ${Buffer.from('viewer:password of a viewer').toString('base64')}` }
    const answer = await fetch(`${base}/ops${pathOf(each, 'cnobody')}`, { headers })
    expect([each.path, answer.status]).toEqual([each.path, 403])
  }
  await context.close()
  const authorization = `Basic ${Buffer.from('ops:password of the tests').toString('base64')}`
  for (const each of acts) {
    expect(forms[each.path]).toBeDefined()
    const headers = { authorization, origin: 'https://evil.example' }
    const answer = await fetch(`${base}/ops${pathOf(each, 'x')}`, { method: 'POST', headers })
    expect([each.path, answer.status]).toEqual([each.path, 403])
  }
  expect(await go('/ops/orders/cnobody')).toBe(404)
  expect(await text('[role=alert]')).toContain('There is no order cnobody')
  troubles.length = 0
})

inBrowser(
  'is found faultless by axe on every page, light and dark, wide and on a phone',
  async () => {
    const { orderId, checkoutId } = await authorized(2)
    const review = await inReview()
    const dead = await deadEvent()
    const { db, log } = shop.stack.services
    await alert(db.pool, log, 'dead_event', { orderId, eventId: dead, reason: 'This event could not be applied' })
    const { id: alertId } = await db.prisma.alert.findFirstOrThrow({ where: { name: 'dead_event' } })
    const ids: Record<string, string> = {
      orders: review.orderId,
      events: dead,
      checkouts: checkoutId,
      alerts: alertId,
      notifications: 'x'
    }
    if (SCREENSHOTS) {
      await shoot('operators-attention', '/ops', 'light', 1_100, 900)
      await shoot('operators-order', `/ops/orders/${told}`, 'light', 1_100, 1_600)
      await shoot('operators-phone', `/ops/orders/${told}`, 'dark', 390, 844)
    }
    const paths = [
      '/ops',
      '/ops/search?q=ada',
      '/ops/search?q=nothing',
      `/ops/orders/${orderId}`,
      ...(told === undefined ? [] : [`/ops/orders/${told}`]),
      `/ops/events/${dead}`,
      '/ops/money',
      '/ops/reports',
      '/ops/reports?kind=range&since=2026-11-01&timezone=Europe/Berlin&currency=EUR',
      '/ops/reports?kind=range&since=2999-01-01',
      '/ops/products',
      `/ops/products/${MUG}`,
      '/ops/products/import',
      '/ops/runbooks',
      '/ops/runbooks/DeadLetters',
      '/ops/orders/cnobody',
      ...acts.map(each => `/ops${pathOf(each, ids[each.path.split('/')[1] ?? ''] ?? '')}`)
    ]
    const context = await signIn('ops', 'password of the tests')
    const seen = await context.newPage()
    const scan = async (options: object) => {
      const { violations } = (await seen.evaluate(`axe.run(document, ${JSON.stringify(options)})`)) as {
        violations: { id: string; nodes: { html: string; failureSummary: string }[] }[]
      }
      return violations.map(({ id, nodes }) => [id, nodes[0]?.html, nodes[0]?.failureSummary])
    }
    for (const path of paths) {
      await seen.setViewportSize({ width: 1_200, height: 800 })
      await seen.emulateMedia({ colorScheme: 'light' })
      await seen.goto(`${base}${path}`)
      await seen.evaluate(axeSource)
      expect([path, 'light', await scan({ resultTypes: ['violations'] })]).toEqual([path, 'light', []])
      await seen.setViewportSize({ width: 390, height: 800 })
      await seen.emulateMedia({ colorScheme: 'dark' })
      const ofLooks = {
        resultTypes: ['violations'],
        runOnly: ['color-contrast', 'target-size', 'scrollable-region-focusable']
      }
      expect([path, 'dark, on a phone', await scan(ofLooks)]).toEqual([path, 'dark, on a phone', []])
      expect([path, await seen.evaluate('document.documentElement.scrollWidth <= innerWidth')]).toEqual([path, true])
    }
    await context.close()
    // Some twenty pages, each looked at three times.
  },
  300_000
)

/** For docs/images, on request. */
async function shoot(name: string, path: string, colorScheme: 'light' | 'dark', width: number, height: number) {
  const context = await signIn('ops', 'password of the tests', { colorScheme, viewport: { width, height } })
  const seen = await context.newPage()
  await seen.goto(`${base}${path}`)
  await seen.screenshot({ path: `${SCREENSHOTS}/${name}.png` })
  await context.close()
}

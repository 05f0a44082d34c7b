import type { Browser, Page } from 'playwright-core'
import { runbooks } from '../shared/audit/runbooks.js'
import { isWithoutChromium, launchChromium } from './support/chromium.js'
import { buy } from './support/purchase.js'
import { QUIET } from './support/settings.js'
import { openShop, type Shop } from './support/shop.js'

let shop: Shop
let base: string
let browser: Browser
const troubles: string[] = []

beforeAll(async () => {
  if (isWithoutChromium) return
  shop = await openShop('postgres', QUIET)
  base = `http://127.0.0.1:${shop.stack.api.opsPort}`
  browser = await launchChromium()
})
afterAll(async () => {
  await browser?.close()
  await shop?.close()
})
afterEach(() => {
  expect(troubles.splice(0)).toEqual([])
})

const inBrowser = isWithoutChromium ? it.skip : it

async function signIn(options: object = {}): Promise<Page> {
  const context = await browser.newContext({
    httpCredentials: { username: 'ops', password: 'password of the tests' },
    ...options
  })
  const page = await context.newPage()
  page.on('console', message => troubles.push(message.text()))
  page.on('pageerror', error => troubles.push(String(error)))
  return page
}

/** Somebody has paid, and Stripe's deliveries are lost. */
async function paidUnheard(userId: string) {
  const customer = await shop.customer(userId)
  shop.simulator.faults.set({ dropDeliveries: 1 })
  const bought = await buy(customer)
  await customer.pay(bought.url)
  await shop.simulator.idle()
  shop.simulator.faults.set({ dropDeliveries: 0 })
  const { status } = await shop.stack.services.db.prisma.order.findUniqueOrThrow({ where: { id: bought.orderId } })
  expect(status).toBe('PENDING')
  return { ...bought, email: `${userId}@shop.example` }
}

/** Presses Tab until what has the focus is called so, as somebody without a mouse does. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press('Tab')
    const focused = (await page.evaluate(
      `(() => { const e = document.activeElement; return e.labels?.[0]?.textContent ?? e.textContent })()`
    )) as string
    if (focused.trim() === name) return
  }
  throw new Error(`No press of Tab leads to ${name}.`)
}

inBrowser(
  '"I have paid, and my order is open": from the e-mail to PAID in three clicks, without a script',
  async () => {
    const { email } = await paidUnheard('ada')
    const page = await signIn({ javaScriptEnabled: false, viewport: { width: 390, height: 844 } })
    const began = performance.now()
    await page.goto(`${base}/ops`)
    await page.fill('#q', email)
    await page.click('header button')
    expect(await page.textContent('h1')).toContain('pending')
    await page.click('main a.button:text-is("Reconcile")')
    await page.fill('textarea', 'the customer shows a receipt')
    await page.click('main button')
    expect(await page.textContent('h1')).toContain('paid')
    const seconds = ((performance.now() - began) / 1_000).toFixed(1)
    process.stdout.write(`\nThe drill "paid, and the order is open": 3 clicks, ${seconds} s of the page's own time.\n`)
    const story = (await page.textContent('.timeline')) ?? ''
    expect(story).toContain('“the customer shows a receipt”')
    expect(story).toContain('by ops')
    await page.context().close()
  }
)

inBrowser('the same with the keyboard alone, where scripts run', async () => {
  const { email } = await paidUnheard('eve')
  const page = await signIn({ colorScheme: 'dark' })
  await page.goto(`${base}/ops`)
  await tabTo(page, 'Skip to the content')
  await tabTo(page, 'Find an order')
  await page.keyboard.type(email)
  await page.keyboard.press('Enter')
  await page.waitForURL('**/ops/orders/*')
  await tabTo(page, 'Reconcile')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/reconcile')
  await tabTo(page, 'Why?')
  await page.keyboard.type('the customer called')
  await tabTo(page, 'Compare and repair')
  await page.keyboard.press('Enter')
  await page.waitForSelector('[role=status]')
  expect(await page.textContent('h1')).toContain('paid')
  await page.context().close()
})

inBrowser('shows what flows, and what has come since without being loaded again', async () => {
  const page = await signIn()
  await page.goto(`${base}/ops`)
  const counted = async (name: string) => await page.textContent(`#pulse .counters div:has(dt:text-is("${name}")) dd`)
  const before = await counted('Checkouts')
  const { orderId, url } = await buy(await shop.customer('bob'))
  await (await shop.customer('bob')).pay(url)
  await (await shop.customer('bob')).orderBecomes(orderId, 'PAID')
  const more = String(Number(before) + 1)
  await page.waitForSelector(`#pulse .counters div:has(dt:text-is("Checkouts")):has(dd:text-is("${more}"))`)
  expect(Number(await counted('Sessions'))).toBeGreaterThan(0)
  expect(Number(await counted('Events'))).toBeGreaterThan(0)
  expect(await page.textContent('#pulse')).toMatch(/Today: €[\d.]+ taken in \d+/)
  await page.context().close()
})

inBrowser('has the runbook that each alert leads to', async () => {
  const page = await signIn({ javaScriptEnabled: false })
  for (const name of new Set(Object.values(runbooks))) {
    await page.goto(`${base}/ops/runbooks/${name}`)
    expect([name, await page.textContent('h1'), await page.locator('h2').count()]).toEqual([name, name, 3])
    const links = await page.locator('article a').evaluateAll(found => found.map(each => each.getAttribute('href')))
    expect(links.filter(href => !href?.startsWith('https://') && !href?.startsWith('/ops/runbooks/'))).toEqual([])
  }
  await page.goto(`${base}/ops/runbooks`)
  expect(await page.locator('main li a').count()).toBeGreaterThan(new Set(Object.values(runbooks)).size)
  await page.context().close()
})

import { storefront } from '../demo/storefront/router.js'
import { freePort } from '../local/free-port.js'
import { isWithoutChromium, launchChromium } from './support/chromium.js'
import { openShop, withShop } from './support/shop.js'

const SCREENSHOTS = process.env.SCREENSHOTS

/** As behind a proxy that shows them so. */
const BASE = '/payments'
const OPS_BASE = '/internal/payments'

const inBrowser = isWithoutChromium ? it.skip : it

inBrowser('buys something in a browser and sees it become paid', async () => {
  const port = await freePort()
  const notificationSecret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
  await withShop(
    openShop(
      'postgres',
      {
        PORT: String(port),
        BASE_PATH: BASE,
        OPS_BASE_PATH: OPS_BASE,
        ORDER_WEBHOOK_URL: `http://127.0.0.1:${port}${BASE}/demo/notifications`,
        ORDER_WEBHOOK_SECRET: notificationSecret
      },
      { pages: secret => storefront({ authSecret: secret, notificationSecret, instance: 'test', basePath: BASE }) }
    ),
    async shop => {
      const browser = await launchChromium()
      try {
        // More than a page of them, behind all others by name; and one that is not counted, without a picture.
        const product = { price: 500n, currency: 'EUR', stock: 0 }
        await shop.stack.services.db.prisma.product.createMany({
          data: [
            ...Array.from({ length: 110 }, (_, n) => ({ ...product, slug: `zine-${n}`, name: `Zine ${n}` })),
            { ...product, slug: 'zz-ebook', name: 'Zz ebook', trackStock: false }
          ]
        })
        const page = await browser.newPage({ viewport: { width: 1200, height: 800 } })
        const failures: string[] = []
        page.on('pageerror', error => failures.push(String(error)))
        await page.goto(`http://localhost:${shop.stack.api.port}${BASE}/`)
        await page.click('[data-slug="stoneware-mug"] button')
        await page.click('[data-slug="linen-notebook"] button')
        expect(await page.textContent('#total')).toBe('€34.49')
        await page.evaluate('scrollTo(0, 0)')
        await shoot('storefront')
        expect(await page.textContent('[data-slug="zine-99"] button')).toBe('Sold out')
        await page.click('[data-slug="zz-ebook"] button')
        expect(await page.textContent('#total')).toBe('€39.49')
        await page.click('#pay')
        await page.waitForURL(/\/c\/pay\//)
        await page.fill('#number', '4000 0000 0000 0002')
        await page.click('button#pay')
        expect(await page.textContent('[role=alert]')).toContain('declined')
        await page.fill('#number', '4242 4242 4242 4242')
        await shoot('payment-page')
        await page.click('button#pay')
        await page.waitForURL(/checkout\/success/)
        await page.waitForSelector('.status.PAID')
        expect(await page.textContent('#status')).toBe('PAID')
        await page.waitForSelector('#bought li:nth-child(5)')
        const bought = await page.locator('#bought li').allTextContents()
        expect(bought.slice(0, 3).sort()).toEqual([
          '1 × Linen notebook€14.50',
          '1 × Stoneware mug€19.99',
          '1 × Zz ebook€5.00'
        ])
        expect(bought.slice(3)).toEqual(['Shipping€0.00', 'Total€39.49'])
        await shoot('paid')
        await page.goto(`http://localhost:${port}${BASE}/orders`)
        await page.waitForSelector('text=order.paid')
        await shoot('orders')
        await page.close()
        const operator = await browser.newContext({
          httpCredentials: { username: 'ops', password: 'password of the tests' },
          viewport: { width: 1200, height: 700 }
        })
        const board = await operator.newPage()
        await board.goto(
          `http://localhost:${shop.stack.api.opsPort}${OPS_BASE}/ops/board/queue/webhook-processing?status=completed`
        )
        await board.waitForSelector('text=webhook-processing')
        if (SCREENSHOTS) {
          await board.waitForTimeout(1_500)
          await board.screenshot({ path: `${SCREENSHOTS}/board.png` })
        }
        expect(failures).toEqual([])

        async function shoot(name: string): Promise<void> {
          if (SCREENSHOTS) await page.screenshot({ path: `${SCREENSHOTS}/${name}.png` })
        }
      } finally {
        await browser.close()
      }
    }
  )
})

import { join } from 'node:path'
import { build } from 'esbuild'
import { lineOf } from '../local/shopper.js'
import { signSessionToken } from '../shared/identity/session-token.js'
import { projectRoot } from '../shared/project-root.js'
import { startAnsweringServer } from './support/answering-server.js'
import { isWithoutChromium, launchChromium } from './support/chromium.js'
import { openShop, withShop } from './support/shop.js'

/** The client as a shop's bundler makes it; an import of Node's would fail the build. */
async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(projectRoot, 'client', entry)],
    bundle: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'tillworks',
    write: false
  })
  return outputFiles[0]?.text ?? ''
}

const inBrowser = isWithoutChromium ? it.skip : it

inBrowser('checks out from a page of the shop, and watches until the money is there', async () => {
  const script = await bundle('index.ts')
  expect(script.length).toBeLessThan(60_000)
  const storefront = await startAnsweringServer()
  storefront.answer((_request, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html>'))
  await withShop(openShop('postgres', { ALLOWED_ORIGINS: storefront.url }), async shop => {
    const ada = await shop.customer('ada')
    const { api, config } = shop.stack
    const browser = await launchChromium()
    try {
      const page = await browser.newPage()
      const failures: string[] = []
      page.on('pageerror', error => failures.push(String(error)))
      page.on('console', message => message.type() === 'error' && failures.push(message.text()))
      await page.goto(storefront.url)
      await page.evaluate(`${script}; window.tillworks = tillworks`)
      const given = {
        baseUrl: `http://127.0.0.1:${api.port}`,
        token: await signSessionToken({ userId: 'ada', email: 'ada@shop.example' }, config.auth.secret, 600),
        items: [lineOf(await ada.product('stoneware-mug'), 1)]
      }
      await page.exposeFunction('pay', (url: string) => ada.pay(url))
      const seen = await page.evaluate(`(async ({ baseUrl, token, items }) => {
        const client = tillworks.createTillworks({ baseUrl, headers: { Authorization: 'Bearer ' + token } })
        const result = await tillworks.checkout(client, { items })
        if (!result.ok) return result.problem
        const seen = []
        for await (const state of tillworks.watch(client, result.checkout.checkoutId)) {
          seen.push(state.status)
          if (state.status === 'OPEN') await pay(state.url)
        }
        return seen
      })(${JSON.stringify(given)})`)
      expect(seen).toEqual(expect.arrayContaining(['OPEN', 'PAID']))
      expect(failures).toEqual([])
    } finally {
      await browser.close()
      await storefront.close()
    }
  })
})

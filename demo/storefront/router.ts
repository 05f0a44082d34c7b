import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import express, { Router } from 'express'
import { SESSION_COOKIE, signSessionToken } from '../../shared/identity/session-token.js'
import { projectRoot } from '../../shared/project-root.js'
import { orderNews } from './order-news.js'

const PUBLIC = join(projectRoot, 'demo/storefront/public')
const CUSTOMER = { userId: 'demo-ada', email: 'ada@shop.example' }
const SESSION_SECONDS = 24 * 3_600
const POLICY =
  "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"

/** The demo shop: static pages that use the same API as any storefront, and a session for its one customer. */
export function storefront(options: {
  authSecret: string
  instance: string
  /** BASE_PATH: the pages name everything else relative to it. */
  basePath?: string
  /** What Tillworks signs its notifications with. */
  notificationSecret: string
}): Router {
  const router = Router()
  router.get('/demo/instance', (_request, response) => {
    response.type('text/plain').send(options.instance)
  })
  // A shop has its own sign-in; the demo signs everybody in as Ada.
  router.post('/demo/session', async (_request, response) => {
    const token = await signSessionToken(CUSTOMER, options.authSecret, SESSION_SECONDS)
    response.cookie(SESSION_COOKIE, token, { httpOnly: true, sameSite: 'lax', maxAge: SESSION_SECONDS * 1_000 })
    response.json({ email: CUSTOMER.email })
  })
  router.use(orderNews(options.notificationSecret, CUSTOMER.userId))
  router.use((_request, response, next) => {
    response.setHeader('Content-Security-Policy', POLICY)
    response.setHeader('X-Content-Type-Options', 'nosniff')
    next()
  })
  for (const [path, file] of [
    ['/', 'index.html'],
    ['/orders', 'orders.html'],
    ['/checkout/success', 'success.html'],
    ['/checkout/cancelled', 'cancelled.html']
  ] as const) {
    const page = readFileSync(join(PUBLIC, file), 'utf8').replace(
      '<base href="/">',
      `<base href="${options.basePath ?? ''}/">`
    )
    router.get(path, (_request, response) => response.type('html').send(page))
  }
  router.use(express.static(PUBLIC, { index: false, maxAge: 0 }))
  return router
}

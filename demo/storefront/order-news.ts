import express, { Router } from 'express'
import { Webhook, WebhookVerificationError } from 'standardwebhooks'
import { minor, toMajorUnits } from '../../shared/money.js'

interface News {
  type: string
  timestamp: string
  data: {
    orderId: string
    userId: string
    sequence: number
    status: string
    captured: number
    refunded: number
    currency: string
  }
}

const MAX_ORDERS = 1_000

/** How a shop takes Tillworks' notifications: verified, each once, whatever comes twice or late. */
export function orderNews(secret: string, customer: string): Router {
  const webhook = new Webhook(secret)
  const orders = new Map<string, News[]>()
  const router = Router()
  router.post('/demo/notifications', express.text({ type: () => true, limit: '100kb' }), (request, response) => {
    try {
      const news = webhook.verify(request.body, request.headers as Record<string, string>) as News
      // `ops doctor` asks whether somebody listens.
      if (news.type !== 'ping') take(orders, news)
      response.status(204).end()
    } catch (error) {
      if (!(error instanceof WebhookVerificationError)) throw error
      response.status(400).json({ error: 'The signature is not that of Tillworks.' })
    }
  })
  router.get('/demo/orders', (_request, response) => {
    const own = [...orders.values()].filter(news => news[0]?.data.userId === customer)
    response.setHeader('Cache-Control', 'no-store')
    response.json(own.reverse().map(news => ({ id: news[0]?.data.orderId, news: news.map(inMajorUnits) })))
  })
  return router
}

/** As the page shows amounts; the notification has them in minor units. */
function inMajorUnits({ data, ...rest }: News): News {
  const major = (amount: number) => toMajorUnits(minor(amount), data.currency)
  return { ...rest, data: { ...data, captured: major(data.captured), refunded: major(data.refunded) } }
}

function take(orders: Map<string, News[]>, news: News): void {
  const known = orders.get(news.data.orderId) ?? []
  if (known.some(each => each.data.sequence === news.data.sequence)) return
  orders.delete(news.data.orderId)
  orders.set(
    news.data.orderId,
    [...known, news].sort((a, b) => a.data.sequence - b.data.sequence)
  )
  const [oldest] = orders.keys()
  if (orders.size > MAX_ORDERS && oldest !== undefined) orders.delete(oldest)
}

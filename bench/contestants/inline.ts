// The requirement's way: one route verifies and does all the work with Prisma, in the request.
import { PrismaPg } from '@prisma/adapter-pg'
import express from 'express'
import Stripe from 'stripe'
import { PrismaClient } from '../../prisma/generated/client.js'

const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL, max: 20 }) })
const ORDERS = 1_000
const orders = Array.from({ length: ORDERS }, (_, place) => `inline-${place}`)
await prisma.order.createMany({
  data: orders.map(id => ({ id, userId: 'bench', currency: 'EUR' })),
  skipDuplicates: true
})
let next = 0

async function settle(event: Stripe.Event): Promise<void> {
  const orderId = orders[next++ % ORDERS] ?? ''
  await prisma.$transaction(async tx => {
    if ((await tx.webhookEvent.findUnique({ where: { id: event.id } })) !== null) return
    const { id, type, api_version: apiVersion, livemode, created } = event
    await tx.webhookEvent.create({
      data: {
        id,
        type,
        apiVersion,
        livemode,
        created: new Date(created * 1_000),
        payload: JSON.stringify(event),
        requestId: id
      }
    })
    const order = await tx.order.findUniqueOrThrow({ where: { id: orderId } })
    await tx.order.update({ where: { id: order.id }, data: { status: 'PAID', captured: 1_999n } })
    // Its trail is a plain table: the triggers that chain ours are off in its database.
    const chained = { chain: id, sequence: 1, previousHash: '', hash: '', personalHash: '' }
    await tx.paymentAuditLog.create({
      data: {
        action: 'order_paid',
        status: 'SUCCESS',
        orderId,
        eventId: id,
        before: order.status,
        after: 'PAID',
        ...chained
      }
    })
    await tx.webhookEvent.update({ where: { id }, data: { status: 'PROCESSED', processedAt: new Date() } })
  })
}

const app = express()
app.post('/api/stripe/webhook', express.raw({ type: () => true, limit: '1mb' }), async (request, response) => {
  const signature = request.get('stripe-signature') ?? ''
  await settle(Stripe.webhooks.constructEvent(request.body, signature, process.env.STRIPE_WEBHOOK_SECRET ?? ''))
  response.json({ received: true })
})
app.get('/readyz', (_request, response) => {
  response.json({ ready: true })
})
app.listen(Number(process.env.PORT), '127.0.0.1')

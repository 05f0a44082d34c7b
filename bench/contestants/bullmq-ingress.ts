// A thin ingress without a database: it checks the signature, leaves the event to BullMQ and answers.
import express from 'express'
import Stripe from 'stripe'
import { openQueue } from './bullmq-engine.js'

const queue = openQueue()
await queue.waitUntilReady()

const JOB = { attempts: 5, backoff: { type: 'exponential', delay: 100 }, removeOnComplete: 100 }

const app = express()
app.post('/api/stripe/webhook', express.raw({ type: () => true, limit: '1mb' }), async (request, response) => {
  const signature = request.get('stripe-signature') ?? ''
  const secret = process.env.STRIPE_WEBHOOK_SECRET ?? ''
  const event = Stripe.webhooks.constructEvent(request.body, signature, secret)
  await queue.add(event.type, event, JOB)
  response.json({ received: true })
})
app.get('/readyz', (_request, response) => {
  response.json({ ready: true })
})
app.get('/unfinished', async (_request, response) => {
  response.json(await queue.getJobCountByTypes('waiting', 'active', 'delayed', 'failed'))
})
app.listen(Number(process.env.PORT), '127.0.0.1')

// The least that can acknowledge a delivery: it checks the signature and stores nothing.
import express from 'express'
import Stripe from 'stripe'

const app = express()
app.post('/api/stripe/webhook', express.raw({ type: () => true, limit: '1mb' }), (request, response) => {
  const signature = request.get('stripe-signature') ?? ''
  Stripe.webhooks.constructEvent(request.body, signature, process.env.STRIPE_WEBHOOK_SECRET ?? '')
  response.json({ received: true })
})
app.get('/readyz', (_request, response) => {
  response.json({ ready: true })
})
app.listen(Number(process.env.PORT), '127.0.0.1')

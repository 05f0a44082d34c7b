import { z } from 'zod'
import { named } from './components.js'
import { contact } from './order-operations.js'
import { currency, examples, metadata, orderStatus, time } from './values.js'

const minor = () => z.number().int().meta({ description: 'In minor units of the currency' })

const item = z.object({
  productId: z.string(),
  name: z.string(),
  unitPrice: minor(),
  quantity: z.number().int(),
  options: z.record(z.string(), z.string()).optional()
})

const orderNotification = z.object({
  type: z.string().meta({ pattern: '^order\\.[a-z_]+$', description: '`order.` and the status in lower case' }),
  timestamp: time(),
  data: z.object({
    orderId: z.string(),
    userId: z.string(),
    sequence: z.number().int().meta({ description: 'Grows with each move of an order' }),
    status: orderStatus,
    previousStatus: orderStatus,
    currency: currency(),
    subtotal: minor().nullable(),
    shipping: minor().nullable(),
    total: minor().nullable(),
    captured: minor(),
    refunded: minor(),
    items: z.array(item),
    metadata,
    customer: contact.nullable()
  })
})

const ping = z.object({ type: z.literal('ping'), timestamp: time(), data: z.object({}) })

interface Notification {
  id: string
  summary: string
  schema: z.ZodType
  example: unknown
}

/** What is posted to ORDER_WEBHOOK_URL. */
export const notifications: Record<string, Notification> = {
  order: {
    id: 'notifyOrder',
    summary: 'An order has moved',
    schema: named('OrderNotification', orderNotification),
    example: {
      type: 'order.paid',
      timestamp: examples.time,
      data: {
        orderId: examples.orderId,
        userId: 'me',
        sequence: 1,
        status: 'PAID',
        previousStatus: 'PENDING',
        currency: 'EUR',
        subtotal: 1999,
        shipping: 0,
        total: 1999,
        captured: 1999,
        refunded: 0,
        items: [{ productId: examples.productId, name: 'Stoneware mug', unitPrice: 1999, quantity: 1 }],
        metadata: {},
        customer: { email: 'ada@shop.example', name: 'Ada Lovelace', phone: null }
      }
    }
  },
  ping: {
    id: 'notifyPing',
    summary: '`ops doctor` asks whether the endpoint is there',
    schema: named('Ping', ping),
    example: { type: 'ping', timestamp: examples.time, data: {} }
  }
}

import { z } from 'zod'
import { OrderStatus } from '../../prisma/generated/enums.js'
import { orderRequestSchema } from '../schemas.js'
import { checkout, idempotencyKey } from './checkout-operations.js'
import { anyRules, named } from './components.js'
import type { Operations } from './operation.js'
import { cursor, limit } from './page-parameters.js'
import { amount, currency, examples, metadata, orderStatus, page, success, time } from './values.js'

const request = named('OrderRequest', orderRequestSchema(anyRules))

const item = named(
  'OrderItem',
  z.object({
    productId: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    image: z.string().nullable(),
    price: amount(),
    quantity: z.number().int(),
    options: z.record(z.string(), z.string()).optional()
  })
)

export const contact = named(
  'Contact',
  z
    .object({ email: z.string().nullable(), name: z.string().nullable(), phone: z.string().nullable() })
    .meta({ description: "What the customer gave at Stripe's page" })
)

const order = named(
  'Order',
  z.object({
    id: z.string(),
    status: orderStatus,
    createdAt: time(),
    currency: currency(),
    subtotal: amount().nullable(),
    shipping: amount().nullable(),
    total: amount().nullable(),
    captured: amount().nullable(),
    refunded: amount().nullable(),
    customer: contact.nullable(),
    metadata,
    items: z.array(item),
    checkout: checkout.extend({ metadata }).nullable()
  })
)

const orderAnswer = named('OrderAnswer', success(order))
const orderPage = named('OrderPage', page(order))

const example = {
  id: examples.orderId,
  status: 'PENDING',
  createdAt: examples.time,
  currency: 'EUR',
  subtotal: 39.98,
  shipping: 0,
  total: 39.98,
  captured: 0,
  refunded: 0,
  customer: null,
  metadata: {},
  items: [{ ...examples.line, description: 'Holds 300 ml', image: '/images/stoneware-mug.svg' }],
  checkout: null
}

const address = {
  firstName: 'Ada',
  lastName: 'Lovelace',
  email: 'ada@shop.example',
  street: '1 rue de la Paix',
  city: 'Paris',
  postalCode: '75002',
  country: 'FR'
}

const tag = 'Orders'

export const orderOperations: Operations = {
  'POST /api/orders': {
    id: 'createOrder',
    tag,
    summary: 'Creates an order with an address',
    description: 'The totals are compared with those of the database.',
    access: 'customer',
    headers: { 'Idempotency-Key': idempotencyKey },
    body: { schema: request, example: { items: [examples.line], address, subtotal: 39.98, shipping: 0 } },
    answers: {
      201: {
        description: 'The order',
        headers: ['Location', 'Idempotent-Replayed'],
        body: { schema: orderAnswer, example: { success: true, data: example } }
      }
    },
    problems: ['cart_refused', 'amount_refused', 'key_reused', 'maintenance']
  },
  'GET /api/orders': {
    id: 'listOrders',
    tag,
    summary: "The customer's own orders, newest first",
    access: 'customer',
    query: {
      limit: limit(20),
      cursor,
      status: {
        description: 'Only orders in this state; may be repeated',
        schema: { type: 'array', items: { type: 'string', enum: Object.values(OrderStatus) } }
      }
    },
    answers: {
      200: {
        description: 'A page',
        headers: ['Link', 'Cache-Control'],
        body: { schema: orderPage, example: { success: true, data: [example], next: null } }
      }
    },
    problems: ['invalid_request']
  },
  'GET /api/orders/:id': {
    id: 'readOrder',
    tag,
    summary: 'An order',
    access: 'customer',
    path: { id: { description: 'The id of the order', schema: { type: 'string' }, example: examples.orderId } },
    answers: {
      200: {
        description: 'As it is now',
        headers: ['Cache-Control'],
        body: { schema: orderAnswer, example: { success: true, data: example } }
      }
    },
    problems: ['invalid_request', 'order_not_found']
  }
}

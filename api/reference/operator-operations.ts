import { z } from 'zod'
import { WebhookEventStatus } from '../../prisma/generated/enums.js'
import { maintenanceAnswer } from './act-operations.js'
import { named } from './components.js'
import type { Operations, Parameter } from './operation.js'
import { checkoutStatus, examples, orderStatus, success, time } from './values.js'

const alert = named(
  'Alert',
  z.object({
    id: z.string(),
    name: z.string(),
    context: z.record(z.string(), z.unknown()),
    onceKey: z.string().nullable(),
    createdAt: time(),
    resolvedAt: time().nullable(),
    resolvedBy: z.string().nullable(),
    note: z.string().nullable()
  })
)

const event = named(
  'WebhookEvent',
  z.object({
    id: z.string(),
    type: z.string(),
    apiVersion: z.string().nullable(),
    livemode: z.boolean(),
    created: time(),
    status: z.enum(WebhookEventStatus),
    attempts: z.number().int(),
    error: z.string().nullable(),
    requestId: z.string(),
    checkoutId: z.string().nullable(),
    receivedAt: time(),
    processedAt: time().nullable(),
    resolvedBy: z.string().nullable(),
    note: z.string().nullable(),
    stripeAwaySince: time().nullable(),
    paymentIntentId: z.string().nullable()
  })
)

const metrics = named('Metrics', z.string())
const alerts = named('AlertsAnswer', success(z.array(alert)))
const events = named('WebhookEventsAnswer', success(z.array(event)))

const minorAmount = z.int().meta({ description: 'In minor units of the currency' })
const row = z.looseObject({ id: z.string() })

const attention = named(
  'AttentionAnswer',
  success(
    z.object({
      alerts: z.array(alert),
      deadEvents: z.array(event),
      failedNotifications: z.array(row.extend({ orderId: z.string(), type: z.string(), error: z.string().nullable() })),
      ordersInReview: z.array(
        z.object({
          id: z.string(),
          status: orderStatus,
          currency: z.string(),
          total: minorAmount.nullable(),
          updatedAt: time(),
          reviewReason: z.string().nullable(),
          reviewAction: z.string().nullable()
        })
      ),
      authorizations: z.array(
        z.object({
          orderId: z.string(),
          paymentIntentId: z.string(),
          amount: minorAmount,
          currency: z.string(),
          captureBefore: time()
        })
      ),
      disputes: z.array(
        z.object({
          id: z.string(),
          orderId: z.string(),
          status: z.string(),
          reason: z.string(),
          amount: minorAmount,
          currency: z.string(),
          evidenceDueBy: time().nullable()
        })
      ),
      lowStock: z.array(z.object({ id: z.string(), slug: z.string(), name: z.string(), left: z.int() })),
      maintenance: z.object({ on: z.boolean(), message: z.string(), until: time().nullable() }).nullable()
    })
  )
)

const found = named(
  'SearchAnswer',
  success(
    z.object({
      orders: z.array(
        z.object({
          id: z.string(),
          userId: z.string(),
          email: z.string().nullable(),
          status: orderStatus,
          currency: z.string(),
          total: minorAmount.nullable(),
          createdAt: time(),
          by: z.array(z.string()).meta({ description: 'What of it bears the name' })
        })
      ),
      event: event.nullable()
    })
  )
)

const moment = named(
  'Moment',
  z.object({
    at: time(),
    kind: z.enum(['audit', 'event', 'ledger', 'notification', 'signal']),
    what: z.string(),
    id: z.string(),
    status: z.string().nullable(),
    before: z.string().nullable(),
    after: z.string().nullable(),
    amount: minorAmount.nullable(),
    currency: z.string().nullable(),
    by: z.string().nullable(),
    why: z.string().nullable(),
    error: z.string().nullable(),
    found: z.array(z.string()),
    requestId: z.string().nullable(),
    eventId: z.string().nullable()
  })
)

const part = z.looseObject({})

const story = named(
  'Story',
  z.looseObject({
    id: z.string(),
    userId: z.string(),
    email: z.string().nullable(),
    status: orderStatus,
    currency: z.string(),
    total: minorAmount.nullable(),
    captured: minorAmount,
    refunded: minorAmount,
    createdAt: time(),
    items: z.array(part.extend({ productId: z.string(), name: z.string(), quantity: z.int(), unitPrice: minorAmount })),
    checkouts: z.array(row.extend({ status: checkoutStatus, sessionId: z.string().nullable() })),
    payments: z.array(
      part.extend({
        paymentIntentId: z.string(),
        status: z.string(),
        amount: minorAmount,
        captured: minorAmount,
        currency: z.string(),
        chargeId: z.string().nullable()
      })
    ),
    refunds: z.array(row.extend({ status: z.string(), amount: minorAmount, stripeId: z.string().nullable() })),
    disputes: z.array(row.extend({ status: z.string(), amount: minorAmount, reason: z.string() })),
    notifications: z.array(row.extend({ type: z.string(), status: z.string(), sequence: z.int() })),
    events: z.array(row.extend({ type: z.string(), status: z.string(), payload: z.unknown() })),
    timeline: z.array(moment)
  })
)
const storyAnswer = named('StoryAnswer', success(story))
const storyExample = {
  success: true,
  data: {
    id: examples.orderId,
    userId: 'ada',
    email: 'ada@shop.example',
    status: 'PAID',
    currency: 'EUR',
    total: 1999,
    captured: 1999,
    refunded: 0,
    createdAt: examples.time,
    items: [],
    checkouts: [],
    payments: [],
    refunds: [],
    disputes: [],
    notifications: [],
    events: [],
    timeline: []
  }
}

const eventAnswer = named('WebhookEventAnswer', success(event.extend({ payload: z.unknown() })))
const eventExample = {
  success: true,
  data: {
    id: 'evt_1',
    type: 'plan.created',
    apiVersion: null,
    livemode: false,
    created: examples.time,
    status: 'IGNORED',
    attempts: 1,
    error: null,
    requestId: examples.requestId,
    checkoutId: null,
    receivedAt: examples.time,
    processedAt: examples.time,
    resolvedBy: null,
    note: null,
    stripeAwaySince: null,
    paymentIntentId: null,
    payload: { id: 'evt_1', object: 'event' }
  }
}

const tag = 'Operators'
const alertId = 'cmwvwdoohsgc8bg34kz8s5nya'
const byId = (example: string): Record<string, Parameter> => ({
  id: { description: 'Its id', schema: { type: 'string' }, example }
})

export const operatorOperations: Operations = {
  'GET /metrics': {
    id: 'readMetrics',
    tag,
    summary: 'For Prometheus',
    access: 'operator',
    answers: {
      200: {
        description: 'Metrics',
        body: { type: 'text/plain', schema: metrics, example: '# HELP tillworks_answers_total …\n' }
      }
    }
  },
  'GET /ops/api/attention': {
    id: 'listAlerts',
    tag,
    summary: 'Alerts that nobody has resolved, the oldest 200',
    access: 'operator',
    answers: {
      200: {
        description: 'Alerts',
        headers: ['Cache-Control'],
        body: {
          schema: alerts,
          example: {
            success: true,
            data: [
              {
                id: alertId,
                name: 'event_dead',
                context: { eventId: 'evt_1' },
                onceKey: null,
                createdAt: examples.time,
                resolvedAt: null,
                resolvedBy: null,
                note: null
              }
            ]
          }
        }
      }
    }
  },
  'GET /ops/api/events/dead': {
    id: 'listDeadEvents',
    tag,
    summary: 'Events that could not be applied, the oldest 200, without their payloads',
    access: 'operator',
    answers: {
      200: {
        description: 'Events',
        headers: ['Cache-Control'],
        body: { schema: events, example: { success: true, data: [] } }
      }
    }
  },
  'GET /ops/api/attention/all': {
    id: 'readAttention',
    tag,
    summary: 'All that waits for a person, the most urgent of each kind first',
    access: 'operator',
    answers: {
      200: {
        description: 'What waits, at most 200 of each kind',
        headers: ['Cache-Control'],
        body: {
          schema: attention,
          example: {
            success: true,
            data: {
              alerts: [],
              deadEvents: [],
              failedNotifications: [],
              ordersInReview: [],
              authorizations: [],
              disputes: [],
              lowStock: [],
              maintenance: null
            }
          }
        }
      }
    }
  },
  'GET /ops/api/search': {
    id: 'searchOrders',
    tag,
    summary: 'The orders that are called so, or have what is',
    access: 'operator',
    query: {
      q: {
        description:
          'An order, customer, e-mail, checkout, Session, PaymentIntent, charge, refund, dispute, event or notification',
        schema: { type: 'string', minLength: 1, maxLength: 255 },
        required: true,
        example: 'ada@shop.example'
      }
    },
    answers: {
      200: {
        description: 'The newest 50',
        headers: ['Cache-Control'],
        body: { schema: found, example: { success: true, data: { orders: [], event: null } } }
      }
    },
    problems: ['invalid_request']
  },
  'GET /ops/api/orders/:id': {
    id: 'readStory',
    tag,
    summary: 'An order with all that belongs to it, and what happened to it as one timeline',
    access: 'operator',
    path: byId(examples.orderId),
    answers: {
      200: {
        description: 'Its story',
        headers: ['Cache-Control'],
        body: { schema: storyAnswer, example: storyExample }
      }
    },
    problems: ['not_found'],
    refusals: ['order_not_found']
  },
  'GET /ops/api/events/:id': {
    id: 'readEvent',
    tag,
    summary: 'An event with its payload',
    access: 'operator',
    path: byId('evt_1'),
    answers: {
      200: {
        description: 'The event',
        headers: ['Cache-Control'],
        body: { schema: eventAnswer, example: eventExample }
      }
    },
    problems: ['not_found'],
    refusals: ['event_not_found']
  },
  'GET /ops/api/maintenance': {
    id: 'readMaintenance',
    tag,
    summary: 'Whether checkouts are closed',
    access: 'operator',
    answers: {
      200: {
        description: 'The switch',
        headers: ['Cache-Control'],
        body: {
          schema: maintenanceAnswer,
          example: { success: true, data: { on: false, message: '', until: null } }
        }
      }
    }
  }
}

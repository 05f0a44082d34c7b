import { z } from 'zod'
import { WebhookEventStatus } from '../../prisma/generated/enums.js'
import { withNote } from '../ops/acts/row-acts.js'
import { named } from './components.js'
import type { Operations, Parameter } from './operation.js'
import { examples, success, time } from './values.js'

const note = named('Note', withNote)

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
    stripeAwaySince: time().nullable()
  })
)

const metrics = named('Metrics', z.string())
const alerts = named('AlertsAnswer', success(z.array(alert)))
const events = named('WebhookEventsAnswer', success(z.array(event)))
const resolved = named('ResolvedAnswer', success(z.object({ id: z.string(), resolvedBy: z.string() })))
const replayed = named('ReplayedAnswer', success(z.object({ id: z.string(), status: z.literal('RECEIVED') })))

const tag = 'Operators'
const alertId = 'cmwvwdoohsgc8bg34kz8s5nya'
const byId = (example: string): Record<string, Parameter> => ({
  id: { description: 'Its id', schema: { type: 'string' }, example }
})
const because = { schema: note, example: { note: 'Looked at it with the customer' } }

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
  'POST /ops/api/alerts/:id/resolve': {
    id: 'resolveAlert',
    tag,
    summary: 'Resolves an alert',
    access: 'operator',
    path: byId(alertId),
    body: because,
    answers: {
      200: {
        description: 'It is resolved',
        headers: ['Cache-Control'],
        body: { schema: resolved, example: { success: true, data: { id: alertId, resolvedBy: 'ops' } } }
      }
    },
    refusals: ['alert_not_found']
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
  'POST /ops/api/events/:id/replay': {
    id: 'replayEvent',
    tag,
    summary: 'Applies a dead event again',
    access: 'operator',
    path: byId('evt_1'),
    body: because,
    answers: {
      200: {
        description: 'It is due again',
        headers: ['Cache-Control'],
        body: { schema: replayed, example: { success: true, data: { id: 'evt_1', status: 'RECEIVED' } } }
      }
    },
    refusals: ['event_not_found']
  }
}

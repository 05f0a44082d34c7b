import { z } from 'zod'
import { CheckoutStatus, OrderStatus, RefundStatus } from '../../prisma/generated/enums.js'
import type { RefusalCode } from '../../shared/refused.js'
import { acts } from '../ops/acts/acts.js'
import { named } from './components.js'
import type { Operation, Operations, Parameter } from './operation.js'
import { examples, success, time } from './values.js'

/** What is told of one act besides its path and body, which are the act's own. */
interface Told {
  id: string
  summary: string
  subject?: string
  body: object
  /** The name of its body's schema. */
  takes: string
  /** The name of its answer's schema. */
  gives: string
  data: z.ZodType
  example: unknown
  refusals: RefusalCode[]
}

const minorAmount = z.int().meta({ description: 'In minor units of the currency' })
const payment = 'pi_3Q1'
const reason = { reason: 'The customer asked for it' }
const note = { note: 'Looked at it with the customer' }
const identified = z.object({ id: z.string(), status: z.string() })
const unsettled: RefusalCode[] = ['unclear_input', 'order_not_found']

const refund = z.looseObject({
  id: z.string(),
  stripeId: z.string().nullable(),
  paymentIntentId: z.string(),
  orderId: z.string(),
  status: z.enum(RefundStatus),
  amount: minorAmount,
  currency: z.string(),
  reason: z.string().nullable(),
  failureReason: z.string().nullable(),
  requestedBy: z.string().nullable()
})

const maintenance = z.object({ on: z.boolean(), message: z.string(), until: time().nullable() })

const told: Record<string, Told> = {
  '/orders/:id/refund': {
    id: 'refundOrder',
    summary: 'Refunds an order, whole or in part, and says what Stripe has answered within five seconds',
    subject: examples.orderId,
    takes: 'RefundRequest',
    body: { ...reason, amount: '5.00', restock: { [examples.productId]: 1 } },
    gives: 'RefundsAnswer',
    data: z.object({ refunds: z.array(named('Refund', refund)) }),
    example: {
      refunds: [
        {
          id: 'cmwvwdoohsgc8bg34kz8s5nyb',
          stripeId: 're_3Q1',
          paymentIntentId: payment,
          orderId: examples.orderId,
          status: 'SUCCEEDED',
          amount: 500,
          currency: 'EUR',
          reason: reason.reason,
          failureReason: null,
          requestedBy: 'ops'
        }
      ]
    },
    refusals: [
      ...unsettled,
      'invalid_input',
      'payment_disputed',
      'nothing_captured',
      'nothing_left',
      'more_than_left',
      'key_reused'
    ]
  },
  '/orders/:id/capture': {
    id: 'captureOrder',
    summary: 'Captures an authorization, whole or a part of it',
    subject: examples.orderId,
    takes: 'CaptureRequest',
    body: { ...reason, amount: '5.00' },
    gives: 'CaptureAnswer',
    data: z.object({ paymentIntentId: z.string(), status: z.enum(OrderStatus) }),
    example: { paymentIntentId: payment, status: 'PAID' },
    refusals: [...unsettled, 'invalid_input', 'not_capturable', 'payment_in_review']
  },
  '/orders/:id/cancel': {
    id: 'cancelOrder',
    summary: 'Gives an authorization up, or an order that nobody has paid',
    subject: examples.orderId,
    takes: 'CancelRequest',
    body: reason,
    gives: 'CancelAnswer',
    data: z.object({ paymentIntentId: z.string().optional(), status: z.enum(OrderStatus) }),
    example: { status: 'CANCELLED' },
    refusals: [...unsettled, 'not_cancellable', 'customer_was_faster', 'changed_meanwhile']
  },
  '/orders/:id/accept': {
    id: 'acceptOrder',
    summary: 'Lets a payment in review count',
    subject: examples.orderId,
    takes: 'AcceptRequest',
    body: reason,
    gives: 'AcceptAnswer',
    data: z.object({ paymentIntentId: z.string(), status: z.enum(OrderStatus) }),
    example: { paymentIntentId: payment, status: 'PAID' },
    refusals: [
      ...unsettled,
      'nothing_in_review',
      'another_payment_counts',
      'not_paid',
      'goods_gone',
      'session_unknown_at_stripe',
      'customer_was_faster',
      'changed_meanwhile'
    ]
  },
  '/orders/:id/reconcile': {
    id: 'reconcileOrder',
    summary: 'Compares an order with what Stripe has, and applies what nobody has told',
    subject: examples.orderId,
    takes: 'ReconcileRequest',
    body: reason,
    gives: 'ReconcileAnswer',
    data: z.object({
      compared: z.int(),
      differences: z.array(z.string()),
      remaining: z.array(z.string()),
      errors: z.array(z.string())
    }),
    example: { compared: 1, differences: [], remaining: [], errors: [] },
    refusals: ['order_not_found']
  },
  '/events/:id/replay': {
    id: 'replayEvent',
    summary: 'Applies a dead event again',
    subject: 'evt_1',
    takes: 'Note',
    body: note,
    gives: 'ReplayedAnswer',
    data: identified,
    example: { id: 'evt_1', status: 'RECEIVED' },
    refusals: ['event_not_found', 'event_not_dead']
  },
  '/events/:id/resolve': {
    id: 'resolveEvent',
    summary: 'Says that a dead event was dealt with by other means',
    subject: 'evt_1',
    takes: 'Note',
    body: note,
    gives: 'EventResolvedAnswer',
    data: identified,
    example: { id: 'evt_1', status: 'RESOLVED' },
    refusals: ['event_not_found', 'event_not_dead']
  },
  '/checkouts/:id/expire': {
    id: 'expireCheckout',
    summary: 'Ends an open checkout at Stripe',
    subject: examples.checkoutId,
    takes: 'ExpireRequest',
    body: reason,
    gives: 'ExpireAnswer',
    data: z.object({ id: z.string(), status: z.enum(CheckoutStatus) }),
    example: { id: examples.checkoutId, status: 'EXPIRED' },
    refusals: [
      'checkout_not_found',
      'not_expirable',
      'session_not_created_yet',
      'session_known_at_stripe',
      'payment_known_at_stripe',
      'changed_meanwhile'
    ]
  },
  '/notifications/:id/replay': {
    id: 'resendNotification',
    summary: 'Tells the shop again, under the same id',
    subject: 'cmwvwdoohsgc8bg34kz8s5nyc',
    takes: 'Note',
    body: note,
    gives: 'ResentAnswer',
    data: identified,
    example: { id: 'cmwvwdoohsgc8bg34kz8s5nyc', status: 'PENDING' },
    refusals: ['notification_not_found', 'notification_waiting']
  },
  '/alerts/:id/resolve': {
    id: 'resolveAlert',
    summary: 'Resolves an alert',
    subject: 'cmwvwdoohsgc8bg34kz8s5nya',
    takes: 'Note',
    body: note,
    gives: 'ResolvedAnswer',
    data: z.object({ id: z.string(), resolvedBy: z.string() }),
    example: { id: 'cmwvwdoohsgc8bg34kz8s5nya', resolvedBy: 'ops' },
    refusals: ['alert_not_found']
  },
  '/fraud/clearances': {
    id: 'clearCustomer',
    summary: 'Lets the fraud rules count from zero for a customer, an IP address, or both',
    takes: 'ClearanceRequest',
    body: { ...note, userId: 'ada' },
    gives: 'ClearanceAnswer',
    data: z.object({ cleared: z.array(z.string()) }),
    example: { cleared: ['user:ada'] },
    refusals: ['unclear_input']
  },
  '/maintenance/on': {
    id: 'closeCheckouts',
    summary: 'Refuses new checkouts and orders on every process',
    takes: 'MaintenanceRequest',
    body: { message: 'Back at noon', until: '2030-01-01T12:00:00Z', ...reason },
    gives: 'MaintenanceAnswer',
    data: maintenance,
    example: { on: true, message: 'Back at noon', until: '2030-01-01T12:00:00.000Z' },
    refusals: []
  },
  '/maintenance/off': {
    id: 'openCheckouts',
    summary: 'Takes new checkouts and orders again',
    takes: 'MaintenanceEndRequest',
    body: reason,
    gives: 'MaintenanceAnswer',
    data: maintenance,
    example: { on: false, message: '', until: null },
    refusals: []
  }
}

/** One schema a name: some acts take, or give, the same. */
const schemas = new Map<string, z.ZodType>()

function schemaOf(name: string, schema: z.ZodType): z.ZodType {
  const known = schemas.get(name) ?? named(name, schema)
  schemas.set(name, known)
  return known
}

export const maintenanceAnswer = schemaOf('MaintenanceAnswer', success(maintenance))

const subjectOf = (example: string): Record<string, Parameter> => ({
  id: { description: 'Its id', schema: { type: 'string' }, example }
})

const IDEMPOTENT: Record<string, Parameter> = {
  'Idempotency-Key': {
    description: 'The same key of the same operator is the same act, for a day',
    schema: { type: 'string', minLength: 1, maxLength: 255 }
  }
}

/** Every act of an operator. An act that nothing is told of here is no operation: the test of the reference says so. */
export const actOperations: Operations = Object.fromEntries(
  acts.flatMap(({ path, body }): [string, Operation][] => {
    const about = told[path]
    if (about === undefined) return []
    const { id, summary, subject, takes, gives, data, example, refusals } = about
    return [
      [
        `POST /ops/api${path}`,
        {
          id,
          tag: 'Operators',
          summary,
          access: 'operator',
          ...(subject !== undefined && { path: subjectOf(subject) }),
          headers: IDEMPOTENT,
          body: { schema: schemaOf(takes, body), example: about.body },
          answers: {
            200: {
              description: 'It is done',
              headers: ['Cache-Control'],
              body: { schema: schemaOf(gives, success(data)), example: { success: true, data: example } }
            }
          },
          problems: [
            'not_found',
            'key_in_flight',
            'key_reused',
            ...(path.startsWith('/orders') || path.startsWith('/checkouts')
              ? (['payment_service', 'payment_service_away'] as const)
              : [])
          ],
          refusals
        }
      ]
    ]
  })
)

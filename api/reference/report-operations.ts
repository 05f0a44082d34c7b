import { z } from 'zod'
import { reportKinds } from '../../shared/reports/period.js'
import { named } from './components.js'
import type { Operations } from './operation.js'
import { examples, success, time } from './values.js'

const minorAmount = z.int().meta({ description: 'In minor units of the currency' })
const counted = z.array(z.object({ name: z.string(), count: z.int() }))

const figures = named(
  'ReportFigures',
  z.object({
    since: time(),
    until: time(),
    money: z.array(
      z.object({
        currency: z.string(),
        payments: z.int(),
        captured: minorAmount,
        refunded: minorAmount,
        disputed: minorAmount,
        fees: minorAmount,
        net: minorAmount
      })
    ),
    checkouts: z.object({
      byStatus: z.record(z.string(), z.int()),
      customers: z.int(),
      customersWhoPaid: z.int()
    }),
    declines: counted,
    refusals: counted,
    fraud: z.record(z.string(), z.int()),
    deliveries: z.object({
      received: z.int(),
      applied: z.int(),
      dead: z.int(),
      waiting: z.int(),
      medianSeconds: z.number().nullable(),
      p99Seconds: z.number().nullable()
    }),
    notifications: z.looseObject({}),
    alerts: z.array(z.looseObject({}))
  })
)

const report = named(
  'Report',
  z.object({
    kind: z.enum(reportKinds),
    timeZone: z.string(),
    currency: z
      .string()
      .nullable()
      .meta({ description: 'That of all money and checkouts that are counted; null for all' }),
    madeAt: time(),
    period: figures,
    before: figures,
    ledgerDifferences: z.array(
      z.object({ orderId: z.string(), currency: z.string(), captured: minorAmount, booked: minorAmount })
    ),
    now: z.object({
      rows: z.record(z.string(), z.int()),
      soldOut: z.array(z.looseObject({ slug: z.string(), name: z.string() })),
      lowStock: z.array(z.object({ id: z.string(), slug: z.string(), name: z.string(), left: z.int() })),
      expiredKeys: z.int()
    })
  })
)

const ofNothing = (since: string, until: string) => ({
  since,
  until,
  money: [],
  checkouts: { byStatus: {}, customers: 0, customersWhoPaid: 0 },
  declines: [],
  refusals: [],
  fraud: { challenged: 0, challengedPaid: 0, blocked: 0, earlyWarnings: 0, reviews: 0, disputes: 0 },
  deliveries: { received: 0, applied: 0, dead: 0, waiting: 0, medianSeconds: null, p99Seconds: null },
  notifications: {},
  alerts: []
})

export const reportOperations: Operations = {
  'GET /ops/api/reports/:kind': {
    id: 'readReport',
    tag: 'Operators',
    summary: 'What happened in a day, week, month or other range, and in the one before it',
    access: 'operator',
    path: { kind: { description: 'Of what', schema: { type: 'string', enum: reportKinds }, example: 'daily' } },
    query: {
      for: {
        description: 'Of daily, weekly and monthly: a moment of the period; the one that ended last when left out',
        schema: { type: 'string' },
        example: '2026-11-01'
      },
      since: {
        description: 'Of range, and needed there: from the beginning of this day, or from a time',
        schema: { type: 'string' }
      },
      until: {
        description: 'Of range: until the end of this day, or until a time; until now when left out',
        schema: { type: 'string' }
      },
      currency: {
        description: 'What is in this currency alone; deliveries, notifications and alerts are of all',
        schema: { type: 'string' },
        example: 'EUR'
      },
      timezone: {
        description: 'Of the IANA time zone database; UTC when left out',
        schema: { type: 'string' },
        example: 'Europe/Berlin'
      }
    },
    answers: {
      200: {
        description: 'The report',
        headers: ['Cache-Control'],
        body: {
          schema: named('ReportAnswer', success(report)),
          example: {
            success: true,
            data: {
              kind: 'daily',
              timeZone: 'UTC',
              currency: 'EUR',
              madeAt: examples.time,
              period: ofNothing('2026-11-24T00:00:00.000Z', '2026-11-25T00:00:00.000Z'),
              before: ofNothing('2026-11-23T00:00:00.000Z', '2026-11-24T00:00:00.000Z'),
              ledgerDifferences: [],
              now: { rows: {}, soldOut: [], lowStock: [], expiredKeys: 0 }
            }
          }
        }
      }
    },
    problems: ['invalid_request', 'not_found']
  }
}

import { z } from 'zod'
import { clearCustomer } from '../../../shared/orders/clear-customer.js'
import { setMaintenance } from '../../../shared/runtime/set-maintenance.js'
import { type AnyAct, act, text, why } from './act.js'

const until = z.iso.datetime({ offset: true, error: 'A time such as 2026-11-24T12:00:00Z' })

/** What is done to the whole shop, or to a customer. */
export const shopActs: AnyAct[] = [
  act({
    path: '/fraud/clearances',
    body: z.strictObject({ note: why, userId: text(255).optional(), ipAddress: text(64).optional() }),
    async run(services, _id, body, { operator, requestId }) {
      return { cleared: await clearCustomer(services, { ...body, operator, requestId }) }
    }
  }),
  act({
    path: '/maintenance/on',
    body: z.strictObject({
      message: text(500).refine(value => value.trim() !== '', 'Say what customers are to read'),
      until: until.optional(),
      reason: why.optional()
    }),
    async run(services, _id, { message, until, reason }, { operator, requestId }) {
      const value = { on: true, message, until: until === undefined ? null : new Date(until).toISOString() }
      await setMaintenance(services, value, { operator, reason, requestId })
      return value
    }
  }),
  act({
    path: '/maintenance/off',
    body: z.strictObject({ reason: why.optional() }),
    async run(services, _id, { reason }, { operator, requestId }) {
      const value = { on: false, message: '', until: null }
      await setMaintenance(services, value, { operator, reason, requestId })
      return value
    }
  })
]

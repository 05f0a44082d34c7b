import { z } from 'zod'
import { named } from './components.js'
import type { Operations } from './operation.js'

const check = z.object({ ok: z.boolean(), reason: z.string().optional() })
const alive = named('Alive', z.object({ status: z.literal('ok') }))
const readiness = named(
  'Readiness',
  z.object({
    status: z.enum(['ready', 'degraded', 'not ready']),
    checks: z.object({ database: check, queue: check })
  })
)

const tag = 'Health'

export const healthOperations: Operations = {
  'GET /healthz': {
    id: 'readHealth',
    tag,
    summary: 'Whether the process runs',
    access: 'open',
    answers: { 200: { description: 'It does', body: { schema: alive, example: { status: 'ok' } } } }
  },
  'GET /readyz': {
    id: 'readReadiness',
    tag,
    summary: 'Whether it can take requests',
    access: 'open',
    answers: {
      200: {
        description: 'It can; `degraded` without the queue store',
        headers: ['Cache-Control'],
        body: {
          schema: readiness,
          example: { status: 'ready', checks: { database: { ok: true }, queue: { ok: true } } }
        }
      },
      503: {
        description: 'It cannot: no database, or another schema',
        headers: ['Cache-Control'],
        body: {
          schema: readiness,
          example: {
            status: 'not ready',
            checks: {
              database: { ok: false, reason: 'the database does not answer; the log says why' },
              queue: { ok: true }
            }
          }
        }
      }
    }
  }
}

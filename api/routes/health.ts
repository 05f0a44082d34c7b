import { Router } from 'express'
import { migrationNames } from '../../shared/database/migration-names.js'
import { SECOND } from '../../shared/duration.js'
import { messageOf } from '../../shared/errors.js'
import { createSharedRead } from '../../shared/runtime/shared-read.js'
import { isMigrated } from '../../shared/statements/migrations.js'
import { withinTime } from '../../shared/within-time.js'
import type { Ingress } from '../ingress.js'

type Check = { ok: true } | { ok: false; reason: string }

/**
 * `degraded` is a 200: without the queue store the ingress still writes down events, orders and checkouts, which the sweep
 * enqueues later. Without the database, or with another schema than ours, it can take nothing.
 */
interface Readiness {
  status: 'ready' | 'degraded' | 'not ready'
  checks: { database: Check; queue: Check }
}

/** Everybody may ask: however many do, the stores are asked once in this time. */
const ASK_EVERY = SECOND / 2
const ANSWER_WITHIN = 1.5 * SECOND

/** /healthz: the process runs. /readyz: it can do its work: database, schema version, queue store. */
export function healthRoutes(ingress: Ingress): Router {
  const expected = migrationNames().at(-1)
  const readiness = createSharedRead(() => askStores(ingress, expected), {
    everyMs: ASK_EVERY,
    withinMs: 2 * ANSWER_WITHIN,
    what: 'the readiness check'
  })

  const router = Router()
  router.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' })
  })
  router.get('/readyz', async (_request, response) => {
    response.setHeader('Cache-Control', 'no-store')
    if (ingress.drain.hasBegun) {
      response.status(503).json({ status: 'not ready', reason: 'the process is stopping' })
      return
    }
    const { status, checks } = await readiness()
    response.status(status === 'not ready' ? 503 : 200).json({ status, checks })
  })
  return router
}

async function askStores(ingress: Ingress, expected: string | undefined): Promise<Readiness> {
  const [database, queue] = await Promise.all([
    check(ingress, 'database', () => checkSchema(ingress, expected)),
    check(ingress, 'queue store', () => ingress.queues.ping())
  ])
  const status = !database.ok ? 'not ready' : queue.ok ? 'ready' : 'degraded'
  return { status, checks: { database, queue } }
}

/** What may be told to everybody; a driver's own message can name hosts and users. */
class NotReady extends Error {}

async function checkSchema(ingress: Ingress, expected: string | undefined): Promise<void> {
  if (!(await isMigrated(ingress.control, expected, ANSWER_WITHIN)))
    throw new NotReady(`migration ${expected} is missing; run: npm run db:migrate`)
}

async function check({ log }: Ingress, what: string, work: () => Promise<void>): Promise<Check> {
  try {
    await withinTime(work(), ANSWER_WITHIN, `the ${what} did not answer in ${ANSWER_WITHIN} ms`)
    return { ok: true }
  } catch (error) {
    log.warn({ reason: messageOf(error) }, `the ${what} is not ready`)
    const reason = error instanceof NotReady ? error.message : `the ${what} does not answer; the log says why`
    return { ok: false, reason }
  }
}

import { Router } from 'express'
import { SECOND } from '../../shared/duration.js'
import { messageOf } from '../../shared/errors.js'
import { migrationNames } from '../../shared/migration-names.js'
import type { Ingress } from '../ingress.js'

type Check = { ok: true } | { ok: false; reason: string }

interface Readiness {
  ready: boolean
  checks: { database: Check; queue: Check }
}

/** Everybody may ask: however many do, the stores are asked once in this time. */
const ASK_EVERY = SECOND / 2

/** /healthz: the process runs. /readyz: it can do its work: database, schema version, queue store. */
export function healthRoutes(ingress: Ingress): Router {
  const expected = migrationNames().at(-1)
  let asked = 0
  let answer: Promise<Readiness> | undefined
  const readiness = (): Promise<Readiness> => {
    if (answer !== undefined && Date.now() - asked < ASK_EVERY) return answer
    asked = Date.now()
    answer = askStores(ingress, expected)
    return answer
  }

  const router = Router()
  router.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' })
  })
  router.get('/readyz', async (_request, response) => {
    const { ready, checks } = await readiness()
    response.setHeader('Cache-Control', 'no-store')
    response.status(ready ? 200 : 503).json({ status: ready ? 'ready' : 'not ready', checks })
  })
  return router
}

async function askStores(ingress: Ingress, expected: string | undefined): Promise<Readiness> {
  const [database, queue] = await Promise.all([
    check(ingress, 'database', () => checkSchema(ingress, expected)),
    check(ingress, 'queue store', () => ingress.queues.ping())
  ])
  return { ready: database.ok && queue.ok, checks: { database, queue } }
}

/** What may be told to everybody; a driver's own message can name hosts and users. */
class NotReady extends Error {}

async function checkSchema(ingress: Ingress, expected: string | undefined): Promise<void> {
  const { rowCount } = await ingress.db.pool.query(
    'SELECT FROM "_prisma_migrations" WHERE "migration_name" = $1 AND "finished_at" IS NOT NULL',
    [expected]
  )
  if (rowCount === 0) throw new NotReady(`migration ${expected} is missing; run: npm run db:migrate`)
}

async function check({ log }: Ingress, what: string, work: () => Promise<void>): Promise<Check> {
  try {
    await work()
    return { ok: true }
  } catch (error) {
    log.warn({ reason: messageOf(error) }, `the ${what} is not ready`)
    const reason = error instanceof NotReady ? error.message : `the ${what} does not answer; the log says why`
    return { ok: false, reason }
  }
}

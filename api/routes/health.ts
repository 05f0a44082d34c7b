import { Router } from 'express'
import { messageOf } from '../../shared/errors.js'
import { migrationNames } from '../../shared/migration-names.js'
import type { Ingress } from '../ingress.js'

type Check = { ok: true } | { ok: false; reason: string }

/** /healthz: the process runs. /readyz: it can do its work: database, schema version, queue store. */
export function healthRoutes(ingress: Ingress): Router {
  const expected = migrationNames().at(-1)
  const router = Router()
  router.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' })
  })
  router.get('/readyz', async (_request, response) => {
    const [database, queue] = await Promise.all([
      check(() => checkSchema(ingress, expected)),
      check(() => ingress.queues.ping())
    ])
    const ready = database.ok && queue.ok
    response.status(ready ? 200 : 503).json({ status: ready ? 'ready' : 'not ready', checks: { database, queue } })
  })
  return router
}

async function checkSchema(ingress: Ingress, expected: string | undefined): Promise<void> {
  const { rowCount } = await ingress.db.pool.query(
    'SELECT FROM "_prisma_migrations" WHERE "migration_name" = $1 AND "finished_at" IS NOT NULL',
    [expected]
  )
  if (rowCount === 0) throw new Error(`migration ${expected} is missing; run: npm run db:migrate`)
}

async function check(work: () => Promise<void>): Promise<Check> {
  try {
    await work()
    return { ok: true }
  } catch (error) {
    return { ok: false, reason: messageOf(error) }
  }
}

import { alert } from '../shared/alerts.js'
import { SECOND } from '../shared/duration.js'
import type { Services } from '../shared/services.js'
import { countRequeue, type DueRow, findDueRows } from '../shared/statements/due-rows.js'
import type { Job } from './job.js'

const LIMIT = 5_000
const AT_ONCE = 50
const STUCK_AFTER_REQUEUES = 20

/** Enqueues what the rows say is due and has no job: after a lost queue store, a crash, or a store that was away. */
export const sweep: Job<'sweep'> = {
  name: 'sweep',
  async handle(services) {
    const before = new Date(services.now().getTime() - services.config.schedules.sweepAfterSeconds * SECOND)
    const due = await findDueRows(services.db.pool, before, LIMIT)
    let requeued = 0
    for (let start = 0; start < due.length; start += AT_ONCE) {
      const results = await Promise.all(due.slice(start, start + AT_ONCE).map(row => requeue(services, row)))
      requeued += results.filter(Boolean).length
    }
    if (requeued > 0) services.log.warn({ due: due.length, requeued }, 'rows without a job were enqueued again')
  }
}

async function requeue(services: Services, row: DueRow): Promise<boolean> {
  if (!(await services.queues.enqueueAgain(row.job, row.id))) return false
  if (row.job !== 'webhook-processing') {
    const requeues = await countRequeue(services.db.pool, row.id)
    if (requeues === STUCK_AFTER_REQUEUES) {
      await alert(services.db.pool, services.log, 'stuck_checkout', {
        checkoutId: row.id,
        reason: `${row.job} was enqueued ${requeues} times`
      })
    }
  }
  return true
}

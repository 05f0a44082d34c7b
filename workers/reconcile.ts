import { reconcile } from '../shared/reconcile/reconcile.js'
import { reportRefusedKey } from '../shared/runtime/refused-key.js'
import type { Job } from './job.js'

export const reconcileJob: Job<'reconcile'> = {
  name: 'reconcile',
  async handle(services, _payload, job) {
    const report = await reconcile(services, { requestId: `reconcile-${job.id}`, scheduled: true })
    const { errors, outages } = report
    if (errors.length === 0) return
    // Beside others it would be lost in their sum.
    for (const outage of outages) await reportRefusedKey(services, outage)
    const cause = outages.length === errors.length ? outages[0] : undefined
    throw new Error(`reconcile was not complete: ${errors.join('; ')}`, { cause })
  }
}

import { writeAudit } from '../shared/audit.js'
import { DAY } from '../shared/duration.js'
import type { Services } from '../shared/services.js'
import { findExpiredChains, removeChain } from '../shared/statements/audit-trail.js'
import { prunePersonalData } from '../shared/statements/personal-data.js'
import { signTombstone } from '../shared/tombstone.js'
import type { Job } from './job.js'

const BATCH = 500
const MAX_BATCHES = 200

/**
 * Forgets what is old: personal data and event payloads after DATA_RETENTION_DAYS, whole and sound chains of the audit
 * trail after LOG_RETENTION_DAYS. Each batch is short and by itself.
 */
export const retention: Job<'retention'> = {
  name: 'retention',
  async handle(services) {
    const pruned = await prune(services)
    const removed = await removeChains(services)
    if (pruned === 0 && removed === 0) return
    services.log.info({ pruned, removed }, 'old data was forgotten')
    await writeAudit(services.db.pool, { action: 'retention', status: 'SUCCESS', metadata: { pruned, removed } })
  }
}

async function prune({ config, db, now }: Services): Promise<number> {
  const before = new Date(now().getTime() - config.retention.dataDays * DAY)
  let pruned = 0
  for (let batch = 0; batch < MAX_BATCHES; batch++) {
    const count = await prunePersonalData(db.pool, before, BATCH)
    pruned += count
    if (count === 0) break
  }
  return pruned
}

/** A chain that is not sound stays, for `ops audit verify` to name. */
async function removeChains({ config, db, now, log }: Services): Promise<number> {
  const before = new Date(now().getTime() - config.retention.logDays * DAY)
  let removed = 0
  const seen = new Set<string>()
  for (let batch = 0; batch < MAX_BATCHES; batch++) {
    const chains = (await findExpiredChains(db.pool, before, BATCH)).filter(each => !seen.has(each.chain))
    if (chains.length === 0) break
    for (const chain of chains) {
      seen.add(chain.chain)
      if (await removeChain(db.pool, chain, before, signTombstone(chain, config.auth.secret))) removed++
      else log.warn({ chain: chain.chain }, 'a chain of the audit trail is not sound and stays')
    }
  }
  return removed
}

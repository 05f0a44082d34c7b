import { writeAudit } from '../shared/audit/audit.js'
import { signTombstone } from '../shared/audit/tombstone.js'
import { isDatabaseUnavailable, transaction } from '../shared/database/database.js'
import { DAY, MINUTE } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import { inPacedBatches } from '../shared/paced-batches.js'
import type { Services } from '../shared/runtime/services.js'
import {
  type AuditPolicy,
  type ExpiredChain,
  findAuditProblems,
  findExpiredChains,
  forgetOldAddresses,
  readAuditPolicy,
  removeChain
} from '../shared/statements/audit-trail.js'
import { prunings } from '../shared/statements/personal-data.js'
import type { Job } from './job.js'

const BATCH = 500
/** Two million rows of each kind in a night: 23 events a second, all day. */
const MAX_BATCHES = 4_000
/** Each chain is a transaction of its own. */
const MAX_CHAIN_BATCHES = 1_000
/** A chain can be long. */
const CHAIN_TIMEOUT_MS = 10 * MINUTE
/** So many failures are told one by one, the others as a number. */
const MOST_LISTED = 20
/** So many chains one after the other for which the database does not answer: it will not for the others either. */
const MOST_UNANSWERED = 3

/**
 * Forgets what is old: personal data and event payloads after DATA_RETENTION_DAYS, and the addresses and browsers of the
 * audit trail with them; whole and sound chains of the trail after LOG_RETENTION_DAYS. Each batch is short and by itself.
 * What fails does not keep the rest from its turn; the job fails at the end and says what it was.
 */
export const retention: Job<'retention'> = {
  name: 'retention',
  async handle(services) {
    const policy = await readAuditPolicy(services.db.pool)
    const failures: string[] = []
    const pruned = (await prune(services, failures)) + (await forgetAddresses(services, policy, failures))
    const removed = await removeChains(services, policy, failures)
    if (pruned > 0 || removed > 0) {
      services.log.info({ pruned, removed }, 'old data was forgotten')
      await writeAudit(services.db.pool, {
        action: 'retention',
        status: failures.length === 0 ? 'SUCCESS' : 'FAILED',
        metadata: { pruned, removed, failed: failures.length }
      })
    }
    if (failures.length > 0) throw new Error(`retention was not complete: ${summaryOf(failures)}`)
  }
}

function summaryOf(failures: string[]): string {
  const more = failures.length - MOST_LISTED
  return failures.slice(0, MOST_LISTED).join('; ') + (more > 0 ? `; and ${more} more` : '')
}

async function prune({ config, db, now }: Services, failures: string[]): Promise<number> {
  const before = new Date(now().getTime() - config.retention.dataDays * DAY)
  let pruned = 0
  for (const { what, prune } of prunings) {
    pruned += await inBatches(what, failures, () => prune(db.pool, before, BATCH))
  }
  return pruned
}

async function forgetAddresses({ config, db, now, log }: Services, policy: AuditPolicy, failures: string[]) {
  const { dataDays } = config.retention
  if (dataDays < policy.addressDays) {
    log.warn(
      { set: dataDays, policy: policy.addressDays },
      'DATA_RETENTION_DAYS is less than the database keeps addresses in the audit trail: run npm run db:migrate with this setting'
    )
  }
  const before = new Date(now().getTime() - dataDays * DAY)
  return await inBatches('addresses of the audit trail', failures, () => forgetOldAddresses(db.pool, before, BATCH))
}

async function inBatches(what: string, failures: string[], batch: () => Promise<number>): Promise<number> {
  let total = 0
  const counted = async () => {
    const rows = await batch()
    total += rows
    return rows
  }
  try {
    await inPacedBatches(counted, { size: BATCH, most: MAX_BATCHES, rest: 1 })
  } catch (error) {
    failures.push(`${what}: ${messageOf(error)}`)
  }
  return total
}

async function removeChains(services: Services, policy: AuditPolicy, failures: string[]): Promise<number> {
  const { config, db, now, log } = services
  const { logDays } = config.retention
  if (logDays < policy.chainDays) {
    log.warn(
      { set: logDays, policy: policy.chainDays },
      'LOG_RETENTION_DAYS is less than the database keeps the audit trail: run npm run db:migrate with this setting'
    )
  }
  const before = new Date(now().getTime() - Math.max(logDays, policy.chainDays) * DAY)
  let removed = 0
  let last: ExpiredChain | undefined
  let unanswered = 0
  for (let batch = 0; batch < MAX_CHAIN_BATCHES; batch++) {
    const chains = await findExpiredChains(db.pool, before, BATCH, last)
    for (const chain of chains) {
      try {
        if (await removeOne(services, chain, before)) removed++
        unanswered = 0
      } catch (error) {
        failures.push(`chain ${chain.chain}: ${messageOf(error)}`)
        unanswered = isDatabaseUnavailable(error) ? unanswered + 1 : 0
        if (unanswered === MOST_UNANSWERED) return removed
      }
    }
    last = chains.at(-1)
    if (chains.length < BATCH) break
  }
  return removed
}

/** A chain that is not sound stays, for `ops audit verify` to name. */
async function removeOne({ config, db }: Services, chain: ExpiredChain, before: Date): Promise<boolean> {
  const options = { statementTimeoutMs: CHAIN_TIMEOUT_MS }
  return await transaction(
    db.pool,
    async client => {
      if (await removeChain(client, chain, before, signTombstone(chain, config))) return true
      const [problem] = await findAuditProblems(client, chain.chain)
      if (problem === undefined) return false
      throw new Error(`it is not sound and stays: ${problem.problem}. See npm run ops -- audit verify`)
    },
    options
  )
}

import { directAccess, findPooling } from '../../runtime/pooling.js'
import type { Check } from '../check.js'
import { type Finding, fine, must, should } from '../finding.js'
import { reasonOf } from '../reason.js'
import type { Subject } from '../subject.js'

const POOLERS = 'docs/postgresql.md#poolers'

/** Whether a connection of ours is a connection of PostgreSQL's, and where a session is when it is not. */
export const pooler: Check = {
  name: 'pooler',
  needs: ['DATABASE_URL', 'DATABASE_DIRECT_URL', 'REDIS_URL', 'QUEUE_ENGINE'],
  async run(subject) {
    await subject.database()
    const { config } = subject
    const pooling = await subject.pooling()
    if (config.database.directUrl !== undefined) return [await lookAtDirect(subject)]
    if (pooling === 'none') return [fine('none')]
    if (pooling === 'session')
      return [fine('one that keeps a connection for its client; each transaction sets its role')]
    const what = 'DATABASE_URL leads to a pooler in transaction mode'
    if (config.queue.engine === 'postgres')
      return [must(`${what}: QUEUE_ENGINE=postgres needs DATABASE_DIRECT_URL (${POOLERS})`)]
    return [
      should(
        `${what}, which passes no notifications on: waiting checkouts are polled, and npm run db:migrate needs DATABASE_DIRECT_URL: set it (${POOLERS})`
      )
    ]
  }
}

async function lookAtDirect({ config, pooling }: Subject): Promise<Finding> {
  try {
    const direct = await findPooling(directAccess(config.database))
    if (direct === 'transaction')
      return must(
        `DATABASE_DIRECT_URL leads to a pooler in transaction mode: it has to be the database itself, or a pool in session mode (${POOLERS})`
      )
  } catch (error) {
    return must(`the database of DATABASE_DIRECT_URL cannot be used: ${reasonOf(error)}`)
  }
  const kind = { none: 'no pooler', session: 'a pooler in session mode', transaction: 'a pooler in transaction mode' }
  return fine(`DATABASE_URL leads to ${kind[await pooling()]}, DATABASE_DIRECT_URL to sessions`)
}

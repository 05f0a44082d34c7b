import { type BoundedClient, connectBounded } from '../../database/bounded-client.js'
import { SECOND } from '../../duration.js'
import { readBackend } from '../../statements/server-state.js'
import type { Check } from '../check.js'
import { fine, must, should } from '../finding.js'

const ROUNDS = 3
const ANSWER_WITHIN = 3 * SECOND

/**
 * Whether a connection of ours is a connection of PostgreSQL's. A pooler in transaction mode gives each statement another
 * one, so that two that are open at once are answered by the same process of the server, or one by several.
 */
export const pooler: Check = {
  name: 'pooler',
  needs: ['DATABASE_URL', 'REDIS_URL', 'QUEUE_ENGINE'],
  async run({ config, database }) {
    await database()
    const clients: BoundedClient[] = []
    try {
      for (let each = 0; each < 2; each++) clients.push(await connectBounded(config.database.url, ANSWER_WITHIN))
      if (!(await sharesBackends(clients))) return [fine('none, or one that keeps a connection for its client')]
    } finally {
      await Promise.allSettled(clients.map(client => client.end()))
    }
    const what = 'DATABASE_URL leads to a pooler in transaction mode'
    if (config.queue.engine === 'postgres')
      return [
        must(
          `${what}, which passes no notifications on: QUEUE_ENGINE=postgres needs the server's own port, or a pool in session mode`
        )
      ]
    return [should(`${what}: checkouts are polled, and DATABASE_ROLE has to be none; a pool in session mode is better`)]
  }
}

async function sharesBackends(clients: BoundedClient[]): Promise<boolean> {
  const seen = new Map<number, BoundedClient>()
  for (let round = 0; round < ROUNDS; round++) {
    for (const client of clients) {
      const pid = await readBackend(client)
      const other = seen.get(pid)
      if (other !== undefined && other !== client) return true
      seen.set(pid, client)
    }
  }
  return seen.size > clients.length
}

import type { Stores } from '../stores.js'
import type { Installation } from '../tillworks.js'
import type { Row } from './measure.js'

/** What `work` measures, and the CPU time that each process needed for one of the operations it counts, in milliseconds. */
export async function withCosts(
  stores: Stores,
  { cpu }: Pick<Installation, 'cpu'>,
  work: () => Promise<{ count: number; values: Row['values'] }>
): Promise<Row['values']> {
  const before = { ...cpu(), ...stores.cpu() }
  const { count, values } = await work()
  const after = { ...cpu(), ...stores.cpu() }
  const each = (ms: number) => ms / count
  const used = {
    apiMs: each(after.api - before.api),
    workersMs: each(after.workers - before.workers),
    postgresMs: each(after.postgres - before.postgres),
    redisMs: each(after.redis - before.redis)
  }
  return { ...values, ...used, allMs: Object.values(used).reduce((sum, ms) => sum + ms, 0) }
}

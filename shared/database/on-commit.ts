import type pg from 'pg'
import { messageOf } from '../errors.js'

type Queryable = Pick<pg.PoolClient, 'query'>

const waiting = new WeakMap<Queryable, (() => void)[]>()

/**
 * Does `work` once the transaction of `db` is committed, and never when it is rolled back or tried again; at once for a
 * statement that commits by itself. For what is told outside of the database, on which nothing may depend: where it fails, a
 * warning of the process is all that comes of it (docs/golden-rules.md#rule-9).
 */
export function onCommit(db: Queryable, work: () => void): void {
  const works = waiting.get(db)
  if (works === undefined) attempt(work)
  else works.push(work)
}

/** A transaction begins on `client`; what is returned ends it. */
export function gatherUntilCommit(client: Queryable): (committed: boolean) => void {
  const works: (() => void)[] = []
  waiting.set(client, works)
  return committed => {
    waiting.delete(client)
    if (committed) works.forEach(attempt)
  }
}

function attempt(work: () => void): void {
  try {
    work()
  } catch (error) {
    process.emitWarning(`What was to be told after a commit could not be: ${messageOf(error)}`, 'TelemetryWarning')
  }
}
